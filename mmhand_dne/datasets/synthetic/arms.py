"""Forearms that leave the picture: bare, with a watch, or in a sleeve."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from mmhand_dne.conventions import MIDDLE

from .hand_models import Hand, HandModels

LENGTH = (0.24, 0.4)  # metres
STEP = 0.03  # metres between rings
BENDING = 0.03  # metres of arm in which it bends away from the hand
MAX_BEND = 1.1  # radians
BAND = 0.022  # metres, the width of a watch's strap
WIDENING = np.array([0.45, 0.95])  # at the elbow, of the wrist's breadth and thickness


class Arm(NamedTuple):
    """A forearm: rings about a bent axis, then one vertex at the end.

    Attributes:
        vertices: (rings * loop + 1, 3) metres, world.
        colors: (rings * loop + 1, 3) sRGB.
        rings: their number.
    """

    vertices: torch.Tensor
    colors: np.ndarray
    rings: int


class Clothing(NamedTuple):
    """What a person wears on both forearms."""

    kind: str  # 'bare', 'sleeve' or 'band'
    start: float  # metres from the wrist
    width: float  # metres by which cloth stands off the skin
    colors: np.ndarray  # (2, 3) sRGB
    stripes: tuple[int, int]  # of the second colour, along and around; 0 none


def sample_clothing(rng: np.random.Generator) -> Clothing:
    """Half of the people wear sleeves."""
    kind = ('bare', 'band', 'sleeve')[int(rng.choice(3, p=[0.35, 0.15, 0.5]))]
    start = rng.uniform(0.005, 0.03) if kind == 'band' else abs(rng.normal(0, 0.07))
    base = rng.uniform(0.03, 0.95)
    colors = (base + rng.normal(0, [[0.08], [0.25]], (2, 3))).clip(0.02, 0.97)
    if rng.random() < 0.3:
        colors = rng.uniform(0.02, 0.95, (2, 3))
    stripes = rng.integers(0, 4, 2) * (rng.random(2) < 0.4)
    width = 0.002 if kind == 'band' else rng.uniform(0.002, 0.014)
    return Clothing(kind, start, width, colors, tuple(stripes.tolist()))


def make_arm(
    rng: np.random.Generator,
    models: HandModels,
    hand: Hand,
    clothing: Clothing,
    skin: np.ndarray,
    tone: np.ndarray,
    viewers: np.ndarray,
) -> Arm:
    """A forearm that widens towards the elbow, in its clothing.

    Args:
        viewers: (C, 3) metres, cameras at which the arm rather does not point: it would
            hide the hand.
        skin: (loop, 3) sRGB of the wrist's vertices; tone: (3,) of the person.
    """
    loop = hand.vertices[
        torch.from_numpy(models.extras[hand.side]['wrist_loop']).long()
    ]
    loop = loop.double().numpy()
    centre, shape = loop.mean(0), loop - loop.mean(0)
    along = centre - models.joints(hand)[MIDDLE].double().numpy()
    along /= np.linalg.norm(along)
    distances, cover = _rings(rng.uniform(*LENGTH), clothing)
    to_viewers = viewers - centre
    to_viewers /= np.linalg.norm(to_viewers, axis=1, keepdims=True)
    axis, turns = _bent_axis(rng, centre, along, distances, to_viewers)
    breadth, thickness = np.linalg.svd(shape, full_matrices=False)[2][:2]
    share = np.clip(distances / 0.26, 0, 1) ** 0.8
    folds = rng.normal(0, 1, (len(distances), len(loop)))
    stand_off = cover * (clothing.width + 0.0015 * np.abs(folds))
    rings = []
    for k, turn in enumerate(turns):
        grown = shape + WIDENING[0] * share[k] * np.outer(shape @ breadth, breadth)
        grown += WIDENING[1] * share[k] * np.outer(shape @ thickness, thickness)
        radius = np.linalg.norm(grown, axis=1, keepdims=True)
        grown *= 1 + stand_off[k][:, None] / radius
        rings.append(axis[k] + turn.apply(grown))
    vertices = np.concatenate([*rings, axis[-1:]])
    colors = _colors(rng, clothing, cover, distances, skin, tone)
    return Arm(torch.from_numpy(vertices).float(), colors, len(distances))


def _rings(length: float, clothing: Clothing) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the rings from the wrist, and which are covered (R, 1)."""
    distances = np.arange(0.008, length, STEP)
    cover = np.zeros(len(distances), bool)
    if clothing.kind == 'bare' or clothing.start > length - STEP:
        return distances, cover[:, None]
    start, end = clothing.start, length
    if clothing.kind == 'band':
        end = start + BAND
    # A hem is two rings at one place, bare and covered.
    hems = [start, start + 1e-4] + ([end, end + 1e-4] if end < length else [])
    covered = [False, True, True, False][: len(hems)]
    cover = (distances > start) & (distances < end)
    distances = np.concatenate([distances, hems])
    order = np.argsort(distances, kind='stable')
    return distances[order], np.concatenate([cover, covered])[order][:, None]


def _bent_axis(
    rng: np.random.Generator,
    centre: np.ndarray,
    along: np.ndarray,
    distances: np.ndarray,
    to_viewers: np.ndarray,
) -> tuple[np.ndarray, list[Rotation]]:
    """Points (R, 3) on the arm's axis and how its cross-sections are turned."""
    bends = [_bend(rng, along, spread) for spread in (0.3, 0.4, 0.5, 0.6, 0.6, 0.6)]
    hides = [(to_viewers @ bend.apply(along)).max() for bend in bends]
    clear = [bend for bend, cosine in zip(bends, hides) if cosine < 0.5]
    bend = (clear or [bends[int(np.argmin(hides))]])[0].as_rotvec()
    shares = np.clip(distances / BENDING, 0, 1)
    turns = [Rotation.from_rotvec(bend * share) for share in shares]
    steps = np.diff(distances, prepend=0)
    ways = np.stack([one.apply(along) for one in turns])
    return centre + np.cumsum(steps[:, None] * ways, axis=0), turns


def _bend(rng: np.random.Generator, along: np.ndarray, spread: float) -> Rotation:
    """A rotation about an axis across the arm, up to MAX_BEND."""
    turn = rng.normal(0, spread, 3)
    turn -= (turn @ along) * along
    angle = max(np.linalg.norm(turn), 1e-9)
    return Rotation.from_rotvec(turn * min(1.0, MAX_BEND / angle))


def _colors(
    rng: np.random.Generator,
    clothing: Clothing,
    cover: np.ndarray,
    distances: np.ndarray,
    skin: np.ndarray,
    tone: np.ndarray,
) -> np.ndarray:
    """Skin that fades from the wrist's colours to the tone, and cloth (N, 3) sRGB."""
    count = len(skin)
    fade = np.clip(distances / 0.05, 0, 1)[:, None, None]
    bare = skin + fade * (tone - skin)
    bare = bare * (1 + rng.normal(0, 0.02, (len(distances), count, 1)))
    along, around = clothing.stripes
    wave = np.ones((len(distances), count))
    if along:
        wave = wave * np.sign(np.sin(distances * along * 60))[:, None]
    if around:
        wave = wave * np.sign(np.sin(np.arange(count) * around * 2 * np.pi / count + 1))
    cloth = np.where(wave[..., None] > 0, *clothing.colors)
    cloth = cloth * (1 + rng.normal(0, 0.04, (len(distances), count, 1)))
    colors = np.where(cover[..., None], cloth, bare).reshape(-1, 3)
    return np.concatenate([colors, colors[-1:]]).clip(0, 1)
