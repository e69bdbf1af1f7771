"""Projection, NDC and metric positions."""

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mmhand_dne.geometry.camera import (
    metric_translation,
    ndc_to_pixels,
    perspective_translation,
    pixels_to_ndc,
    project,
    project_perspective,
)
from mmhand_dne.hand_model import MANOLayer


def test_ndc_of_pixel_centres():
    ndc = pixels_to_ndc(torch.tensor([[-0.5, 0.0], [127.5, 255.5]]), 256)
    torch.testing.assert_close(ndc, torch.tensor([[-1.0, 1 / 256 - 1], [0.0, 1.0]]))


def test_mirrored_pixel_is_negated_ndc():
    u = torch.rand(10, 2) * 255
    mirrored = u.clone()
    mirrored[:, 0] = 255 - u[:, 0]
    expected = pixels_to_ndc(u, 256) * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(pixels_to_ndc(mirrored, 256), expected)


def test_ndc_round_trip_of_a_rectangle():
    pixels = torch.rand(5, 2, dtype=torch.float64) * 300
    back = ndc_to_pixels(pixels_to_ndc(pixels, (320, 200)), (320, 200))
    torch.testing.assert_close(back, pixels)


def test_perspective_equals_opencv():
    points = np.random.default_rng(0).normal(size=(20, 3)) * 0.1 + [0, 0, 0.8]
    matrix = np.array([[1100.0, 0, 130], [0, 1050.0, 120], [0, 0, 1]])
    expected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, None)[0]
    ours = project_perspective(torch.tensor(points), torch.tensor(matrix))
    np.testing.assert_allclose(ours, expected[:, 0], atol=1e-9)


def test_metric_translation_inverts_a_flat_hand():
    # All points at the wrist's depth: the orthographic camera is then exact.
    size = 256
    matrix = torch.tensor([[900.0, 0, 120], [0, 880.0, 140], [0, 0, 1]]).double()
    wrist = torch.tensor([0.05, -0.03, 0.7]).double()
    flat = torch.rand(30, 3, dtype=torch.float64) * 0.1
    flat[:, 2] = 0
    points = pixels_to_ndc(project_perspective(flat + wrist, matrix), size)
    origin = pixels_to_ndc(project_perspective(wrist[None], matrix), size)[0]
    scale = ((points - origin) / flat[:, :2]).mean(0)
    camera = torch.stack([scale, origin], -1)
    torch.testing.assert_close(project(flat, camera), points)
    found = metric_translation(flat, camera, matrix, size)
    torch.testing.assert_close(found, wrist)


def test_perspective_translation_is_exact_where_pixels_are():
    draw = torch.Generator().manual_seed(0)
    matrix = torch.tensor([[900.0, 3, 120], [0, 880.0, 140], [0, 0, 1]]).double()
    points = 0.1 * torch.randn(5, 40, 3, dtype=torch.float64, generator=draw)
    origins = torch.tensor([0.05, -0.03, 0.7]) + 0.2 * torch.rand(5, 3, generator=draw)
    pixels = project_perspective(points + origins[:, None].double(), matrix)
    found = perspective_translation(points, pixels, matrix)
    torch.testing.assert_close(found, origins.double(), atol=1e-9, rtol=0)


def test_perspective_translation_is_not_behind_the_camera():
    points = torch.rand(40, 3, dtype=torch.float64)
    behind = points - torch.tensor([0, 0, 9.0])
    pixels = project_perspective(behind, torch.eye(3).double())
    found = perspective_translation(points, pixels, torch.eye(3).double())
    assert found.isnan().all()


def test_the_wrist_is_found_of_hands_that_point_anywhere():
    """From an orthographic camera too, which knows the mean depth only."""
    layer = MANOLayer()
    pose = layer.absolute_pose(torch.zeros(48), mean=True)
    hand = layer(pose, torch.zeros(10)).double()
    hand = hand - layer.joints(hand)[0]
    draw, size = np.random.default_rng(0), 256
    matrix = torch.tensor([[900.0, 0, 120], [0, 900.0, 140], [0, 0, 1]]).double()
    exact, ours, former = [], [], []
    for rotation in Rotation.random(60, random_state=1).as_matrix():
        points = hand @ torch.from_numpy(rotation).mT
        wrist = torch.from_numpy(draw.uniform([-0.1, -0.1, 0.4], [0.1, 0.1, 0.9]))
        pixels = project_perspective(points + wrist, matrix)
        ndc = pixels_to_ndc(pixels, size)
        camera = orthographic_fit(points, ndc)
        flat = ndc_to_pixels(project(points, camera), size)
        exact.append(perspective_translation(points, pixels, matrix) - wrist)
        ours.append(perspective_translation(points, flat, matrix) - wrist)
        same = metric_translation(points, camera, matrix, size) - wrist
        torch.testing.assert_close(same, ours[-1], atol=1e-9, rtol=0)
        mean_depth = points[:, 2].mean()
        former.append(mean_depth[None])
    errors = [1000 * torch.stack(each).norm(dim=-1) for each in (exact, ours, former)]
    assert errors[0].max() < 0.001
    assert errors[1].median() < 3 and errors[1].max() < 15
    assert errors[2].median() > 20


@pytest.mark.parametrize('depth, most', [(0.25, 6.0), (0.4, 4.0), (1.0, 1.5)])
def test_a_near_hand_stands_where_its_orthographic_picture_is(depth, most):
    """The camera that a model regresses errs more the nearer the hand is."""
    layer = MANOLayer()
    pose = layer.absolute_pose(torch.zeros(48), mean=True)
    hand = layer(pose, torch.zeros(10)).double()
    hand = hand - layer.joints(hand)[0]
    matrix = torch.tensor([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]]).double()
    wrist = torch.tensor([0.05, 0.02, depth]).double()
    errors = []
    for rotation in Rotation.random(40, random_state=3).as_matrix():
        points = hand @ torch.from_numpy(rotation).mT
        pixels = project_perspective(points + wrist, matrix)
        seen = []
        for axis in range(2):  # the least squares of a scale and a shift for each axis
            columns = torch.stack([points[:, axis], torch.ones(len(points))], -1)
            seen.append(columns @ torch.linalg.pinv(columns) @ pixels[:, axis])
        found = perspective_translation(points, torch.stack(seen, -1), matrix)
        errors.append(1000 * (found - wrist).norm())
    assert torch.stack(errors).median() < most


def orthographic_fit(points, ndc):
    """(2, 2) rows (scale, shift), one scale: the least squares camera."""
    centre, middle = points.mean(0)[:2], ndc.mean(0)
    spread = points[:, :2] - centre
    scale = (spread * (ndc - middle)).sum() / spread.square().sum()
    return torch.stack([scale.expand(2), middle - scale * centre], -1)


def test_metric_translation_of_a_mirrored_camera_is_nan():
    camera = torch.tensor([[-8.0, 0.0], [8.0, 0.0]])
    points = torch.rand(9, 3)
    assert metric_translation(points, camera, torch.eye(3), 256).isnan().all()
    broken = points.clone()
    broken[3] = torch.nan
    assert metric_translation(broken, camera.abs(), torch.eye(3), 256).isnan().all()
