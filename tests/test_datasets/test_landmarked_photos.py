"""Photos with landmarks that a network read."""

import json

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS

from mmhand_dne.geometry.hand_rois import turned
from mmhand_dne.structures.hand_targets import HandTargets

SIZE = 224
PIPELINE = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(type='UprightHandBox'),
    dict(type='HaMeRCrop', input_size=SIZE, padding=2.0, aspect=None, half_pixel=True),
    dict(type='PackHandInputs'),
]


def joints(degrees=25.0):
    """A hand of joints (21, 2), turned, in a photo of 120 x 90 pixels."""
    points = np.zeros((21, 2))
    for finger, x in enumerate((-14, -7, 0, 7, 14)):
        rows = slice(1 + 4 * finger, 5 + 4 * finger)
        points[rows] = [[x, -20 - 7 * k] for k in range(4)]
    return points @ turned(np.radians(degrees)).T + [55, 70]


def entry(**changes):
    hand = dict(
        file='a.png',
        size=[120, 90],
        side='right',
        presence=0.99,
        points=joints().tolist(),
        spread=[0.01] * 21,
    )
    return {**hand, **changes}


def build(folder, *hands, **options):
    """The data set of some entries; the photo has a white pixel at each joint."""
    photo = np.zeros((90, 120, 3), np.uint8)
    for x, y in joints().round().astype(int):
        photo[y, x] = 255
    cv2.imwrite(str(folder / 'a.png'), photo)
    (folder / 'landmarks.json').write_text(json.dumps(dict(hands=hands)))
    with DefaultScope.overwrite_default_scope('mmpose'):
        inner = dict(
            type='LandmarkedPhotoDataset',
            ann_file=str(folder / 'landmarks.json'),
            data_prefix=dict(img=str(folder)),
            hand_model=dict(type='HandPair'),
            pipeline=PIPELINE,
            **options,
        )
        return DATASETS.build(dict(type='SingleHandDataset', dataset=inner))


def test_joints_count_in_the_image_but_not_in_space(tmp_path):
    sample = build(tmp_path, entry())[0]['data_samples']
    targets = HandTargets.from_samples([sample])
    assert targets.joints_ndc_valid[0, 0].sum() == 15
    assert not targets.joints_ndc_valid[0, 1].any()
    assert not targets.joints_valid.any()
    assert not targets.vertices_valid.any() and not targets.mano_valid.any()


def test_the_joints_lie_on_the_photo_s_pixels(tmp_path):
    packed = build(tmp_path, entry())[0]
    targets = HandTargets.from_samples([packed['data_samples']])
    shown = targets.joints_ndc_valid[0, 0] > 0
    pixels = (targets.joints_ndc[0, 0][shown].numpy() + 1) * SIZE / 2 - 0.5
    for x, y in pixels.round().astype(int):
        near = packed['inputs'][:, y - 3 : y + 4, x - 3 : x + 4]
        assert near.max() > 60


def test_a_left_hand_is_mirrored_into_a_right_one(tmp_path):
    mirrored = joints() * [-1, 1] + [119, 0]
    left = entry(side='left', points=mirrored.tolist())
    right = build(tmp_path, entry())[0]['data_samples'].gt_instance_labels
    found = build(tmp_path, left)[0]['data_samples'].gt_instance_labels
    np.testing.assert_allclose(found.hand_joints_ndc, right.hand_joints_ndc, atol=1e-4)


def test_hands_of_which_the_network_was_not_sure_are_left_out(tmp_path):
    hands = build(tmp_path, entry(), entry(presence=0.5), min_presence=0.8)
    assert len(hands) == 1


def test_joints_that_were_read_otherwise_each_time_do_not_count(tmp_path):
    spread = [0.01] * 21
    spread[5] = spread[10] = 0.06
    hands = build(tmp_path, entry(spread=spread))
    targets = HandTargets.from_samples([hands[0]['data_samples']])
    assert targets.joints_ndc_valid[0, 0].sum() == 13
    assert not targets.joints_ndc_valid[0, 0, [5, 10]].any()
    trusting = build(tmp_path, entry(spread=spread), max_spread=0.1)
    targets = HandTargets.from_samples([trusting[0]['data_samples']])
    assert targets.joints_ndc_valid[0, 0].sum() == 15


def test_a_file_without_hands_is_an_empty_set(tmp_path):
    assert len(build(tmp_path)) == 0


@pytest.mark.parametrize(
    'hand',
    [
        entry(points=[[1, 2]]),
        entry(side='upper'),
        entry(spread=0.1),
        {'file': 'a.png'},
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, hand):
    with pytest.raises(ValueError, match='no file of landmarks .*label_photos'):
        build(tmp_path, hand)


def test_a_joint_that_cannot_count_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no joint 'wrist' besides the wrist"):
        build(tmp_path, entry(), trusted=['wrist', 'index1'])
