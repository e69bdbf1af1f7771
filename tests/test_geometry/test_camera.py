"""Projection, NDC and metric positions."""

import cv2
import numpy as np
import torch

from mmhand_dne.geometry.camera import (
    metric_translation,
    ndc_to_pixels,
    pixels_to_ndc,
    project,
    project_perspective,
)


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
    matrix = torch.tensor([[900.0, 3, 120], [0, 880.0, 140], [0, 0, 1]]).double()
    wrist = torch.tensor([0.05, -0.03, 0.7]).double()
    flat = torch.rand(30, 3, dtype=torch.float64) * 0.1
    flat[:, 2] = 0
    straight = matrix.clone()
    straight[0, 1] = 0
    points = pixels_to_ndc(project_perspective(flat + wrist, straight), size)
    origin = pixels_to_ndc(project_perspective(wrist[None], straight), size)[0]
    scale = ((points - origin) / flat[:, :2]).mean(0)
    camera = torch.stack([scale, origin], -1)
    torch.testing.assert_close(project(flat, camera), points)
    torch.testing.assert_close(metric_translation(camera, straight, size), wrist)


def test_metric_translation_keeps_the_wrist_pixel_with_skew():
    matrix = torch.tensor([[900.0, 3, 120], [0, 880.0, 140], [0, 0, 1]]).double()
    camera = torch.tensor([[8.0, 0.25], [8.5, -0.5]]).double()
    root = metric_translation(camera, matrix, 256)
    pixel = ndc_to_pixels(camera[:, 1], 256)
    torch.testing.assert_close(project_perspective(root[None], matrix)[0], pixel)


def test_metric_translation_of_a_mirrored_camera_is_nan():
    camera = torch.tensor([[-8.0, 0.0], [8.0, 0.0]])
    assert metric_translation(camera, torch.eye(3), 256).isnan().all()
