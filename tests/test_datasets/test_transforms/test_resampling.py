"""The exact crop: OpenCV's picture, and symmetric."""

import cv2
import numpy as np
import pytest

from mmhand_dne.datasets.transforms.mesh_crop import resampled

IMAGE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8), (0, 0), 2
)


def affine(zoom, degrees, shift):
    angle = np.deg2rad(degrees)
    linear = zoom * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    return np.array([[*linear[0], shift[0]], [*linear[1], shift[1]], [0, 0, 1]])


def mirror(width):
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    'matrix',
    [
        affine(0.83, 0, (-17.3, -20.1)),
        affine(1.7, 0, (9.25, -60.5)),
        affine(1.2, 31, (20.2, -31.7)),
        affine(1.0, 90, (70, 3)),
    ],
)
@pytest.mark.parametrize('size', [(64, 64), (64, 40)])
def test_it_is_opencvs_crop_and_mirrors_bit_for_bit(matrix, size):
    crop = resampled(IMAGE, matrix, size)
    fast = cv2.warpAffine(IMAGE, matrix[:2], size).astype(int)
    assert np.abs(crop - fast).max() <= 4 and np.abs(crop - fast).mean() < 0.2
    assert crop.std() > 1
    twin = resampled(
        np.ascontiguousarray(IMAGE[:, ::-1]), mirror(64) @ matrix @ mirror(130), size
    )
    assert (twin[:, ::-1] == crop).all()


def test_whole_pixels_are_copied_and_the_outside_is_black():
    crop = resampled(IMAGE, affine(1, 0, (10, 20)), (64, 64))
    assert (crop[20:, 10:] == IMAGE[:44, :54]).all()
    assert (crop[:20] == 0).all() and (crop[:, :10] == 0).all()
