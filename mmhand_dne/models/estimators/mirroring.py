"""Undoing a mirrored crop, and averaging with the upright one (flip test)."""

from typing import TypeVar

import torch
from torch import Tensor

from mmhand_dne.conventions import MIRROR_POINTS, OTHER_SIDE
from mmhand_dne.geometry.rotation import (
    matrix_from_6d,
    mirror_rotation,
    sixd_from_matrix,
)
from mmhand_dne.structures.hand_state import (
    AuxMaps,
    CoarseHands,
    HandOutputs,
    HandState,
)

Hands = TypeVar('Hands', AuxMaps, HandState)


def _mirror_points(points: Tensor) -> Tensor:
    """x -> -x on the last axis, slots swapped (axis 1)."""
    sign = points.new_ones(points.shape[-1])
    sign[0] = -1
    return points[:, OTHER_SIDE] * sign


def mirror_state(state: HandState) -> HandState:
    """The hands seen in a mirror: slots swapped, x negated, the shift's x too."""
    camera = state.camera[:, OTHER_SIDE].clone()
    camera[..., 0, 1] = -camera[..., 0, 1]
    return HandState(
        _mirror_points(state.vertices),
        _mirror_points(state.joints),
        _mirror_points(state.root),
        camera,
    )


def mirror_maps(maps: AuxMaps) -> AuxMaps:
    """Maps of the mirrored crop, as maps of the upright one.

    Correspondences need only the pixel flip: the left hand is mirrored into the right
    hand's cube.
    """
    sign = maps.normal.new_tensor(MIRROR_POINTS)[:, None, None]
    return AuxMaps(
        maps.depth.flip(-1),
        maps.normal.flip(-1) * sign,
        maps.heatmaps.flip(-1).unflatten(1, (2, -1))[:, OTHER_SIDE].flatten(1, 2),
        maps.correspondence.flip(-1),
        maps.parts.flip(-1).unflatten(1, (2, -1))[:, OTHER_SIDE].flatten(1, 2),
    )


def mirror_coarse(coarse: CoarseHands) -> CoarseHands:
    """Parameters of the mirrored hands; shapes are the same on both sides."""
    rotations = mirror_rotation(coarse.rotations[:, OTHER_SIDE])
    return CoarseHands(
        mirror_state(coarse.state),
        sixd_from_matrix(rotations),
        rotations,
        coarse.betas[:, OTHER_SIDE],
        coarse.presence_logits[:, OTHER_SIDE],
        coarse.pooled[:, OTHER_SIDE],
    )


def _mean(first: Hands, second: Hands) -> Hands:
    """Field by field, of two named tuples of tensors of one kind."""
    return type(first)(*((a + b) / 2 for a, b in zip(first, second)))


def average_with_mirrored(outputs: HandOutputs, mirrored: HandOutputs) -> HandOutputs:
    """Mean of a prediction and the un-mirrored prediction on the mirrored crop.

    Args:
        outputs, mirrored: on the crop and on the crop flipped in x.
    Returns: means; rotations are re-orthogonalised, the covariance is that of the
        upright crop [decided].
    """
    coarse, other = outputs.coarse, mirror_coarse(mirrored.coarse)
    sixd = (sixd_from_matrix(coarse.rotations) + other.rotations_6d) / 2
    probability = coarse.presence_logits.sigmoid() + other.presence_logits.sigmoid()
    coarse = CoarseHands(
        _mean(coarse.state, other.state),
        sixd,
        matrix_from_6d(sixd),
        (coarse.betas + other.betas) / 2,
        torch.logit(probability / 2, eps=1e-6),
        (coarse.pooled + other.pooled) / 2,
    )
    refined = [
        a._replace(
            state=_mean(a.state, mirror_state(b.state)),
            points_ndc=(a.points_ndc + _mirror_points(b.points_ndc)) / 2,
        )
        for a, b in zip(outputs.refined, mirrored.refined)
    ]
    maps = outputs.maps
    if maps is not None:
        maps = _mean(maps, mirror_maps(mirrored.maps))
    return HandOutputs(maps, coarse, refined, outputs.covariance_params)
