"""Hands as the camera does not see them: from the right, from above."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.conventions import MILLIMETRES

from .lettering import INK, Tag, draw_tags, write
from .mesh_renderer import SAMPLES, UNKNOWN_DEPTH, Surface, paint

BLANK = 236  # grey level behind the hands
BAR = 0.05  # metres, length of the scale bar
FLOOR = 0.17  # share of the picture's height that is kept for the scale bar
FINGERS_FROM = 0.55  # of the hand's length from its wrist; a tag covers none
TAGGED_VERTICES = 16  # nearest to the wrist; the tag is beyond their middle
FAR_IS_RIGHT = 'side view, far is right'  # the title of a view from the right

# Rows: what of (x, y, z) is right, down and away in the picture.
FROM_RIGHT = ((0.0, 0, 1), (0, 1, 0), (-1, 0, 0))  # far is right
FROM_ABOVE = ((1.0, 0, 0), (0, 0, -1), (0, 1, 0))  # far is up


def side_surfaces(
    vertices: Sequence[np.ndarray],
    faces: Sequence[np.ndarray],
    colors: Sequence[Sequence[int]],
    size: int,
    margin: float = 0.08,
    rotation: Sequence[Sequence[float]] = FROM_RIGHT,
) -> list[Surface]:
    """Meshes seen from the right of the camera, fitted into a square picture.

    The picture's horizontal axis is the depth, growing to the right; down stays down.

    Args:
        vertices: each (V, 3) metres, one common origin.
        faces: each (F, 3) int64.
        colors: each RGB, 0 to 255.
        size: side of the picture, pixels.
        margin: empty share of the picture at each edge.
        rotation: another view, for instance ``FROM_ABOVE``.
    """
    rotation = np.array(rotation, np.float32)
    rotated = [np.asarray(one, np.float32) @ rotation.T for one in vertices]
    if not rotated:
        return []
    low = np.min([one.min(axis=0) for one in rotated], axis=0)
    high = np.max([one.max(axis=0) for one in rotated], axis=0)
    wide = np.maximum((high - low)[:2].max(), 1e-6)  # not finite where a hand is not
    scale = size * (1 - 2 * margin) / wide
    # The middle of the hands in the middle of the picture; its pixels' are at integers.
    start = (size - 1) / 2 - scale * (low + high)[:2] / 2
    surfaces = []
    for seen, own, color in zip(rotated, faces, colors):
        depth = seen[:, 2:] + np.float32(UNKNOWN_DEPTH)
        points = np.concatenate([scale * seen[:, :2] + start, depth], axis=1)
        points = torch.from_numpy(points.astype(np.float32))
        own = torch.from_numpy(np.asarray(own, np.int64))
        surfaces.append(Surface(torch.from_numpy(seen), points, own, color, False))
    return surfaces


class PlacedHand(NamedTuple):
    """A hand in a view that is not the camera's."""

    name: str  # a letter or two, written beyond the wrist
    vertices: np.ndarray  # (V, 3) metres, the hand's own frame
    faces: np.ndarray  # (F, 3)
    wrist: np.ndarray  # (3,) metres, the hand's own frame
    position: np.ndarray  # (3,) metres, as of ``place_wrists``; it is added to both
    color: Sequence[int]  # RGB, 0 to 255


def draw_side_view(
    hands: Sequence[PlacedHand],
    size: int,
    letters: int,
    rotation: Sequence[Sequence[float]] = FROM_RIGHT,
    samples: int = SAMPLES,
) -> np.ndarray:
    """Hands on grey with their names and a scale bar, (size, size, 3) uint8 RGB.

    Args:
        hands: to draw; none gives the empty picture.
        size: side of the picture, pixels.
        letters: their height, pixels.
        rotation: of the view, ``FROM_RIGHT`` or ``FROM_ABOVE``.
        samples: along each side of a pixel at edges.
    """
    blank = np.full((size, size, 3), BLANK, np.uint8)
    if not hands:
        return blank
    floor = round(FLOOR * size)
    surfaces = _placed_surfaces(hands, size, floor, rotation)
    picture = paint(blank[: size - floor], surfaces, 1.0, supersample=samples)
    tags = [
        Tag(hand.name, _beyond_wrist(hand, surface), hand.color)
        for hand, surface in zip(hands, surfaces)
    ]
    fingers = np.concatenate(
        [_fingers(hand, surface) for hand, surface in zip(hands, surfaces)]
    )
    points = np.concatenate([surface.points[:, :2] for surface in surfaces])
    picture = draw_tags(picture, tags, letters, fingers, points)
    foot = _scale_bar(blank[size - floor :], _pixels_per_metre(surfaces[0]), letters)
    return np.concatenate([picture, foot])


def _placed_surfaces(
    hands: Sequence[PlacedHand],
    size: int,
    floor: int,
    rotation: Sequence[Sequence[float]],
) -> list[Surface]:
    """The hands above the floor, in the middle of a picture ``size`` pixels wide."""
    surfaces = side_surfaces(
        [hand.vertices + hand.position for hand in hands],
        [hand.faces for hand in hands],
        [hand.color for hand in hands],
        size - floor,
        rotation=rotation,
    )
    shift = torch.tensor([floor / 2, 0.0, 0.0])
    return [surface._replace(points=surface.points + shift) for surface in surfaces]


def _beyond_wrist(hand: PlacedHand, surface: Surface) -> np.ndarray:
    """A point (2,) beyond the wrist, as seen from the mesh's middle, pixels."""
    points = surface.points[:, :2].numpy()
    near = _from_wrist(hand).argpartition(TAGGED_VERTICES)[:TAGGED_VERTICES]
    wrist = points[near].mean(axis=0)
    return wrist + 0.35 * (wrist - points.mean(axis=0))


def _fingers(hand: PlacedHand, surface: Surface) -> np.ndarray:
    """Pixels (N, 2) of what is farther from the wrist than knuckles are."""
    squared = _from_wrist(hand)
    far = squared > FINGERS_FROM**2 * squared.max()
    return surface.points[:, :2].numpy()[far]


def _from_wrist(hand: PlacedHand) -> np.ndarray:
    """Squares (V,) of the vertices' distances from the wrist, square metres."""
    return ((hand.vertices - hand.wrist).T ** 2).sum(axis=0)


def _pixels_per_metre(surface: Surface) -> float:
    vertices, points = surface.vertices.numpy(), surface.points.numpy()
    return float(np.ptp(points[:, 1]) / max(np.ptp(vertices[:, 1]), 1e-6))


def _scale_bar(foot: np.ndarray, pixels_per_metre: float, height: int) -> np.ndarray:
    """A bar of ``BAR`` metres in the strip (h, w, 3) below a picture.

    There is none where the scale is not finite, which it is not for broken meshes.
    """
    if not np.isfinite(pixels_per_metre):
        return foot
    rows, columns = foot.shape[:2]
    thick = max(2, height // 5)
    left = max(3, height // 3)
    bottom = rows - left
    right = min(columns - left, left + round(BAR * pixels_per_metre))
    foot = foot.copy()
    foot[bottom - thick : bottom, left:right] = INK
    text = f'{MILLIMETRES * BAR:.0f} mm'
    at = (left, bottom - thick - max(2, height // 5))
    return write(foot, text, at, height, anchor='lb')
