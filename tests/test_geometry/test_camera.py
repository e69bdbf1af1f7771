"""Projection, NDC and metric positions."""

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from mmhand_dne.geometry.camera import (
    PLACE_SHARE,
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


def test_what_is_unsure_counts_less():
    """Joints of a hand that err as their covariance says, seen where they truly are."""
    layer, draw = MANOLayer(), np.random.default_rng(1)
    pose = layer.absolute_pose(torch.zeros(48), mean=True)
    joints = layer.joints(layer(pose, torch.zeros(10)))[:21].double()
    joints = joints - joints[0]
    matrix = torch.tensor([[900.0, 3, 120], [0, 880.0, 140], [0, 0, 1]]).double()
    # Two fingers err by far, each as a whole, and more the farther from the wrist.
    root = np.zeros((60, 60))
    for finger in range(5):
        for joint in range(4):
            own = slice(3 * (4 * finger + joint), 3 * (4 * finger + joint) + 3)
            size = (0.012 if finger < 2 else 0.001) * (joint + 1)
            root[own, 12 * finger : 12 * finger + 3] = size * np.eye(3)
            root[own, own] += 0.0005 * np.eye(3)
    covariance = torch.from_numpy(np.pad(root @ root.T, (3, 0)))
    plain, weighted = [], []
    for rotation in Rotation.random(80, random_state=2).as_matrix():
        true = joints @ torch.from_numpy(rotation).mT
        wrist = torch.from_numpy(draw.uniform([-0.1, -0.1, 0.4], [0.1, 0.1, 0.9]))
        pixels = project_perspective(true + wrist, matrix)
        exact = perspective_translation(true, pixels, matrix, covariance)
        torch.testing.assert_close(exact, wrist, atol=1e-8, rtol=0)
        noisy = true.clone()
        noisy[1:] += torch.from_numpy((root @ draw.normal(size=60)).reshape(20, 3))
        for found, bars in ((plain, None), (weighted, covariance)):
            found.append(perspective_translation(noisy, pixels, matrix, bars) - wrist)
    errors = [1000 * torch.stack(e).norm(dim=-1).median() for e in (plain, weighted)]
    assert errors[1] < 0.4 * errors[0]


def test_generalised_least_squares_equals_the_dense_formula():
    draw = np.random.default_rng(4)
    points = 0.1 * draw.normal(size=(21, 3))
    matrix = np.array([[900.0, 3, 120], [0, 880.0, 140], [0, 0, 1]])
    seen = points + draw.normal(scale=0.005, size=points.shape) + [0.05, 0, 0.7]
    pixels = seen @ matrix.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    root = 0.01 * draw.normal(size=(63, 63))
    covariance = root @ root.T
    rays = np.column_stack([pixels, np.ones(21)]) @ np.linalg.inv(matrix).T
    design, step, goal = [], np.zeros((42, 63)), []
    for i, (x, y, _) in enumerate(rays):
        for k, (row, ray) in enumerate((((1, 0, -x), x), ((0, 1, -y), y))):
            design.append(row)
            step[2 * i + k, 3 * i : 3 * i + 3] = row
            goal.append(ray * points[i, 2] - points[i, k])
    noise = step @ covariance @ step.T
    noise += PLACE_SHARE * np.diagonal(noise).mean() * np.eye(42)
    weight = np.linalg.inv(noise)
    design = np.array(design)
    expected = np.linalg.solve(
        design.T @ weight @ design, design.T @ weight @ np.array(goal)
    )
    found = perspective_translation(
        *(torch.from_numpy(a) for a in (points, pixels, matrix, covariance))
    )
    np.testing.assert_allclose(found, expected, atol=1e-9)


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
