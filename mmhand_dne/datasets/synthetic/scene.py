"""One moment of a capture: which hands, in which pose, where."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmhand_dne.conventions import MILLIMETRES, MIRROR_AXIS_ANGLES, SIDES
from mmhand_dne.geometry.rotation import (
    axis_angle_from_matrix,
    matrix_from_axis_angle,
)
from mmhand_dne.hand_model import MANOLayer, load_cc0_hand

from .camera_rig import RIG_CENTRE
from .dataset_recipe import Recipe

# Hand axes (fingers -x, back of the hand +y, thumb +z) in the rig's front
# camera when the right hand points up and shows its back.
UPRIGHT = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
FLEXION = np.radians([-15.0, 100.0])  # of every finger joint, from flat
GAP = (0.002, 0.02)  # metres between two hands, nearest vertices
# How the left hand stands to the mirror image of the right, degrees.
RELATIVE_ANGLE = 50.0


class Hand(NamedTuple):
    """A hand as the annotation files describe it."""

    side: str
    pose: np.ndarray  # (48,) axis-angle; the first in world axes, fingers less the mean
    shape: np.ndarray  # (10,)
    translation: np.ndarray  # (3,) metres, world
    vertices: Tensor  # (V, 3) metres, world


class HandModels:
    """Both CC0 hands, and what an image needs beyond a mesh."""

    def __init__(self) -> None:
        self.layers = {side: MANOLayer(side=side, source='cc0') for side in SIDES}
        self.extras = {side: load_cc0_hand(side) for side in SIDES}

    def make(
        self, side: str, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray
    ) -> Hand:
        """A hand, its numbers rounded first to what the files keep."""
        pose, shape, translation = (
            value.round(6) for value in (pose, shape, translation)
        )
        layer = self.layers[side]
        fingers = pose[3:] + np.asarray(layer.hands_mean.cpu(), np.float64)
        axis_angles = np.concatenate([pose[:3], fingers]).reshape(16, 3)
        rotations = matrix_from_axis_angle(torch.from_numpy(axis_angles)).float()
        vertices = layer(rotations[None], _row(shape), _row(translation))[0]
        return Hand(side, pose, shape, translation, vertices)


def sample_shape(recipe: Recipe, split: str, capture: int) -> np.ndarray:
    """Shape coefficients (10,) of a capture's person."""
    rng = recipe.generator(split, 'person', capture)
    return rng.standard_normal(10).clip(-2, 2)


def sample_moment(
    recipe: Recipe, models: HandModels, split: str, capture: int, moment: int
) -> list[Hand]:
    """The one or two hands of a moment, placed in the rig's view."""
    rng = recipe.generator(split, 'moment', capture, moment)
    shape = sample_shape(recipe, split, capture)
    if rng.random() < recipe.interacting_share:
        hands = _sample_pair(rng, recipe, models, shape)
    else:
        side = SIDES[int(rng.random() < 0.5)]
        rotation = _sample_rotation(rng, recipe.max_turn)
        hands = [_sample_hand(rng, models, side, rotation, shape)]
    vertices = torch.cat([hand.vertices for hand in hands])
    middle = (vertices.amin(0) + vertices.amax(0)) / 2
    aim = torch.from_numpy(RIG_CENTRE / MILLIMETRES + rng.normal(0, 0.008, 3))
    return [_moved(models, hand, aim - middle) for hand in hands]


def hand_type(hands: list[Hand]) -> str:
    """'right', 'left' or 'interacting'."""
    return 'interacting' if len(hands) == 2 else hands[0].side


def _sample_hand(
    rng: np.random.Generator,
    models: HandModels,
    side: str,
    rotation: np.ndarray,
    shape: np.ndarray,
) -> Hand:
    """A hand with a plausible pose, rotated as a right hand by ``rotation``."""
    fingers = _sample_fingers(rng, models)
    glob = _axis_angle(rotation @ UPRIGHT)
    if side == 'left':
        glob = glob * MIRROR_AXIS_ANGLES
        fingers = (fingers.reshape(15, 3) * MIRROR_AXIS_ANGLES).ravel()
    fingers = fingers - np.asarray(models.layers[side].hands_mean.cpu(), np.float64)
    return models.make(side, np.concatenate([glob, fingers]), shape, np.zeros(3))


def _sample_fingers(rng: np.random.Generator, models: HandModels) -> np.ndarray:
    """Finger rotations (45,) of a right hand, mean included.

    Independent normal coefficients of the pose components, clipped at two
    standard deviations; a joint that then bends backwards or too far is
    returned to its limit.
    """
    data = models.extras['right']
    weights = rng.standard_normal(45).clip(-2, 2) * data['hands_std']
    pose = data['hands_mean'] + weights @ data['hands_components']
    pose, axes = pose.reshape(15, 3), data['flex_axes']
    bend = (pose * axes).sum(axis=1, keepdims=True)
    return (pose + (bend.clip(*FLEXION) - bend) * axes).ravel()


def _sample_rotation(rng: np.random.Generator, limit: float) -> np.ndarray:
    """A rotation (3, 3): one in the image plane, one out of it."""
    in_plane, out = np.radians(rng.uniform([-limit, 0], limit))
    around = rng.uniform(0, 2 * np.pi)
    axis = np.array([np.cos(around), np.sin(around), 0])
    return _matrix(np.array([0, 0, in_plane])) @ _matrix(axis * out)


def _sample_pair(
    rng: np.random.Generator, recipe: Recipe, models: HandModels, shape: np.ndarray
) -> list[Hand]:
    """A right and a left hand that nearly touch.

    The left one stands like the right one's mirror image, up to
    RELATIVE_ANGLE, and approaches along a random line until the nearest
    vertices are a random gap apart.
    """
    rotation = _sample_rotation(rng, recipe.max_turn)
    other = _sample_rotation(rng, min(RELATIVE_ANGLE, recipe.max_turn)) @ rotation
    right = _sample_hand(rng, models, 'right', rotation, shape)
    left = _sample_hand(rng, models, 'left', other, shape)
    way = rng.normal(0, [1.0, 0.6, 0.6])
    way /= np.linalg.norm(way)
    aside = rng.normal(0, 0.03, 3)
    offset = right.vertices.mean(0) - left.vertices.mean(0)
    start = offset + torch.from_numpy(aside - aside @ way * way).float()
    shift = _approach(
        right.vertices,
        left.vertices + start,
        torch.from_numpy(way).float(),
        rng.uniform(*GAP),
    )
    return [right, _moved(models, left, (start + shift).double())]


def _approach(still: Tensor, moving: Tensor, way: Tensor, gap: float) -> Tensor:
    """The shift (3,) along ``way`` that leaves ``gap`` between two clouds.

    Comes from afar by safe steps: moving by d cannot bring two clouds closer
    by more than d.
    """
    travel = 0.4
    while travel > 0:
        step = float(torch.cdist(still, moving + travel * way).min()) - gap
        if step < 5e-4:
            break
        travel -= step
    return max(travel, 0.0) * way


def _moved(models: HandModels, hand: Hand, shift: Tensor) -> Hand:
    return models.make(
        hand.side, hand.pose, hand.shape, hand.translation + shift.numpy()
    )


def _matrix(axis_angle: np.ndarray) -> np.ndarray:
    return matrix_from_axis_angle(torch.from_numpy(axis_angle)).numpy()


def _axis_angle(matrix: np.ndarray) -> np.ndarray:
    return axis_angle_from_matrix(torch.from_numpy(matrix)).numpy()


def _row(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).float()[None]
