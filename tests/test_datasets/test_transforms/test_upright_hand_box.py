"""Crops that are turned with the hand."""

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS

from mmhand_dne.conventions import MIDDLE, WRIST
from mmhand_dne.geometry.hand_rois import roi_affine, roi_of_landmarks
from tests.interhand_fixture import dataset_config

SIZE = 224
PIPELINE = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(type='UprightHandBox'),
    dict(type='HaMeRCrop', input_size=SIZE, padding=2.0, aspect=None, half_pixel=True),
]


@pytest.fixture(scope='module')
def crops(regular_root):
    """Right and left hands, before packing."""
    with DefaultScope.overwrite_default_scope('mmpose'):
        inner = dict(
            type='InterHandMeshDataset', **dataset_config(regular_root, pipeline=[])
        )
        hands = DATASETS.build(dict(type='SingleHandDataset', dataset=inner))
        pipeline = Compose(PIPELINE)
        return [pipeline(hands.get_data_info(index)) for index in range(len(hands))]


def joints_in_crop(sample):
    points = sample['mesh_joints'][0] + sample['mesh_root'][0]
    pixels = points @ sample['intrinsics'].T
    return pixels[:, :2] / pixels[:, 2:]


def test_right_and_left_hands_point_up(crops):
    assert {sample['hand_side'] for sample in crops} == {'right', 'left'}
    for sample in crops:
        joints = joints_in_crop(sample)
        assert joints[WRIST, 1] > joints[MIDDLE, 1]
        assert roi_of_landmarks(joints).angle == pytest.approx(0, abs=1e-4)


def test_the_crop_is_the_square_about_the_joints(crops):
    for sample in crops:
        roi = roi_of_landmarks(joints_in_crop(sample))
        assert roi.side == pytest.approx(SIZE, rel=1e-4)
        np.testing.assert_allclose(roi.centre, (SIZE - 1) / 2, atol=0.01)


def test_the_affine_map_is_that_of_the_square_in_the_image(crops):
    for sample in crops:
        affine = sample['crop_affine']
        back = np.linalg.inv(np.vstack([affine, [0, 0, 1]]))[:2]
        joints = joints_in_crop(sample) @ back[:, :2].T + back[:, 2]
        expected = roi_affine(roi_of_landmarks(joints), SIZE)
        np.testing.assert_allclose(affine, expected, atol=0.01)
