"""Rotations: matrices inside the model, 6D for regression, axis-angle in files.

One 6D convention only: **first column, then second column** of the matrix, each
three numbers in a row (Zhou et al., CVPR 2019; the layout of HaMeR and IntagHand,
not the interleaved one of SPIN nor the row one of PyTorch3D).
"""

import roma
import torch
import torch.nn.functional as F
from torch import Tensor

from mmhand_dne.conventions import MIRROR_POINTS
from mmhand_dne.errors import UserError

MIN_LENGTH = 1e-8  # unitless; a shorter 6D column has no direction of its own


def matrix_from_6d(columns: Tensor) -> Tensor:
    """Rotation matrices from 6D vectors by Gram-Schmidt.

    Args:
        columns: (..., 6) first column, then second column, any length.
    Returns: (..., 3, 3) rotation matrices (determinant +1).
    """
    if columns.shape[-1] != 6:
        raise UserError(
            f'6D rotations have shape {tuple(columns.shape)}, expected (..., 6); '
            'flatten the two matrix columns one after the other'
        )
    first = F.normalize(columns[..., :3], dim=-1, eps=MIN_LENGTH)
    second = columns[..., 3:]
    second = second - (first * second).sum(-1, keepdim=True) * first
    second = F.normalize(second, dim=-1, eps=MIN_LENGTH)
    third = torch.linalg.cross(first, second, dim=-1)
    return torch.stack([first, second, third], dim=-1)


def sixd_from_matrix(matrix: Tensor) -> Tensor:
    """6D vectors of rotation matrices: the first two columns, one after the other.

    Args:
        matrix: (..., 3, 3).
    Returns: (..., 6).
    """
    return matrix[..., :2].transpose(-1, -2).flatten(-2)


def matrix_from_axis_angle(axis_angle: Tensor) -> Tensor:
    """Rotation matrices from axis-angle vectors in radians, (..., 3) -> (..., 3, 3)."""
    return roma.rotvec_to_rotmat(axis_angle)


def axis_angle_from_matrix(matrix: Tensor) -> Tensor:
    """Axis-angle vectors in radians (angle in [0, pi]), (..., 3, 3) -> (..., 3)."""
    return roma.rotmat_to_rotvec(matrix)


def mirror_rotation(matrix: Tensor) -> Tensor:
    """The rotation seen in a mirror across x = 0: M R M with M = diag(-1, 1, 1)."""
    sign = matrix.new_tensor(MIRROR_POINTS)
    return matrix * sign[:, None] * sign
