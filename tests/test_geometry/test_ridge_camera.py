"""The closed-form camera against numpy and the normal equations."""

from functools import partial

import numpy as np
import pytest
import torch

from mmhand_dne.geometry.camera import project
from mmhand_dne.geometry.ridge_camera import ridge_camera
from mmhand_dne.hand_model import HandPair
from mmhand_dne.models.layers import RidgeCamera


@pytest.fixture
def correspondences():
    draw = torch.Generator().manual_seed(0)
    vertices = 0.05 * torch.randn(3, 2, 50, 3, generator=draw, dtype=torch.float64)
    vertices = vertices + torch.tensor([0.03, -0.02, 0.5], dtype=torch.float64)
    camera = torch.tensor([[7.0, 0.2], [9.0, -0.4]], dtype=torch.float64)
    points = project(vertices, camera.expand(3, 2, 2, 2))
    noise = 0.02 * torch.randn(points.shape, generator=draw, dtype=torch.float64)
    return vertices, points + noise, torch.ones(3, 2, 2, 2, dtype=torch.float64)


def test_small_ridge_is_least_squares(correspondences):
    vertices, points, incoming = correspondences
    fitted = ridge_camera(vertices, points, incoming, ridge=1e-13)
    for b in range(3):
        for h in range(2):
            for axis in range(2):
                design = np.stack([vertices[b, h, :, axis], np.ones(50)], 1)
                expected = np.linalg.lstsq(design, points[b, h, :, axis], rcond=None)[0]
                np.testing.assert_allclose(fitted[b, h, axis], expected, rtol=1e-8)


@pytest.mark.parametrize('ridge', [1e-6, 1e-4, 1e-2, 1.0, 30.0])
def test_ridge_solves_the_normal_equations(correspondences, ridge):
    vertices, points, incoming = correspondences
    fitted = ridge_camera(vertices, points, incoming, ridge)
    for axis in range(2):
        design = torch.stack(
            [vertices[..., axis], torch.ones_like(vertices[..., axis])], -1
        )
        normal = design.mT @ design + ridge * torch.eye(2, dtype=torch.float64)
        right = design.mT @ points[..., axis, None]
        expected = torch.linalg.solve(normal, right)[..., 0]
        torch.testing.assert_close(fitted[..., axis, :], expected, rtol=1e-9, atol=1e-9)


def test_gradients(correspondences):
    vertices, points, incoming = correspondences
    inputs = [x[:1, :1].clone().requires_grad_() for x in (vertices, points, incoming)]
    assert torch.autograd.gradcheck(partial(ridge_camera, ridge=1e-4), inputs)


@pytest.mark.parametrize('ridge', [0.0, 1e-4])
def test_coincident_vertices_stay_finite(ridge):
    vertices = torch.full((1, 9, 3), 0.1, requires_grad=True)
    points = torch.rand(1, 9, 2, requires_grad=True)
    incoming = torch.tensor([[[5.0, 0.1], [6.0, 0.2]]])
    camera = ridge_camera(vertices, points, incoming, ridge)
    camera.sum().backward()
    assert camera.isfinite().all()
    assert vertices.grad.isfinite().all() and points.grad.isfinite().all()
    if ridge == 0:
        torch.testing.assert_close(camera[..., 0], incoming[..., 0])
        mean = points.mean(1) - 0.1 * incoming[..., 0]
        torch.testing.assert_close(camera[..., 1], mean)


def test_module_keeps_fp32_under_autocast(correspondences):
    vertices, points, incoming = (x.float() for x in correspondences)
    fit = RidgeCamera(xi=1e-4)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        inside = fit(vertices, points, incoming)
    torch.testing.assert_close(inside, fit(vertices, points, incoming))
    assert inside.dtype == torch.float32


def test_negative_ridge_is_refused():
    with pytest.raises(ValueError, match='xi is -1'):
        RidgeCamera(xi=-1)


def test_the_ridge_costs_what_its_docstring_says():
    """In pixels of a 256 crop that shows a hand at the usual scale."""
    pair = HandPair()
    draw = torch.Generator().manual_seed(0)
    turns = torch.linalg.qr(torch.randn(32, 2, 3, 3, generator=draw))[0]
    rotations = pair.mean_rotations.expand(32, 2, 16, 3, 3).clone()
    rotations[:, :, 0] = turns * torch.linalg.det(turns)[..., None, None]
    vertices = pair(rotations, torch.zeros(32, 2, 10)).vertices.double()
    camera = torch.tensor([[8.0, 0.1], [8.0, -0.1]]).double().expand(32, 2, 2, 2)
    points = project(vertices, camera)
    for ridge, cost in ((1e-2, 0.6), (1e-4, 0.006)):
        found = project(vertices, ridge_camera(vertices, points, camera, ridge))
        assert 128 * (found - points).norm(dim=-1).mean() == pytest.approx(cost, 0.15)
