"""The one 6D convention, and mirrors."""

import pytest
import torch

from mmhand_dne.geometry.rotation import (
    axis_angle_from_matrix,
    cross_matrix,
    left_jacobian,
    matrix_from_6d,
    matrix_from_axis_angle,
    mirror_rotation,
    sixd_from_matrix,
)


def test_6d_is_first_column_then_second():
    # A quarter turn about z: x -> y, y -> -x. Its columns are (0,1,0), (-1,0,0).
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    sixd = torch.tensor([0.0, 1, 0, -1, 0, 0])
    torch.testing.assert_close(matrix_from_6d(sixd), quarter)
    torch.testing.assert_close(sixd_from_matrix(quarter), sixd)


def test_6d_is_orthonormal_for_any_input():
    matrix = matrix_from_6d(torch.randn(50, 6, dtype=torch.float64))
    eye = torch.eye(3, dtype=torch.float64).expand(50, 3, 3)
    torch.testing.assert_close(matrix @ matrix.mT, eye)
    torch.testing.assert_close(torch.linalg.det(matrix), eye[:, 0, 0])


def test_axis_angle_round_trip():
    axis_angle = torch.randn(40, 3, dtype=torch.float64)
    axis_angle = axis_angle / axis_angle.norm(dim=-1, keepdim=True) * 3.0
    matrix = matrix_from_axis_angle(axis_angle)
    torch.testing.assert_close(axis_angle_from_matrix(matrix), axis_angle)


def test_mirror_negates_y_and_z_of_axis_angle():
    axis_angle = torch.tensor([0.3, -0.5, 0.9], dtype=torch.float64)
    mirrored = mirror_rotation(matrix_from_axis_angle(axis_angle))
    expected = axis_angle * torch.tensor([1.0, -1, -1], dtype=torch.float64)
    torch.testing.assert_close(axis_angle_from_matrix(mirrored), expected)


def test_degenerate_6d_has_finite_gradient():
    zero = torch.zeros(2, 6, requires_grad=True)
    matrix_from_6d(zero).sum().backward()
    assert zero.grad.isfinite().all()


@pytest.mark.parametrize('length', [0.0, 1e-6, 0.7, 3.0])
def test_the_left_jacobian_turns_as_the_vector_changes(length):
    draw = torch.Generator().manual_seed(0)
    vector = torch.randn(3, generator=draw).double()
    vector = length * vector / vector.norm()
    change = 1e-5 * torch.randn(3, generator=draw).double()
    turn = matrix_from_axis_angle(left_jacobian(vector) @ change)
    moved = matrix_from_axis_angle(vector + change)
    back = matrix_from_axis_angle(vector - change)
    turned = turn @ turn @ back  # a central difference
    torch.testing.assert_close(moved, turned, atol=1e-9, rtol=0)


def test_the_cross_matrix_multiplies_as_the_cross_product():
    first, second = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    product = (cross_matrix(first) @ second[..., None])[..., 0]
    torch.testing.assert_close(product, torch.linalg.cross(first, second))
