"""One moment of a capture: which hands, in which pose, where."""

import numpy as np
import torch
from torch import Tensor

from mmhand_dne.conventions import (
    MILLIMETRES,
    MIRROR_AXIS_ANGLES,
    SIDES,
    UPRIGHT_HAND,
)
from mmhand_dne.geometry.rotation import (
    axis_angle_from_matrix,
    matrix_from_axis_angle,
)
from mmhand_dne.rendered_recipe import Recipe

from .camera_rig import RIG_CENTRE
from .gestures import sample_gesture
from .grasps import Thing, sample_grasp
from .hand_models import Hand, HandModels

FLEXION = np.radians([-15.0, 100.0])  # of every finger joint, from flat
GAP = (0.002, 0.02)  # metres between two hands, nearest vertices
# How the left hand stands to the mirror image of the right, degrees.
RELATIVE_ANGLE = 50.0
# The first two coefficients per standard deviation of breadth: the size grows a
# little, the hand gets broader; see sample_shape.
BREADTH = np.array([0.0, 1.0])


def sample_shape(recipe: Recipe, split: str, capture: int) -> np.ndarray:
    """Shape coefficients (10,) of a capture's person."""
    rng = recipe.generator(split, 'person', capture)
    shape = rng.standard_normal(10).clip(-2, 2) * recipe.shape_spread
    if recipe.breadth != (0.0, 0.0):
        rng = recipe.generator(split, 'breadth', capture)
        shape[:2] += BREADTH * rng.uniform(*recipe.breadth)
    return shape


def sample_scene(
    recipe: Recipe, models: HandModels, split: str, capture: int, moment: int
) -> tuple[list[Hand], list[Thing]]:
    """The hands of a moment, as :func:`sample_moment`, and what one of them holds."""
    hands = sample_moment(recipe, models, split, capture, moment)
    rng = recipe.generator(split, 'held', capture, moment)
    if rng.random() >= recipe.held_share:
        return hands, []
    index = int(rng.integers(len(hands)))
    hands[index], thing = sample_grasp(rng, models, hands[index])
    return hands, [thing]


def sample_moment(
    recipe: Recipe, models: HandModels, split: str, capture: int, moment: int
) -> list[Hand]:
    """The one or two hands of a moment, placed in the rig's view."""
    rng = recipe.generator(split, 'moment', capture, moment)
    extra = recipe.generator(split, 'variety', capture, moment)
    gestures = extra if extra.random() < recipe.gesture_share else None
    shape = sample_shape(recipe, split, capture)
    centred = slice(None)
    if rng.random() < recipe.interacting_share:
        if extra.random() < recipe.clasped_share:
            hands = _sample_clasp(extra, recipe, models, shape, gestures)
            # Often one of them is what the picture is about.
            centred = (slice(None), slice(0, 1), slice(1, 2))[int(extra.integers(3))]
        else:
            hands = _sample_pair(rng, recipe, models, shape, gestures)
    else:
        side = SIDES[int(rng.random() < 0.5)]
        rotation = _sample_rotation(rng, recipe.max_turn)
        hands = [_sample_hand(rng, models, side, rotation, shape, gestures)]
    vertices = torch.cat([hand.vertices for hand in hands[centred]])
    middle = (vertices.amin(0) + vertices.amax(0)) / 2
    aim = torch.from_numpy(RIG_CENTRE / MILLIMETRES + rng.normal(0, 0.008, 3))
    return [models.moved(hand, aim - middle) for hand in hands]


def hand_type(hands: list[Hand]) -> str:
    """'right', 'left' or 'interacting'."""
    return 'interacting' if len(hands) == 2 else hands[0].side


def _sample_hand(
    rng: np.random.Generator,
    models: HandModels,
    side: str,
    rotation: np.ndarray,
    shape: np.ndarray,
    gestures: np.random.Generator | None,
) -> Hand:
    """A hand with a plausible pose, rotated as a right hand by ``rotation``.

    Its fingers make a gesture if there is a generator of gestures.
    """
    if gestures is None:
        fingers = _sample_fingers(rng, models)
    else:
        fingers = sample_gesture(gestures, models)
    glob = _axis_angle(rotation @ UPRIGHT_HAND)
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
    rng: np.random.Generator,
    recipe: Recipe,
    models: HandModels,
    shape: np.ndarray,
    gestures: np.random.Generator | None,
) -> list[Hand]:
    """A right and a left hand that nearly touch.

    The left one stands like the right one's mirror image, up to
    RELATIVE_ANGLE, and approaches along a random line until the nearest
    vertices are a random gap apart.
    """
    rotation = _sample_rotation(rng, recipe.max_turn)
    other = _sample_rotation(rng, min(RELATIVE_ANGLE, recipe.max_turn)) @ rotation
    right = _sample_hand(rng, models, 'right', rotation, shape, gestures)
    left = _sample_hand(rng, models, 'left', other, shape, gestures)
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
    return [right, models.moved(left, (start + shift).double())]


def _sample_clasp(
    rng: np.random.Generator,
    recipe: Recipe,
    models: HandModels,
    shape: np.ndarray,
    gestures: np.random.Generator | None,
) -> list[Hand]:
    """A right and a left hand that lie on, cross or clasp each other.

    Each shows the other its palm, or its back; the fingers cross at any angle, and a
    few vertices of one may lie inside the other, as pressed flesh does.
    """
    world = _sample_rotation(rng, recipe.max_turn)
    faces = rng.random(2) < [0.7, 0.8]  # the palm
    half_turn = np.diag([-1.0, 1.0, -1.0])
    right = world @ (np.eye(3) if faces[0] else half_turn)
    crossed = _matrix(np.array([0, 0, np.radians(rng.uniform(-110, 110))]))
    left = world @ _sample_rotation(rng, 20.0) @ crossed
    left = left @ (half_turn if faces[1] else np.eye(3))
    mirror = np.diag([-1.0, 1.0, 1.0])
    one = _sample_hand(rng, models, 'right', right, shape, gestures)
    other = _sample_hand(rng, models, 'left', mirror @ left @ mirror, shape, gestures)
    aside = world @ np.append(rng.normal(0, 0.035, 2), 0)
    offset = one.vertices.mean(0) - other.vertices.mean(0)
    start = offset + torch.from_numpy(aside).float()
    way = torch.from_numpy(world[:, 2]).float()
    inside = float(rng.uniform(0.0, 0.1))
    shift = _approach(one.vertices, other.vertices + start, way, 0.004, inside)
    return [one, models.moved(other, (start + shift).double())]


def _approach(
    still: Tensor, moving: Tensor, way: Tensor, gap: float, inside: float = 0.0
) -> Tensor:
    """The shift (3,) along ``way`` that leaves ``gap`` between two clouds.

    Comes from afar by safe steps: moving by d cannot bring two clouds closer
    by more than d. The share ``inside`` of the still vertices may come closer.
    """
    rank = 1 + int(inside * (len(still) - 1))
    travel = 0.4
    while travel > 0:
        apart = torch.cdist(still, moving + travel * way).amin(dim=1)
        step = float(apart.kthvalue(rank).values) - gap
        if step < 5e-4:
            break
        travel -= step
    return max(travel, 0.0) * way


def _matrix(axis_angle: np.ndarray) -> np.ndarray:
    return matrix_from_axis_angle(torch.from_numpy(axis_angle)).numpy()


def _axis_angle(matrix: np.ndarray) -> np.ndarray:
    return axis_angle_from_matrix(torch.from_numpy(matrix)).numpy()
