"""Crops that are known to show no hand."""

import numpy as np
import pytest
import torch

from mmhand_dne.datasets.transforms import RandomHandFreeBox
from mmhand_dne.datasets.transforms.random_hand_free_box import free_strips
from mmhand_dne.errors import UserError
from mmhand_dne.randomness.pipeline import SampleKey, draws_by
from mmhand_dne.structures.hand_targets import HandTargets
from tests.test_datasets.conftest import AUGMENTED

KNOWN = ('presence', 'presence_valid', 'intrinsics')


def pipeline(prob):
    free = dict(type='RandomHandFreeBox', prob=prob)
    return [AUGMENTED[0], AUGMENTED[1], free, *AUGMENTED[2:]]


def moved(info, draw, box=None, prob=1.0):
    """A sample after the transform, without its pixels."""
    size = info['height'], info['width']
    info = dict(info, img=np.zeros((*size, 3), np.uint8))
    if box is not None:
        info['bbox'] = np.float32([box])
    with draws_by(SampleKey(draw, 0, 0)):
        return RandomHandFreeBox(prob).transform(info)


def test_boxes_lie_in_the_image_beside_the_hands(infos):
    info = infos[0]
    width, height = info['width'], info['height']
    x0, y0, x1, y1 = hands = 0.4 * width, 0.3 * height, 0.7 * width, 0.6 * height
    beside = set()
    for draw in range(200):
        left, top, right, bottom = moved(info, draw, hands)['bbox'][0]
        side = right - left
        assert bottom - top == pytest.approx(side, rel=1e-5)
        assert side >= 0.2 * min(width, height) - 1e-3
        assert left >= 0 and top >= 0 and right <= width and bottom <= height
        places = right <= x0 + 1e-3, left >= x1 - 1e-3, bottom <= y0 + 1e-3
        places = (*places, top >= y1 - 1e-3)
        assert any(places)
        beside.update(np.flatnonzero(places))
    assert beside == {0, 1, 2, 3}


def test_an_image_full_of_hands_stays(infos):
    info = infos[0]
    width, height = info['width'], info['height']
    box = 0.1 * width, 0.1 * height, 0.9 * width, 0.9 * height
    found = moved(info, 0, box)
    np.testing.assert_array_equal(found['bbox'], np.float32([box]))
    np.testing.assert_array_equal(found['hand_presence'], info['hand_presence'])


def test_strips_of_a_box_that_leaves_the_image_are_empty_there():
    strips = free_strips(np.array([-5.0, 10, 60, 50]), (100, 80))
    sides = strips[:, 2:] - strips[:, :2]
    np.testing.assert_array_equal(sides, [[0, 80], [40, 80], [100, 10], [100, 30]])


def test_some_samples_in_so_many_are_moved(infos):
    hands = [0.4 * infos[0]['width'], 0, 0.6 * infos[0]['width'], infos[0]['height']]
    free = [moved(infos[0], draw, hands, prob=0.25) for draw in range(400)]
    share = np.mean([not found['hand_presence'].any() for found in free])
    assert share == pytest.approx(0.25, abs=0.06)  # 2.8 standard deviations


@pytest.mark.parametrize('posed', [True, False])
def test_nothing_but_absence_is_known(regular_root, build, posed):
    dataset = build(regular_root, pipeline(1.0), posed=posed)
    targets = HandTargets.from_samples(
        [dataset[SampleKey(i, 0, 0)]['data_samples'] for i in range(len(dataset))]
    )
    free = (targets.presence_valid == 1).all(1) & (targets.presence == 0).all(1)
    assert free.sum() >= 2
    for name in HandTargets._fields:
        value = getattr(targets, name)[free]
        assert torch.isfinite(value).all(), name
        if name.endswith('_valid') and name not in KNOWN:
            assert not value.any(), name


def test_both_ways_of_posing_agree(regular_root, build):
    ways = [build(regular_root, pipeline(0.5), posed=posed) for posed in (True, False)]
    for index in range(len(ways[0])):
        posed, later = (dataset[SampleKey(index, 1, 0)] for dataset in ways)
        assert torch.equal(posed['inputs'], later['inputs'])
        one, other = (
            HandTargets.from_samples([packed['data_samples']])
            for packed in (posed, later)
        )
        for name in HandTargets._fields:
            torch.testing.assert_close(
                getattr(one, name), getattr(other, name), atol=1e-6, rtol=1e-5
            )


@pytest.mark.parametrize('wrong', [dict(prob=1.5), dict(smallest=0.0)])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(UserError, match='RandomHandFreeBox: prob='):
        RandomHandFreeBox(**wrong)
