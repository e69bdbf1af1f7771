"""Pictures in a window, and what happens where no window can be opened."""

import cv2
import numpy as np
import pytest

from mmhand_dne.apis import result_drawing
from mmhand_dne.apis.demo_run import DemoRun
from mmhand_dne.apis.inputs.sources import open_input
from mmhand_dne.apis.result_writers.row_writer import read_rows
from mmhand_dne.apis.run_record import RunRecord
from tests.tiny_inferencers import DNE, noise_image, tiny_inferencer
from tests.video_files import ThreeFrames

IMAGE = noise_image()
SENTENCE = 'there is no display to show pictures on'


class Camera(ThreeFrames):
    image = IMAGE


@pytest.fixture
def no_display(monkeypatch):
    for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'QT_QPA_PLATFORM'):
        monkeypatch.delenv(name, raising=False)
    result_drawing.has_display.cache_clear()
    yield
    result_drawing.has_display.cache_clear()


@pytest.fixture
def said(monkeypatch):
    """What is logged."""
    told = []
    monkeypatch.setattr(
        result_drawing, 'print_log', lambda text, *_, **__: told.append(text)
    )
    return told


@pytest.fixture(scope='module')
def dne(tmp_path_factory):
    return tiny_inferencer(DNE, tmp_path_factory.mktemp('weights'))


def test_without_a_display_pictures_are_not_shown_and_all_goes_on(
    dne, no_display, said
):
    """The trial itself, in a process of its own, which Qt ends with SIGABRT."""
    [found] = dne(IMAGE, show=True, return_vis=True, side='right')
    assert len(found['predictions'][0].hands) == 1
    assert found['visualization'][0].shape[-1] == 3
    assert len(said) == 1 and SENTENCE in said[0] and '\n' not in said[0]


def test_a_camera_runs_without_a_window(dne, no_display, said, monkeypatch, tmp_path):
    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    assert len(list(dne.results('webcam', side='right'))) == 3
    source = open_input('webcam')
    with RunRecord(tmp_path, {}) as record:
        run = DemoRun(dne, source, record, ('json',), (), dict(side='right'))
        run.run()
    assert run.counts['done'] == 3
    assert len(list(read_rows(tmp_path / 'webcam.jsonl'))) == 3
    assert len(said) == 2 and all(SENTENCE in text for text in said)


def test_with_a_display_pictures_are_shown(dne, said, monkeypatch):
    shown = []
    monkeypatch.setattr(result_drawing, 'has_display', lambda: True)
    monkeypatch.setattr(cv2, 'imshow', lambda title, picture: shown.append(picture))
    monkeypatch.setattr(cv2, 'waitKey', lambda _: -1)
    [found] = dne(IMAGE, show=True, return_vis=True, side='right')
    assert np.array_equal(shown[0][..., ::-1], found['visualization'][0])
    assert said == []
