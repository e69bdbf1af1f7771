"""Crops as cheap cameras take them."""

import cv2
import numpy as np
import pytest

from mmhand_dne.datasets.transforms import CheapCamera
from mmhand_dne.datasets.transforms.cheap_camera import motion_kernel, noise_bank
from mmhand_dne.errors import UserError
from mmhand_dne.randomness.pipeline import SampleKey, draws_by

SIDE = 224
OFF = dict(
    blur=(0, (1, 1)),
    motion=(0, (3, 3)),
    coarse=(0, (1, 1)),
    noise=(0, (1, 1)),
    jpeg=(0, (90, 90)),
)


def only(**fault):
    """A camera with one fault, always, of one amount."""
    return CheapCamera(**{**OFF, **{k: (1.0, (v, v)) for k, v in fault.items()}})


def taken(camera, image, key=0):
    with draws_by(SampleKey(key, 0, 0)):
        return camera(dict(img=image.copy(), img_path='a.jpg'))['img']


def scene():
    """A smooth picture with an edge."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    image = cv2.GaussianBlur(noise, (0, 0), 4)
    image[:, SIDE // 2 :] //= 2
    return image


def test_without_faults_nothing_changes():
    assert np.array_equal(taken(CheapCamera(**OFF), scene()), scene())


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_bytes_of_the_same_shape_come_out_in_any_worker(dtype):
    image = scene()[:, :200].astype(dtype)
    worst = {k: (1.0, pair) for k, (_, pair) in CheapCamera().faults.items()}
    first = taken(CheapCamera(**worst), image, 5)
    assert first.dtype == np.uint8 and first.shape == image.shape
    np.random.seed(99)  # another worker's generator
    assert np.array_equal(taken(CheapCamera(**worst), image, 5), first)
    assert not np.array_equal(taken(CheapCamera(**worst), image, 6), first)
    assert np.abs(first - image.astype(float)).mean() > 0.3


def test_a_float32_crop_is_rounded():
    image = np.full((8, 8, 3), 99.6, np.float32)
    assert (taken(CheapCamera(**OFF), image) == 100).all()


def test_blur_spreads_a_line_by_its_standard_deviation():
    image = np.zeros((65, 65, 3), np.uint8)
    image[:, 32] = 255
    found = taken(only(blur=1.5), image)[..., 0].astype(float)
    away = np.arange(65) - 32.0
    variance = (found.sum(0) * away**2).sum() / found.sum()
    assert variance == pytest.approx(1.5**2, rel=0.1)


@pytest.mark.parametrize('angle', [0.0, 0.25, 0.5, 0.8])
@pytest.mark.parametrize('length', [1, 4, 11])
def test_motion_is_along_a_line_of_its_length(length, angle):
    kernel = motion_kernel(length, angle).astype(float)
    assert kernel.sum() == pytest.approx(1, abs=1e-6)
    axis = np.arange(len(kernel)) - len(kernel) // 2
    x, y = np.meshgrid(axis, axis)
    assert abs((kernel * x).sum()) < 1e-6 and abs((kernel * y).sum()) < 1e-6
    along = x * np.cos(np.pi * angle) + y * np.sin(np.pi * angle)
    across = y * np.cos(np.pi * angle) - x * np.sin(np.pi * angle)
    # Of a uniform line, and at most what a pixel and its neighbour add.
    line = (length - 1) ** 2 / 12
    assert line <= (kernel * along**2).sum() + 1e-6 < 1.35 * line + 0.3
    assert (kernel * across**2).sum() < 0.3


def test_a_coarse_sensor_cannot_see_fine_stripes():
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[:, ::2] = 200
    found = taken(only(coarse=0.5), image)
    assert found.std() < 3 and found.mean() == pytest.approx(100, abs=1)


@pytest.mark.parametrize('grey', [16, 128, 220])
def test_noise_grows_as_the_root_of_the_light(grey):
    image = np.full((SIDE, SIDE, 3), grey, np.uint8)
    found = taken(only(noise=6.0), image).astype(float)
    wanted = 6.0 * np.sqrt((grey + 16) / 144)
    assert found.std() == pytest.approx(np.hypot(wanted, 12**-0.5), rel=0.06)
    assert found.mean() == pytest.approx(grey, abs=0.3)


def test_noise_is_of_brightness_more_than_of_colour():
    bank = noise_bank()
    assert bank.std() == pytest.approx(1, abs=1e-4) and abs(bank.mean()) < 0.02
    shared = np.corrcoef(bank.reshape(-1, 3).T)[0, 1]
    assert shared == pytest.approx(1 / (1 + 0.5**2), abs=0.03)


def test_noise_is_cut_at_another_place_for_each_crop():
    image, camera = np.full((SIDE, SIDE, 3), 128, np.uint8), only(noise=8.0)
    cut = [taken(camera, image, key).astype(float).ravel() for key in range(6)]
    apart = np.corrcoef(cut)[np.triu_indices(6, 1)]
    assert np.abs(apart).max() < 0.1


def test_jpeg_loses_more_the_lower_its_quality():
    lost = [
        np.abs(taken(only(jpeg=quality), scene()) - scene().astype(float)).mean()
        for quality in (95, 50, 10)
    ]
    assert lost[0] < lost[1] < lost[2] and lost[2] > 2


def test_faults_come_as_often_as_asked_and_weaker_together():
    camera = CheapCamera(**{**OFF, 'noise': (0.3, (0, 10)), 'jpeg': (0.5, (90, 10))})
    drawn = []
    for key in range(2000):
        with draws_by(SampleKey(key, 0, 0)):
            drawn.append(camera.sample())
    assert np.mean(['noise' in d for d in drawn]) == pytest.approx(0.3, abs=0.04)
    assert np.mean(['jpeg' in d for d in drawn]) == pytest.approx(0.5, abs=0.04)
    alone = [d['jpeg'] for d in drawn if len(d) == 1 and 'jpeg' in d]
    together = [d for d in drawn if len(d) == 2]
    assert min(alone) < 12 and max(alone) > 88
    assert 50 < min(d['jpeg'] for d in together) < 52
    assert 4.8 < max(d['noise'] for d in together) < 5


@pytest.mark.parametrize(
    'wrong',
    [
        dict(blur=(1.5, (1, 2))),
        dict(blur=(0.5, (2, 1))),
        dict(motion=(0.5, (3, 40))),
        dict(coarse=(0.5, (0.3, 0.9))),
        dict(coarse=(0.5, (0.9, 0.0))),
        dict(noise=(0.5, (1,))),
        dict(jpeg=(float('nan'), (80, 20))),
        dict(jpeg=(0.5, (80, 0))),
    ],
)
def test_what_is_no_fault_is_refused(wrong):
    with pytest.raises(UserError, match=f'CheapCamera: {next(iter(wrong))}='):
        CheapCamera(**wrong)


@pytest.mark.parametrize(
    'image',
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((9, 900, 3), np.uint8)],
)
def test_another_image_is_refused(image):
    with pytest.raises(UserError, match=r'a\.jpg: CheapCamera got an image of shape'):
        taken(CheapCamera(), image)
