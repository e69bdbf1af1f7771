"""Rotations: matrices inside the model, 6D for regression, axis-angle in files.

One 6D convention only: **first column, then second column** of the matrix, each
three numbers in a row (Zhou et al., CVPR 2019; the layout of HaMeR and IntagHand,
not the interleaved one of SPIN nor the row one of PyTorch3D).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmhand_dne.compat import late_dynamo
from mmhand_dne.conventions import MIRROR_POINTS
from mmhand_dne.errors import UserError

with late_dynamo():
    import roma

MIN_LENGTH = 1e-8  # unitless; a shorter 6D column has no direction of its own
SMALL_ANGLE = 1e-4  # radians; below it series replace quotients


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


def cross_matrix(vectors: Tensor) -> Tensor:
    """(..., 3) to the matrices (..., 3, 3) of the cross product with them."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def left_jacobian(axis_angle: Tensor) -> Tensor:
    """How a rotation turns as its axis-angle vector changes.

    Args:
        axis_angle: (..., 3) v, radians.
    Returns: (..., 3, 3) J with exp(v + d) = exp(J d) exp(v) for small d.
    """
    angle = axis_angle.norm(dim=-1)[..., None, None]
    small = angle < SMALL_ANGLE
    safe = torch.where(small, torch.ones_like(angle), angle)
    first = torch.where(small, 0.5, (1 - safe.cos()) / safe**2)
    second = torch.where(small, 1 / 6, (safe - safe.sin()) / safe**3)
    cross = cross_matrix(axis_angle)
    return torch.eye(3).to(cross) + first * cross + second * cross @ cross
