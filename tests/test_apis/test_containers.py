"""Containers, codecs and pictures that move: read, or one sentence."""

import cv2
import numpy as np
import pytest
from PIL import Image

from mmhand_dne.apis.inputs import sources
from mmhand_dne.apis.inputs.sources import VideoFrames, open_input
from mmhand_dne.apis.inputs.video import begins_a_video
from mmhand_dne.errors import UserError
from tests.tiny_inferencers import noise_image
from tests.video_files import grey_images, write_video

SIZE = (64, 48)


def brightness(path):
    return [float(np.median(frame.image)) for frame in open_input(path)]


@pytest.mark.parametrize('ending', ['ts', 'm2ts', 'mkv', 'mpg', 'avi', 'mp4', 'mov'])
@pytest.mark.parametrize('named', [True, False])
def test_containers_are_known_by_ending_and_by_content(tmp_path, ending, named):
    codec = dict(mpg='MPG1', avi='MJPG').get(ending, 'mp4v')
    path = write_video(tmp_path / f'a.{ending}', grey_images(8, SIZE), 25, codec)
    if not named:
        path = path.rename(tmp_path / 'download')
    assert isinstance(open_input(path), VideoFrames)
    assert np.allclose(brightness(path), [20 * i for i in range(8)], atol=4)


def test_a_picture_without_an_ending_is_a_picture(tmp_path):
    path = tmp_path / 'download'
    path.write_bytes(cv2.imencode('.png', noise_image(16, 12))[1].tobytes())
    [frame] = open_input(path)
    assert frame.image.shape == (12, 16, 3)


def moving(path):
    frames = [Image.fromarray(image) for image in grey_images(5, SIZE)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return path


@pytest.fixture
def said(monkeypatch):
    told = []
    monkeypatch.setattr(sources, 'print_log', lambda text, *_, **__: told.append(text))
    return told


def test_a_gif_that_moves_is_a_video(tmp_path, said):
    path = moving(tmp_path / 'a.gif')
    found = open_input(path)
    assert found.is_video and found.fps == pytest.approx(10)
    assert np.allclose(brightness(path), [20 * i for i in range(5)], atol=2)
    Image.fromarray(grey_images(2, SIZE)[1]).save(tmp_path / 'still.gif')
    assert not open_input(tmp_path / 'still.gif').is_video
    assert said == []


@pytest.mark.parametrize('ending', ['gif', 'webp', 'tiff', 'png'])
def test_frames_that_are_not_read_are_told(tmp_path, said, ending):
    path = moving(tmp_path / f'a.{ending}')
    Image.fromarray(noise_image(16, 12)).save(tmp_path / 'b.png')
    assert len(list(open_input(tmp_path))) == 2
    assert len(said) == 1 and f'{path}: has 5 frames' in said[0]


def test_a_codec_that_is_not_there_is_one_sentence(tmp_path):
    path = write_video(tmp_path / 'a.mp4', grey_images(8, SIZE), 25, 'mp4v')
    content = path.read_bytes()
    start = content.index(b'mdat') + 4
    end = content.index(b'moov') - 4
    path.write_bytes(content[:start] + bytes(end - start) + content[end:])
    with pytest.raises(UserError, match='none of the first 8 frames') as error:
        open_input(path)
    sentence = str(error.value)
    assert str(path) in sentence and 'codec' in sentence and 'ffmpeg' in sentence
    assert '\n' not in sentence


@pytest.mark.parametrize('brand', [b'heic', b'mif1'])
def test_heic_is_named_also_in_a_folder(tmp_path, brand):
    content = b'\x00\x00\x00\x18ftyp' + brand + bytes(64)
    (tmp_path / 'a.HEIC').write_bytes(content)
    (tmp_path / 'b.png').write_bytes(
        cv2.imencode('.png', noise_image(16, 12))[1].tobytes()
    )
    first, second = open_input(tmp_path)
    assert 'a.HEIC: is not an image' in first.problem
    assert 'convert it to JPEG' in first.problem and second.image is not None
    assert not begins_a_video(content)
