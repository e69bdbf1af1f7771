"""What a Python program may hand over: pictures in memory, paths, weights, devices."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.inputs.sources import open_input
from mmhand_dne.apis.temporal.smoothing import smooth
from mmhand_dne.apis.temporal.tracking import track
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.images import oriented
from tests.tiny_inferencers import DNE, noise_image, tiny_inferencer

IMAGE = noise_image(20, 12)  # (12, 20, 3) BGR
RGB = np.ascontiguousarray(IMAGE[..., ::-1])


@pytest.fixture(scope='module')
def dne(tmp_path_factory):
    return tiny_inferencer(DNE, tmp_path_factory.mktemp('weights'))


def pixels(inputs):
    return [frame.image for frame in open_input(inputs)]


@pytest.mark.parametrize(
    'given',
    [
        IMAGE,
        IMAGE.astype(np.uint16) * 256,
        IMAGE[None],
        Image.fromarray(RGB),
        Image.fromarray(RGB).convert('RGBA'),
        torch.from_numpy(IMAGE),
        torch.from_numpy(RGB).permute(2, 0, 1),
        torch.from_numpy(RGB).permute(2, 0, 1)[None],
        [torch.from_numpy(RGB).permute(2, 0, 1)],
        (Image.fromarray(RGB),),
    ],
)
def test_one_picture_in_many_forms(given):
    [found] = pixels(given)
    assert found.dtype == np.uint8 and np.array_equal(found, IMAGE)


def test_iterables_and_batches_are_several_pictures(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(cv2.imencode('.png', IMAGE)[1].tobytes())
    mixed = (item for item in (path, str(path), IMAGE, Image.fromarray(RGB)))
    assert all(np.array_equal(found, IMAGE) for found in pixels(mixed))
    batch = np.stack([IMAGE, 255 - IMAGE])
    for given in (batch, torch.from_numpy(batch)):
        first, second = pixels(given)
        assert np.array_equal(first, IMAGE) and np.array_equal(second, 255 - IMAGE)


def test_a_grey_and_a_16_bit_pillow_image():
    grey = Image.fromarray(IMAGE[..., 0])
    deep = Image.fromarray(IMAGE[..., 0].astype(np.uint16) * 256)
    for given in (grey, deep):
        [found] = pixels(given)
        assert np.array_equal(found, np.repeat(IMAGE[..., :1], 3, -1))


@pytest.mark.parametrize('orientation', range(1, 9))
def test_a_pillow_image_stands_upright(orientation):
    image = Image.fromarray(RGB)
    image.getexif()[0x0112] = orientation
    [found] = pixels(image)
    assert np.array_equal(found, oriented(IMAGE, orientation))


@pytest.mark.parametrize(
    ('given', 'sentence'),
    [
        (None, 'an input is a NoneType'),
        (3, 'an input is a int'),
        (b'bytes', 'an input is a bytes'),
        ({'a.jpg': 1}, 'an input is a dict'),
        ([IMAGE, None], 'an input is a NoneType'),
        ([[1, 2]], 'an input is a list'),
        (IMAGE / 255, 'array 0 is float64, expected uint8'),
        ([IMAGE, IMAGE.astype(np.float32)], 'array 1 is float32, expected uint8'),
        ([IMAGE[None]], 'array 0 has shape'),
        (IMAGE[None, None], 'array 0 has shape'),
        (torch.rand(3, 12, 20), 'tensor 0 is torch.float32, expected torch.uint8'),
        (torch.zeros(2, 5, dtype=torch.uint8)[None, None, None], 'tensor 0 has shape'),
        (Image.new('F', (4, 4)), 'picture 0 is a Pillow image of mode F'),
    ],
)
def test_anything_else_is_one_sentence(given, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)) as error:
        open_input(given)
    assert '\n' not in str(error.value)


def test_paths_are_as_good_as_strings(dne, tmp_path):
    found = HandMeshInferencer(Path(DNE), Path(dne.weights), det_model=Path('palm'))
    assert type(found.weights) is str and found.detector is not None


@pytest.mark.parametrize(
    'device', ['gpu', 'mps', 'cuda', 'cuda:7', 'cpu:x', 'meta', 3.5]
)
def test_a_device_that_is_not_there_is_one_sentence(dne, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(UserError, match=f'^device {device}: ') as error:
        HandMeshInferencer(DNE, dne.weights, device)
    assert '\n' not in str(error.value) and 'use cpu' in str(error.value)


def test_a_state_dict_of_numpy_arrays_is_refused(dne, tmp_path):
    state = dne.model.state_dict()
    path = tmp_path / 'np.pth'
    arrays = {name: value.numpy() for name, value in state.items()}
    for content in (dict(state_dict=arrays), arrays):
        torch.save(content, path)
        with pytest.raises(UserError, match='of the file are no tensors') as error:
            HandMeshInferencer(DNE, path, 'cpu')
        assert 'ndarray' in str(error.value) and '\n' not in str(error.value)


def test_a_plain_state_dict_is_loaded(dne, tmp_path):
    torch.save(dne.model.state_dict(), tmp_path / 'plain.pth')
    found = HandMeshInferencer(DNE, tmp_path / 'plain.pth', 'cpu')
    state = found.model.state_dict()
    assert all(
        torch.equal(value, state[name])
        for name, value in dne.model.state_dict().items()
    )


@pytest.mark.parametrize('content', [[1, 2], dict(state_dict=[1]), 'text'])
def test_a_checkpoint_of_something_else_is_refused(content, tmp_path):
    torch.save(content, tmp_path / 'other.pth')
    with pytest.raises(UserError, match='no state dict') as error:
        HandMeshInferencer(DNE, tmp_path / 'other.pth', 'cpu')
    assert 'other.pth' in str(error.value)


def test_frames_of_single_calls_have_to_be_numbered(dne):
    found = [next(dne.results(noise_image(seed=i), side='right')) for i in range(3)]
    with pytest.raises(UserError, match='frame 0 comes after frame 0'):
        list(track(found))
    tracked = [next(track([result])) for result in found]
    with pytest.raises(UserError, match=r'dataclasses\.replace'):
        smooth(tracked, hand_model=dne.model.hand_model)
    numbered = [replace(result, index=i) for i, result in enumerate(found)]
    smoothed = smooth(list(track(numbered)), hand_model=dne.model.hand_model)
    assert [result.index for result in smoothed] == [0, 1, 2]
