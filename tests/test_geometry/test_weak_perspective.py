"""HaMeR's camera against the pinhole it stands for."""

import torch

from mmhand_dne.geometry.camera import project, project_perspective
from mmhand_dne.geometry.weak_perspective import (
    full_image_focal,
    orthographic_camera,
    project_hamer,
    translation_from_weak_camera,
    translation_in_image,
    translation_with_intrinsics,
)

CAMERA = torch.tensor([[4.0, 0.02, -0.03], [7.5, -0.1, 0.05]], dtype=torch.float64)


def points():
    draw = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(2, 9, 3, generator=draw, dtype=torch.float64)


def test_translation_by_hand():
    # 2 * 5000 / (256 * 4) metres
    found = translation_from_weak_camera(CAMERA)[0]
    expected = torch.tensor([0.02, -0.03, 9.765625], dtype=torch.float64)
    torch.testing.assert_close(found, expected)


def test_projection_is_a_pinhole_in_the_middle_of_the_crop():
    translation = translation_from_weak_camera(CAMERA)
    pinhole = torch.diag(torch.tensor([5000.0, 5000, 1], dtype=torch.float64))
    pixels = project_perspective(points() + translation[:, None], pinhole)
    torch.testing.assert_close(project_hamer(points(), translation) / 2, pixels / 256)


def test_orthographic_camera_is_the_limit_of_a_long_lens():
    root = torch.tensor([[0.09, 0.01, 0.0], [0.1, 0.0, 0.02]], dtype=torch.float64)
    near = project(points() - root[:, None], orthographic_camera(CAMERA, root))
    for focal, close in ((5e3, 0.1), (5e5, 1e-3), (5e7, 1e-5)):
        far = project_hamer(
            points(), translation_from_weak_camera(CAMERA, focal), focal
        )
        assert (far - near).abs().max() < close


def test_whole_image_sees_the_crop_at_its_box():
    center = torch.tensor([[300.0, 120], [77, 400]], dtype=torch.float64)
    box = torch.tensor([210.0, 96.0], dtype=torch.float64)
    image = torch.tensor([640.0, 480.0], dtype=torch.float64)
    focal = full_image_focal(image)
    assert focal == 12500  # 5000 / 256 * 640
    intrinsics = torch.tensor(
        [[focal, 0, 320], [0, focal, 240], [0, 0, 1]], dtype=torch.float64
    )
    whole = translation_in_image(CAMERA, center, box, image)
    origin = project_perspective(whole[:, None], intrinsics)[:, 0]
    # The frame's origin, seen by the crop's camera and put back into the box.
    ndc = project_hamer(
        torch.zeros(2, 1, 3, dtype=torch.float64), translation_from_weak_camera(CAMERA)
    )[:, 0]
    torch.testing.assert_close(origin, center + box[:, None] / 2 * ndc)
    torch.testing.assert_close(
        translation_with_intrinsics(CAMERA, center, box, intrinsics), whole
    )


def test_true_intrinsics_keep_the_place_in_the_image():
    center = torch.tensor([[300.0, 120], [77, 400]], dtype=torch.float64)
    box = torch.tensor([210.0, 96.0], dtype=torch.float64)
    intrinsics = torch.tensor(
        [[620.0, 1.5, 331], [0, 600, 229], [0, 0, 1]], dtype=torch.float64
    )
    placed = translation_with_intrinsics(CAMERA, center, box, intrinsics)
    origin = project_perspective(placed[:, None], intrinsics)[:, 0]
    expected = center + box[:, None] / 2 * CAMERA[:, :1] * CAMERA[:, 1:]
    torch.testing.assert_close(origin, expected)
    # A metre at that depth is s half boxes, in the mean of both axes.
    torch.testing.assert_close(
        (620 * 600) ** 0.5 / placed[:, 2], box / 2 * CAMERA[:, 0]
    )
