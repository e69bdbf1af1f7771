"""Light and colours of crops, by what MMPose's own transform gets wrong."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmpose.datasets.transforms import PhotometricDistortion
from mmpose.registry import TRANSFORMS

from mmhand_dne.datasets.transforms import CheapCamera, LightDistortion
from mmhand_dne.datasets.transforms.mesh_geometry import draws_ours, takes_unposed
from mmhand_dne.randomness.pipeline import SampleKey, seeded_by

SKIN = 120, 150, 210  # BGR


def picture():
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)


def test_pixels_alone_change_so_unposed_hands_pass():
    assert takes_unposed(CheapCamera()) and draws_ours(CheapCamera())
    assert takes_unposed(LightDistortion()) and not draws_ours(LightDistortion())


class Set(LightDistortion):
    """With what MMPose draws, set by hand."""

    def __init__(self, **flags):
        super().__init__()
        self.flags = dict(
            late=0, bright=0, contrast=0, colors=0, swap=0, beta=0.0, alpha=1.0,
            saturation=1.0, hue=0, order=np.arange(3),
        )  # fmt: skip
        self.flags.update(flags)

    def _random_flags(self):
        return tuple(self.flags.values())


def lit(image, **flags):
    return Set(**flags)(dict(img=image))['img']


def patch(color=SKIN, dtype=np.uint8):
    return np.full((4, 4, 3), color, dtype)


def test_saturation_of_a_float32_crop_changes_by_its_factor():
    """MMPose's own takes it to 0 or 1: a grey crop."""
    found = lit(patch(dtype=np.float32), colors=1, saturation=0.9)
    hsv = cv2.cvtColor(found, cv2.COLOR_BGR2HSV)[0, 0]
    before = cv2.cvtColor(patch(), cv2.COLOR_BGR2HSV)[0, 0]
    assert hsv[1] == pytest.approx(0.9 * before[1], abs=2)
    assert np.array_equal(found, lit(patch(), colors=1, saturation=0.9))


def test_hues_go_round():
    """MMPose's own makes hue 10 - 18 that of green, 248."""
    found = lit(patch(), colors=2, hue=-18)
    hue = cv2.cvtColor(found, cv2.COLOR_BGR2HSV)[0, 0, 0]
    before = cv2.cvtColor(patch(), cv2.COLOR_BGR2HSV)[0, 0, 0]
    assert before < 18 and int(hue) == pytest.approx(int(before) - 18 + 180, abs=1)


@pytest.mark.parametrize('late', [0, 1])
def test_contrast_changes_once(late):
    found = lit(patch(), contrast=1, alpha=0.5, late=late)
    np.testing.assert_allclose(found[0, 0], np.array(SKIN) / 2, atol=1)


def test_brightness_and_channels():
    assert lit(patch(), bright=1, beta=-20.0)[0, 0].tolist() == [100, 130, 190]
    swapped = lit(patch(), swap=1, order=np.array([2, 0, 1]))
    assert swapped[0, 0].tolist() == [210, 120, 150] and swapped.flags.c_contiguous


def test_of_bytes_whose_hue_stays_it_makes_what_mmpose_makes():
    mmposes, ours, same = PhotometricDistortion(), LightDistortion(), 0
    for key in [SampleKey(index, 0, 0) for index in range(40)]:
        with seeded_by(key):
            flags = mmposes._random_flags()
        if flags[3] in (2, 3) or flags[2]:  # hue or contrast
            continue
        found = []
        for transform in (mmposes, ours):
            with seeded_by(key):
                found.append(transform(dict(img=picture()))['img'])
        np.testing.assert_array_equal(*found)
        same += 1
    assert same > 5


def test_the_shipped_models_crops_stay_coloured(request):
    """Of a skin-coloured crop a tenth turns grey, RandomGrayscale's; it was a third."""
    path = 'configs/_base_/datasets/real_hands.py'
    cfg = Config.fromfile(str(request.config.rootpath / path))
    names = [step['type'] for step in cfg.train_pipeline]
    start = names.index('HaMeRCrop') + 1
    assert names[start:-1] == ['LightDistortion', 'RandomGrayscale', 'CheapCamera']
    steps = [TRANSFORMS.build(step) for step in cfg.train_pipeline[start:-1]]
    grey = 0
    for index in range(300):
        results = dict(img=np.full((16, 16, 3), SKIN, np.float32), img_path='a.jpg')
        with seeded_by(SampleKey(index, 0, 0)):
            for step in steps:
                results = step(results)
        channels = results['img'].astype(float).mean((0, 1))
        grey += np.ptp(channels) < 3
    assert 0.05 < grey / 300 < 0.15
