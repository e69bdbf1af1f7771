"""Errors of two-hand meshes: metres in, millimetres or crop pixels out.

Everything is float64 and works on one image with any number of predictions before
it. NaN means that the image has no ground truth for that error.

Averages [decided]: an error of a hand is the mean over its valid points, an error of
an image the mean over its hands with ground truth, so that an image of two hands counts
once. Wrist root on both sides, no scaling; the wrist's own error, 0, stays in MPJPE.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.conventions import MILLIMETRES, WRIST
from mmhand_dne.geometry.alignment import similarity_align
from mmhand_dne.geometry.camera import ndc_to_pixels, project, project_perspective

MIN_ALIGNED_POINTS = 3  # a similarity fits two points exactly: the error says nothing
ERROR_NAMES = ('MPJPE', 'MPVPE', 'PA-MPJPE', 'PA-MPVPE', 'MPVPE2D', 'MPJPE2D')


class HandMeshGroundTruth(NamedTuple):
    """What one image knows; invalid entries hold any finite number."""

    vertices: Tensor  # (2, V, 3) metres, relative to the own wrist
    vertices_valid: Tensor  # (2) bool
    joints: Tensor  # (2, J, 3) metres, relative to the own wrist
    joints_valid: Tensor  # (2, J) bool
    joints_ndc: Tensor  # (2, J, 2) crop NDC
    joints_ndc_valid: Tensor  # (2, J) bool
    root_cam: Tensor  # (2, 3) wrist, metres, camera
    root_valid: Tensor  # (2) bool
    intrinsics: Tensor  # (3, 3) of the crop, pixels


class HandMeshPrediction(NamedTuple):
    """Meshes of one image, e.g. one per stage."""

    vertices: Tensor  # (..., 2, V, 3) metres, in the frame that camera projects
    joints: Tensor  # (..., 2, J, 3) metres, the same frame
    camera: Tensor  # (..., 2, 2, 2) rows (scale, shift) for x and y, crop NDC


def mean_distance(pred: Tensor, gt: Tensor, valid: Tensor) -> Tensor:
    """Mean Euclidean distance over valid points.

    Args:
        pred: (..., N, D) any unit.
        gt: (..., N, D) the same unit and frame.
        valid: (..., N) bool.

    Returns: (...) in that unit, NaN where no point is valid.
    """
    distance = torch.linalg.vector_norm(pred - gt, dim=-1)
    total = torch.where(valid, distance, 0).sum(-1)
    return total / valid.expand_as(distance).sum(-1)


def aligned_mean_distance(
    pred: Tensor, gt: Tensor, valid: Tensor, allow_reflection: bool = False
) -> Tensor:
    """Mean distance after the best similarity of the valid points.

    Args and returns as :func:`mean_distance` with D = 3; NaN also where fewer than
    three points are valid.
    """
    gt, valid = gt.expand_as(pred), valid.expand(pred.shape[:-1])
    aligned = similarity_align(pred, gt, valid.double(), allow_reflection)
    error = mean_distance(aligned, gt, valid)
    return torch.where(valid.sum(-1) >= MIN_ALIGNED_POINTS, error, torch.nan)


def hand_mesh_errors(
    pred: HandMeshPrediction,
    gt: HandMeshGroundTruth,
    size: tuple[int, int],
    allow_reflection: bool = False,
) -> dict[str, Tensor]:
    """The errors of one image, each the mean of its hands with ground truth.

    Args:
        pred: one or several predictions of the image, float64.
        gt: of the image, float64.
        size: (W, H) of the crop, pixels.
        allow_reflection: of the alignment behind PA.

    Returns: for each of ``ERROR_NAMES`` a tensor (...): mm, or crop pixels for 2D.
    """
    hands = {
        **_errors_in_space(pred, gt, allow_reflection),
        **_errors_in_crop(pred, gt, size),
    }
    return {name: torch.nanmean(error, dim=-1) for name, error in hands.items()}


def _errors_in_space(
    pred: HandMeshPrediction, gt: HandMeshGroundTruth, allow_reflection: bool
) -> dict[str, Tensor]:
    """Of each hand (..., 2), mm from the own wrist."""
    root = pred.joints[..., WRIST : WRIST + 1, :]
    joints = MILLIMETRES * (pred.joints - root)
    vertices = MILLIMETRES * (pred.vertices - root)
    gt_joints, gt_vertices = MILLIMETRES * gt.joints, MILLIMETRES * gt.vertices
    mesh_valid = gt.vertices_valid[:, None].expand(gt.vertices.shape[:-1])
    return {
        'MPJPE': mean_distance(joints, gt_joints, gt.joints_valid),
        'MPVPE': mean_distance(vertices, gt_vertices, mesh_valid),
        'PA-MPJPE': aligned_mean_distance(
            joints, gt_joints, gt.joints_valid, allow_reflection
        ),
        'PA-MPVPE': aligned_mean_distance(
            vertices, gt_vertices, mesh_valid, allow_reflection
        ),
    }


def _errors_in_crop(
    pred: HandMeshPrediction, gt: HandMeshGroundTruth, size: tuple[int, int]
) -> dict[str, Tensor]:
    """Of each hand (..., 2), crop pixels."""
    mesh_valid = gt.vertices_valid[:, None].expand(gt.vertices.shape[:-1])
    gt_pixels = project_perspective(gt.vertices + gt.root_cam[:, None], gt.intrinsics)
    return {
        'MPVPE2D': mean_distance(
            ndc_to_pixels(project(pred.vertices, pred.camera), size),
            gt_pixels,
            mesh_valid & gt.root_valid[:, None],
        ),
        'MPJPE2D': mean_distance(
            ndc_to_pixels(project(pred.joints, pred.camera), size),
            ndc_to_pixels(gt.joints_ndc, size),
            gt.joints_ndc_valid,
        ),
    }


def relative_root_error(pred: Tensor, gt: Tensor, valid: Tensor) -> Tensor:
    """Distance of the left wrist seen from the right one (MRRPE).

    Args:
        pred: (..., 2, 3) wrists right and left, metres, camera axes.
        gt: (..., 2, 3) alike.
        valid: (..., 2) bool, of the ground truth.

    Returns: (...) mm, NaN unless both wrists have ground truth.
    """
    error = torch.linalg.vector_norm(pred.diff(dim=-2) - gt.diff(dim=-2), dim=-1)
    return torch.where(valid.all(-1), MILLIMETRES * error[..., 0], torch.nan)


def presence_correct(probability: Tensor, presence: Tensor, valid: Tensor) -> Tensor:
    """1 where every slot with ground truth lies on its side of one half, else 0.

    InterHand2.6M's handedness accuracy, on images: both slots must be right.

    Args:
        probability: (..., 2) predicted presence.
        presence: (..., 2) true presence, 0 or 1.
        valid: (..., 2) bool, which slots have ground truth.

    Returns: (...) float64, NaN where no slot has ground truth.
    """
    right = (((probability > 0.5) == (presence > 0.5)) | ~valid).all(-1).double()
    return torch.where(valid.any(-1), right, torch.nan)
