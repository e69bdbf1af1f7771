"""Where fits of a hand to landmarks begin: poses, global rotations and cameras."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.conventions import OPENPOSE_JOINTS
from mmhand_dne.geometry.alignment import best_rotation
from mmhand_dne.geometry.rotation import matrix_from_axis_angle

from .landmark_terms import NUM_PARAMETERS, POSE, SCALE, SHIFT, LandmarkTerms

BENDS = (-1.0, 1.0)  # standard deviations of the first component: open, half closed
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
MIN_SPREAD = 1e-8  # metres^2 of the mean; below it a view has no scale
MIN_SCALE = 1e-3  # NDC per metre; a camera's is positive
# Joints that stay where they are while the fingers bend.
PALM = [i for i, name in enumerate(OPENPOSE_JOINTS) if name[-1] in 't1']


class Starts(NamedTuple):
    """K places to begin from, for each of B hands.

    Attributes:
        base: (B, K, 3, 3) global rotations at zero parameters.
        parameters: (B, K, 61) of :class:`LandmarkTerms`.
    """

    base: Tensor
    parameters: Tensor


def views(count: int) -> Tensor:
    """(count, 3, 3) rotations that look at a hand from all around, without a turn in
    the image: evenly spread directions (a Fibonacci sphere) by the shortest way.
    """
    step = torch.arange(count).double()
    height = 1 - (2 * step + 1) / count
    around = GOLDEN_ANGLE * step
    axis = torch.stack([around.cos(), around.sin(), torch.zeros(count)], -1)
    return matrix_from_axis_angle(torch.acos(height)[:, None] * axis)


def starts_all_around(
    terms: LandmarkTerms, points: Tensor, weights: Tensor, count: int, keep: int
) -> Starts:
    """An open and a half closed hand seen from ``count`` directions: of these views,
    the ``keep`` that look most like the landmarks once turned, scaled and shifted.

    Args:
        points: (B, 21, 2) NDC.
        weights: (B, 21) >= 0.
    """
    bends = torch.tensor(BENDS).to(points)
    poses = terms.mean_pose + bends[:, None] * terms.bend
    directions = views(count).to(points)
    seen = terms.rest_joints(poses)[:, None] @ directions.mT
    placed = placed_views(seen.flatten(0, 1)[None, ..., :2], points, weights)
    _, chosen = placed.residual.topk(keep, largest=False)
    angle = placed.factor.gather(1, chosen).angle()
    turn = torch.stack([torch.zeros_like(angle)] * 2 + [angle], -1)
    base = matrix_from_axis_angle(turn) @ directions[chosen % count]
    parameters = points.new_zeros(len(points), keep, NUM_PARAMETERS)
    parameters[..., POSE] = poses[chosen // count]
    scale = placed.factor.abs().gather(1, chosen)
    parameters[..., SCALE] = scale.clamp(min=MIN_SCALE).log()
    shift = placed.given_mean - placed.factor * placed.seen_mean
    parameters[..., SHIFT] = torch.view_as_real(shift.gather(1, chosen))
    return Starts(base, parameters)


def start_of_world(
    terms: LandmarkTerms, points: Tensor, weights: Tensor, world: Tensor
) -> Starts:
    """The mean pose, its palm turned as that of landmarks in space is: one start.

    Args:
        points: (B, 21, 2) NDC.
        weights: (B, 21) >= 0.
        world: (B, 21, 3) camera axes, any unit and origin.
    """
    rest = terms.rest_joints(terms.mean_pose[None])[0]
    share = weights[:, PALM, None]
    share = share / share.sum(1, keepdim=True).clamp(min=torch.finfo(share.dtype).tiny)
    source = rest[PALM] - (share * rest[PALM]).sum(1, keepdim=True)
    target = world[:, PALM] - (share * world[:, PALM]).sum(1, keepdim=True)
    base, _ = best_rotation((share * target).mT @ source, allow_reflection=False)
    placed = placed_views((rest @ base.mT)[:, None, :, :2], points, weights)
    scale = placed.factor.real.clamp(min=MIN_SCALE)  # turned already
    parameters = points.new_zeros(len(points), 1, NUM_PARAMETERS)
    parameters[..., POSE] = terms.mean_pose
    parameters[..., SCALE] = scale.log()
    shift = placed.given_mean - scale * placed.seen_mean
    parameters[..., SHIFT] = torch.view_as_real(shift)
    return Starts(base[:, None], parameters)


class PlacedViews(NamedTuple):
    """Views of a hand moved onto image points, u = factor v + shift, complex.

    Attributes:
        factor: (B, K) complex, scale and turn.
        seen_mean, given_mean: (B, K) and (B, 1) complex, of view and image points.
        residual: (B, K) weighted mean of the squared distances.
    """

    factor: Tensor
    seen_mean: Tensor
    given_mean: Tensor
    residual: Tensor


def placed_views(seen: Tensor, points: Tensor, weights: Tensor) -> PlacedViews:
    """The best turn in the image, scale and shift of each view, in closed form.

    With both centred, factor = <v, u> / <v, v>.

    Args:
        seen: (B or 1, K, 21, 2) metres.
        points: (B, 21, 2) NDC.
        weights: (B, 21) >= 0.
    """
    share = weights.square()[:, None]
    share = share / share.sum(-1, keepdim=True).clamp(min=torch.finfo(share.dtype).tiny)
    given = torch.view_as_complex(points.contiguous())[:, None]
    view = torch.view_as_complex(seen.contiguous())
    given_mean = (share * given).sum(-1)
    seen_mean = (share * view).sum(-1)
    given, view = given - given_mean[..., None], view - seen_mean[..., None]
    spread = (share * view.abs().square()).sum(-1).clamp(min=MIN_SPREAD)
    cross = (share * view.conj() * given).sum(-1)
    left = (share * given.abs().square()).sum(-1) - cross.abs().square() / spread
    return PlacedViews(cross / spread, seen_mean, given_mean, left)
