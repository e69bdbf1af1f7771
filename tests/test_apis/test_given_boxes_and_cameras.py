"""Boxes and cameras as people give them: scores, none, twice, shares, one an image."""

import json
import os
import re

import numpy as np
import pytest
import torch

from mmhand_dne.apis.inputs.given_boxes import GivenBoxes, check_box
from mmhand_dne.apis.inputs.intrinsics import Cameras, read_cameras
from mmhand_dne.apis.result_drawing import check_kinds, possible_kinds
from mmhand_dne.errors import UserError
from tests.tiny_inferencers import noise_image

IMAGE = noise_image()  # 200 x 160
BOX = [31, 22, 144, 130]
K = np.array([[310.0, 0, 95], [0, 290, 88], [0, 0, 1]])
WIDER = np.array([[400.0, 0, 95], [0, 290, 88], [0, 0, 1]])


def result_of(inferencer, boxes, **options):
    options = dict(dict(presence_thr=0.0), **options)
    return next(inferencer.results(IMAGE, bboxes=boxes, **options))


def test_a_fifth_column_is_a_score(dne):
    [plain] = GivenBoxes([BOX], 1).of(0, 'a')
    for given in ([[*BOX, 98.0]], [[[*BOX, 0.5]]], np.array([[*BOX, 98.0]])):
        [box] = GivenBoxes(given, 1).of(0, 'a')
        assert box.corners.tolist() == plain.corners.tolist() and box.angle is None
    [named] = GivenBoxes([dict(box=[*BOX, 98], angle=20)], 1).of(0, 'a')
    assert named.corners.tolist() == BOX and named.angle == 20
    first, second = (
        result_of(dne, boxes).hands[0].vertices for boxes in ([BOX], [[*BOX, 98.0]])
    )
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    'given',
    [
        np.zeros((0, 4)),
        np.zeros((0, 5)),
        [],
        [[]],
        np.zeros((1, 0, 4)),
        [np.zeros((0, 4))],
        torch.zeros(0, 4),
    ],
)
def test_zero_boxes_are_zero_hands(dne, given):
    result = result_of(dne, given)
    assert result.hands == () and 'no box is given' in result.problem


def test_zero_boxes_of_several_pictures_are_a_mistake():
    with pytest.raises(UserError, match='boxes of 0 images, but the input has 2'):
        GivenBoxes([], 2)


@pytest.mark.parametrize(
    'given', [torch.tensor([BOX]), [torch.tensor(BOX)], [torch.tensor([BOX])]]
)
def test_tensors_are_boxes_too(given):
    [box] = GivenBoxes(given, 1).of(0, 'a')
    assert box.corners.tolist() == BOX


@pytest.mark.parametrize('box', [[0, 0, 1, 1], [0.2, 0.1, 0.8, 0.9], [-0.1, 0, 1.1, 1]])
def test_shares_of_the_image_are_not_pixels(box):
    with pytest.raises(UserError, match='within one pixel') as error:
        GivenBoxes([box], 1).of(0, 'a')
    assert 'multiply' in str(error.value) and '\n' not in str(error.value)


def test_one_box_is_read_for_both_hands_and_several_for_one_each(dne):
    other = [100, 60, 190, 150]
    assert [hand.side for hand in result_of(dne, [BOX]).hands] == ['right', 'left']
    found = result_of(dne, [BOX, other]).hands
    assert len(found) == 2
    for hand, box in zip(sorted(found, key=lambda hand: hand.box[0]), (BOX, other)):
        alone = result_of(dne, [box]).hands
        most = max(alone, key=lambda hand: hand.presence)
        assert hand.side == most.side
        assert np.allclose(hand.vertices, most.vertices, atol=1e-6)
    assert len(result_of(dne, [BOX, other], side='both').hands) == 4


@pytest.mark.parametrize('side', [None, 'right', 'both'])
def test_a_box_given_twice_is_one_hand(dne, hamer, side):
    once = result_of(dne, [BOX], side=side)
    for boxes in ([BOX, BOX], [BOX, [*BOX, 0.3]]):
        twice = result_of(dne, boxes, side=side)
        assert [hand.side for hand in twice.hands] == [hand.side for hand in once.hands]
    near = [value + 1 for value in BOX]
    assert len(result_of(dne, [BOX, near]).hands) == 1
    # Who names sides says how many hands there are.
    assert len(result_of(hamer, [BOX, near], side='right').hands) == 2


def test_the_same_box_with_two_sides_is_two_hands(hamer):
    boxes = [dict(box=BOX, side='right'), dict(box=BOX, side='left')]
    assert [h.side for h in result_of(hamer, boxes).hands] == ['right', 'left']


@pytest.mark.parametrize(
    'given',
    [
        np.stack([K, WIDER]),
        [K, WIDER],
        [[310, 290, 95, 88], [400, 290, 95, 88]],
        np.array([[310, 290, 95, 88], [400, 290, 95, 88]]),
        {'x/a.jpg': K, 'b.jpg': WIDER},
        {0: K, 1: [400, 290, 95, 88]},
    ],
)
def test_a_camera_for_each_picture(given, tmp_path):
    cameras = Cameras(given, 2)
    assert cameras.known
    for index, (name, wanted) in enumerate((('x/a.jpg', K), ('x/b.jpg', WIDER))):
        assert (cameras.of(index, name, (20 + index, 10)) == wanted).all()
    if isinstance(given, list) and isinstance(given[0], list):
        path = tmp_path / 'k.json'
        path.write_text(json.dumps(given))
        assert (read_cameras(path)[1] == WIDER).all()


def test_each_picture_is_read_with_its_camera(dne):
    other = noise_image(100, 90)
    results = list(dne.results([IMAGE, other], intrinsics=[K, WIDER], side='right'))
    assert all(result.hands[0].metric for result in results)
    assert (results[1].hands[0].intrinsics == WIDER.astype(np.float32)).all()


def test_one_camera_of_pictures_of_several_sizes_is_a_mistake(dne):
    with pytest.raises(UserError, match='one K cannot be of both') as error:
        list(dne.results([IMAGE, noise_image(100, 90)], intrinsics=K))
    assert 'array 1: has 100x90 pixels, array 0 has 200x160' in str(error.value)
    assert len(list(dne.results([IMAGE, IMAGE], intrinsics=K))) == 2


@pytest.mark.parametrize(
    ('given', 'count', 'sentence'),
    [
        ([K, WIDER, K], 2, '3 cameras, but the input has 2 images'),
        ([K, WIDER], 0, 'an unknown number of images'),
        ([1, 2], 2, 'a camera of shape'),
        ([K, -WIDER], 2, 'is no camera matrix'),
        (np.eye(3, 4), 3, 'is no camera matrix'),
    ],
)
def test_other_cameras_are_one_sentence(given, count, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        Cameras(given, count)


def test_a_picture_without_a_camera_among_others_is_named():
    with pytest.raises(UserError, match=r"no camera of x/c\.jpg, but 'a\.jpg'; add"):
        Cameras({'a.jpg': K}, 2).of(1, 'x/c.jpg', (20, 10))


@pytest.mark.parametrize('key', ['x/c.jpg', './x/c.jpg', 'y/../x/c.jpg', 'c.jpg', '1'])
def test_a_picture_is_named_however_its_path_is_written(key):
    cameras, boxes = Cameras({key: K}, 2), GivenBoxes({key: [BOX]}, 2)
    for path in ('x/c.jpg', './x/c.jpg', os.path.abspath('x/c.jpg')):
        cameras.of(1, path, (20, 10))
        assert len(boxes.of(1, path)) == 1


def test_a_picture_without_boxes_says_what_is_named(dne):
    boxes = GivenBoxes({'b.jpg': [BOX], 'd.jpg': [], 'e.jpg': []}, 2)
    why = boxes.why_none(0, 'x/c.jpg')
    assert why == "no box is given for it (bboxes names 'b.jpg' and 2 more)"
    assert boxes.why_none(0, 'd.jpg') == 'no box is given for it'
    result = result_of(dne, {'b.jpg': [BOX]})
    assert "(bboxes names 'b.jpg')" in result.problem


def test_a_box_many_times_as_large_as_the_picture_is_a_mistake():
    box = GivenBoxes([[-900, -900, 900, 900]], 1).of(0, 'a')[0]
    assert check_box(box, (90, 60)) == ''
    assert 'more than 20 times as large' in check_box(box, (89, 60))


def test_pictures_of_what_the_model_lacks_are_refused(dne, hamer):
    kinds = ('overlay', 'side', 'uncertainty', 'coarse_refined', 'maps')
    assert possible_kinds(dne.model, kinds) == (
        'overlay',
        'side',
        'coarse_refined',
        'maps',
    )
    assert possible_kinds(hamer.model, kinds) == ('overlay', 'side', 'uncertainty')
    for model, kind in ((dne, 'uncertainty'), (hamer, 'coarse_refined')):
        with pytest.raises(UserError, match=f'the picture {kind} shows'):
            check_kinds(model.model, [kind])
        with pytest.raises(UserError, match='this model has not'):
            list(model(IMAGE, kinds=[kind], return_vis=True, side='right'))


@pytest.mark.parametrize('angle', [[1], 'abc', float('nan'), float('inf'), {}])
def test_what_is_no_angle_is_named(angle):
    with pytest.raises(UserError, match=r'bboxes, 0: .* is no angle'):
        GivenBoxes([dict(box=BOX, angle=angle)], 1).of(0, 'a')


def test_an_angle_of_null_is_not_known():
    [box] = GivenBoxes([dict(box=BOX, angle=None)], 1).of(0, 'a')
    assert box.angle is None


@pytest.mark.parametrize('wrong', [5, 'box', True, 0.5])
def test_what_is_no_box_of_an_image_is_named(wrong):
    with pytest.raises(UserError, match=r'bboxes, a.jpg: .* is no box'):
        GivenBoxes({'a.jpg': wrong}, 1).of(0, 'a.jpg')


def test_a_camera_of_null_and_one_that_is_no_text_are_named(tmp_path):
    path = tmp_path / 'k.json'
    path.write_text(json.dumps({'a.jpg': None, 'b.jpg': K.tolist()}))
    cameras = Cameras(read_cameras(path))
    assert np.array_equal(cameras.of(1, 'b.jpg', (200, 160)), K)
    with pytest.raises(UserError, match='names no camera of a.jpg'):
        cameras.of(0, 'a.jpg', (200, 160))
    photo = tmp_path / 'photo.jpg'
    photo.write_bytes(b'\xff\xd8\xff')
    with pytest.raises(UserError, match='photo.jpg: is no text'):
        read_cameras(photo)
