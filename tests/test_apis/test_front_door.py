"""Hands are looked for, and a model that has not learned photos says so."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.inputs.palm_hands import PalmHands
from tests.tiny_inferencers import DNE, HAMER, noise_image, write_checkpoint

PHOTOS = sorted((Path(__file__).parents[1] / 'data' / 'hands').glob('*.jpg'))
CAUTION = 'was trained on rendered images only'


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Random ones, whose metadata say that they have seen rendered images only."""
    folder, found = tmp_path_factory.mktemp('weights'), {}
    for name in (DNE, HAMER):
        path = write_checkpoint(name, folder / f'{name}.pth')
        content = torch.load(path, weights_only=True)
        content['meta']['trained_on'] = [dict(name='interhand26m', rendered=True)]
        torch.save(content, path)
        found[name] = str(path)
    return found


@pytest.mark.parametrize('name', [DNE, HAMER])
def test_any_model_gets_the_hands_that_are_found_with_their_sides(weights, name):
    """Not the whole picture, in which a model of both hands sees both."""
    photo = cv2.imread(str(PHOTOS[0]))
    found = PalmHands(device='cpu')(photo, 0.3, 0.3)
    assert found
    [result] = HandMeshInferencer(name, weights[name], 'cpu').results(photo)
    expected = sorted((box.side, round(box.presence, 3)) for box in found)
    assert sorted((h.side, round(h.presence, 3)) for h in result.hands) == expected


@pytest.mark.parametrize('name', [DNE, HAMER])
def test_a_picture_without_hands_has_none(weights, name):
    hands = HandMeshInferencer(name, weights[name], 'cpu')
    [result] = hands.results(noise_image(320, 240), presence_thr=0.0)
    assert not result.hands and 'the detector found no hand' in result.problem
    assert 'detector' in vars(hands)


def test_given_boxes_load_no_detector(weights):
    hands = HandMeshInferencer(DNE, weights[DNE], 'cpu')
    [result] = hands.results(noise_image(), bboxes=[[10, 10, 90, 90]], side='right')
    assert len(result.hands) == 1 and 'detector' not in vars(hands)


def test_what_has_seen_rendered_images_only_says_so(weights, tmp_path):
    hands = HandMeshInferencer(DNE, weights[DNE], 'cpu')
    assert CAUTION in hands.caution and weights[DNE] in hands.caution
    plain = write_checkpoint(DNE, tmp_path / 'plain.pth')
    assert HandMeshInferencer(DNE, str(plain), 'cpu').caution == ''
    assert HandMeshInferencer(device='cpu').caution == ''


@pytest.mark.parametrize('name', [DNE, HAMER])
def test_photos_of_one_hand_have_one(real_data, weights, name):
    """FreiHAND's; as the whole picture a model of both hands has two on each."""
    photos = sorted((real_data / 'freihand').glob('*.jpg'))
    hands = HandMeshInferencer(name, weights[name], 'cpu')
    results = list(hands.results([str(photo) for photo in photos]))
    counts = [len(result.hands) for result in results]
    assert len(counts) == 8 and max(counts) == 1 and sum(counts) >= 6
    assert all(hand.presence > 0.5 for result in results for hand in result.hands)


def test_a_given_box_without_a_hand_says_so(monkeypatch):
    """Presence is judged in given boxes too; what a user says is there still stays."""
    said = []
    monkeypatch.setattr(
        'mmhand_dne.apis.merge_crops.print_log',
        lambda text, *_, **__: said.append(text),
    )
    hands, photo = HandMeshInferencer(device='cpu'), cv2.imread(str(PHOTOS[3]))
    [[there]] = [result.hands for result in hands.results(photo)]
    box = [*there.joints_2d.min(0), *there.joints_2d.max(0)]
    [[given]] = [result.hands for result in hands.results(photo, bboxes=[box])]
    assert given.presence > 0.9 and given.presence_of == 'model'
    assert not said
    wall = np.tile(np.uint8(np.linspace(40, 200, 200))[:, None, None], (1, 160, 3))
    box = [30, 40, 130, 160]
    [[guess]] = [result.hands for result in hands.results(wall, bboxes=[box])]
    assert guess.presence < 0.5 and guess.presence_of == 'model'
    [sentence] = said
    assert 'in the given box about x=8' in sentence and 'sees no hand' in sentence
