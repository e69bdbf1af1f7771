"""Something in the hand: fingers closed about a thing until they touch it."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmhand_dne.conventions import MIDDLE, MIRROR_AXIS_ANGLES, WRIST

from .gestures import (
    CHAINS,
    KNUCKLES,
    MANO_FINGERS,
    draw_fingers,
    draw_thumb,
    finger_points,
    joints_of_poses,
    poses_of_angles,
    sample_pinch,
)
from .hand_models import Hand, HandModels
from .things import Solid, sample_colors

LEVELS = 10  # of closing that are tried
FLESH = 0.0075  # metres from a finger's bone to its skin
PALM = 0.015  # metres from the metacarpal bones to the palm's skin
PINCHED = 0.25  # share of things between thumb and finger tip


class Thing(NamedTuple):
    """A thing in the scene."""

    vertices: Tensor  # (N, 3) metres, world
    faces: Tensor  # (F, 3) int64, wound outward
    colors: Tensor  # (N, 3) linear RGB


class _Placed(NamedTuple):
    solid: Solid
    centre: Tensor  # (3,) metres, world
    axes: Tensor  # (3, 3) rows: the solid's axes in the world

    def distance(self, points: Tensor) -> Tensor:
        return self.solid.distance((points - self.centre) @ self.axes.T)


def sample_grasp(
    rng: np.random.Generator, models: HandModels, hand: Hand
) -> tuple[Hand, Thing]:
    """The hand with its fingers about a random thing, and the thing.

    In a power grasp the thing lies on the palm; each finger takes the most closed of
    LEVELS curls that stays outside. In a pinch it lies between the finger tips.
    """
    if rng.random() < PINCHED:
        hand = _with_fingers(models, hand, sample_pinch(rng, models))
        placed = _pinched(rng, models.joints(hand))
    else:
        placed = _on_palm(rng, models.joints(hand), hand.side)
        hand = _closed_about(rng, models, hand, placed)
    points, faces, texture = placed.solid.mesh()
    vertices = torch.from_numpy(points).float() @ placed.axes + placed.centre
    colors = torch.from_numpy(sample_colors(rng, texture)).float()
    return hand, Thing(vertices, torch.from_numpy(faces.astype(np.int64)), colors)


def palm_frame(joints: Tensor, side: str) -> Tensor:
    """Rows (3, 3): to the fingers, to the thumb, out of the palm; unit, orthogonal."""
    forward = torch.nn.functional.normalize(joints[MIDDLE] - joints[WRIST], dim=0)
    across = joints[CHAINS['index'][0]] - joints[CHAINS['pinky'][0]]
    across = across - (across @ forward) * forward
    across = torch.nn.functional.normalize(across, dim=0)
    out = torch.linalg.cross(across, forward)
    return torch.stack([forward, across, out if side == 'right' else -out])


def _on_palm(rng: np.random.Generator, joints: Tensor, side: str) -> _Placed:
    """A rod across the palm, a ball in it, a box or a slab flat on it."""
    frame = palm_frame(joints, side)
    palm = joints[[WRIST, *KNUCKLES]].mean(0)
    kind = ('rod', 'rod', 'ball', 'box', 'slab')[int(rng.integers(5))]
    turn = rng.normal(0, 0.3)
    solid, order = _sample_solid(rng, kind)
    depth = solid.sizes[order.index(2)]
    reach = rng.uniform(0.005, 0.04)
    along = rng.normal(0, 0.012 if kind != 'rod' else 0.02)
    offset = torch.tensor([reach, along, depth + PALM], dtype=torch.float32)
    cosine, sine = np.cos(turn), np.sin(turn)
    spin = torch.tensor([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    axes = (spin.float() @ frame)[order]
    axes[0] *= torch.linalg.det(axes).sign()  # no mirror image: faces stay outward
    return _Placed(solid, palm + offset @ frame, axes)


def _sample_solid(rng: np.random.Generator, kind: str) -> tuple[Solid, list[int]]:
    """A thing, and which rows of the palm's frame are its axes."""
    if kind == 'rod':  # its long axis towards the thumb
        radius = rng.uniform(0.006, 0.034)
        sizes = np.array([radius, radius, rng.uniform(0.04, 0.13)])
        return Solid('rod', sizes), [2, 0, 1]
    if kind == 'ball':
        return Solid('ball', np.full(3, rng.uniform(0.018, 0.045))), [0, 1, 2]
    thick = 0.005 if kind == 'slab' else rng.uniform(0.01, 0.03)
    wide, long = (0.037, 0.073) if kind == 'slab' else rng.uniform(0.015, 0.06, 2)
    return Solid('box', np.array([long, wide, thick])), [0, 1, 2]


def _pinched(rng: np.random.Generator, joints: Tensor) -> _Placed:
    """A stick, card or small ball between the thumb's tip and the nearest other one."""
    thumb = joints[CHAINS['thumb'][-1]]
    tips = joints[[CHAINS[name][-1] for name in MANO_FINGERS if name != 'thumb']]
    apart = (tips - thumb).norm(dim=1)
    tip = tips[int(apart.argmin())]
    gap = max(float(apart.min()) / 2 - 0.002, 0.002)
    across = torch.nn.functional.normalize(tip - thumb, dim=0)
    other = torch.from_numpy(rng.normal(0, 1, 3)).float()
    other = other + 0.8 * torch.nn.functional.normalize(tip - joints[WRIST], dim=0)
    other = torch.nn.functional.normalize(other - (other @ across) * across, dim=0)
    axes = torch.stack([across, torch.linalg.cross(other, across), other])
    kind = ('rod', 'box', 'ball')[int(rng.integers(3))]
    if kind == 'rod':
        sizes = np.array([min(gap, 0.008), min(gap, 0.008), rng.uniform(0.05, 0.09)])
    elif kind == 'box':
        sizes = np.array([min(gap, 0.004), *rng.uniform(0.02, 0.06, 2)])
    else:
        sizes = np.full(3, max(gap, 0.006))
    shift = other * float(rng.uniform(-0.6, 0.9) * sizes[2]) if kind != 'ball' else 0
    return _Placed(Solid(kind, sizes), (tip + thumb) / 2 + shift, axes)


def _closed_about(
    rng: np.random.Generator, models: HandModels, hand: Hand, placed: _Placed
) -> Hand:
    """Close every finger until it touches, on its own."""
    angles = np.zeros((LEVELS, 15, 3))
    draw_fingers(rng, angles[0], np.full(4, 0.5), hooked=False)
    angles[1:] = angles[0]
    for level, candidate in enumerate(angles):
        curl = -0.1 + 1.1 * level / (LEVELS - 1)
        candidate[:12, 0] = np.tile([80.0, 95.0, 55.0], 4) * curl
        draw_thumb(rng, candidate)
    poses = poses_of_angles(models, angles)
    joints = _posed_joints(models, hand, poses)
    best = poses[0].reshape(15, 3).copy()
    for number, name in enumerate(MANO_FINGERS):
        rows = slice(3 * number, 3 * number + 3)
        apart = placed.distance(finger_points(joints, name)).amin(1) - FLESH
        if name == 'thumb':
            level = int((apart.clamp(min=0) - 5 * apart.clamp(max=0)).argmin())
        else:
            hits = (apart < 0).nonzero()
            level = max(int(hits[0]) - 1, 0) if len(hits) else LEVELS - 1
        best[rows] = poses[level].reshape(15, 3)[rows]
    return _with_fingers(models, hand, best.ravel())


def _posed_joints(models: HandModels, hand: Hand, poses: np.ndarray) -> Tensor:
    """Joints (K, 21, 3) metres, world, of the hand with right fingers (K, 45)."""
    joints = joints_of_poses(
        models, _of_side(hand.side, poses), hand.side, hand.pose[:3], hand.shape
    )
    return joints + torch.from_numpy(hand.translation).float()


def _with_fingers(models: HandModels, hand: Hand, fingers: np.ndarray) -> Hand:
    """The hand with the finger rotations (45,) of a right hand, mean included."""
    fingers = _of_side(hand.side, fingers[None])[0]
    mean = np.asarray(models.layers[hand.side].hands_mean.cpu(), np.float64)
    pose = np.concatenate([hand.pose[:3], fingers - mean])
    return models.make(hand.side, pose, hand.shape, hand.translation)


def _of_side(side: str, fingers: np.ndarray) -> np.ndarray:
    """Finger rotations (K, 45) of a right hand as this side has them."""
    if side == 'right':
        return fingers
    mirrored = fingers.reshape(len(fingers), 15, 3) * MIRROR_AXIS_ANGLES
    return mirrored.reshape(len(fingers), 45)
