"""The demo's output folders, a video's rows, a disk that is full."""

import errno
import json
import os
import signal
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmhand_dne.apis.hand_mesh_inferencer import HandMeshInferencer
from mmhand_dne.apis.result_writers.row_writer import read_rows
from mmhand_dne.apis.run_record import input_name, own_folder
from mmhand_dne.hand_model.cc0_hand import load_cc0_hand
from mmhand_dne.hand_model.mano_source import hand_files
from tests.tiny_inferencers import DNE, WHOLE_IMAGE, noise_image, write_checkpoint
from tests.video_files import write_video

SETTINGS = dict(bboxes=None)


@pytest.fixture
def demo(tool):
    return partial(tool, 'demo.py')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write_checkpoint(DNE, tmp_path_factory.mktemp('weights') / 'a.pth')


@pytest.fixture
def clip(tmp_path):
    images = [noise_image(96, 80, seed=i) for i in range(5)]
    return write_video(tmp_path / 'clip.avi', images, 10)


def test_an_input_names_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('photos').mkdir()
    for given, name in (
        ('a/photo.jpg', 'photo'),
        ('photos/', 'photos'),
        ('photos', 'photos'),
        ('photos/*.jpg', 'photos'),
        ('*.jpg', 'images'),
        ('webcam:0', 'webcam'),
        ('.', tmp_path.name),
        ('my.clip.mp4', 'my.clip'),
    ):
        assert input_name(given) == name


def test_a_command_has_a_folder_of_its_own(tmp_path):
    folder = partial(own_folder, tmp_path, 'photos')
    first = folder(SETTINGS)
    assert first == tmp_path / 'photos'
    first.mkdir()
    (first / 'demo.json').write_text(json.dumps(SETTINGS))
    other = dict(bboxes='boxes.json')
    assert folder(other) == first  # nothing is done there yet
    (first / 'done.jsonl').write_text('')
    assert folder(SETTINGS) == first
    second = folder(other)
    assert second == tmp_path / 'photos-2'
    second.mkdir()
    (second / '.frames').mkdir()  # a video that was stopped
    (second / 'demo.json').write_text(json.dumps(other))
    assert folder(other) == second
    assert folder(dict(bboxes='c')) == tmp_path / 'photos-3'
    assert folder(other, fresh=True) == tmp_path / 'photos-3'


def test_readme_s_commands_follow_each_other(demo, weights, tmp_path, monkeypatch):
    """About one folder with and without boxes, then about another input."""
    monkeypatch.chdir(tmp_path)
    Path('photos').mkdir()
    cv2.imwrite('photos/a.png', noise_image())
    Path('boxes.json').write_text('{"a.png": [[10, 10, 150, 150]]}')
    model = (DNE, weights, *WHOLE_IMAGE)
    for given, *flags in (
        ('photos/a.png',),
        ('photos/',),
        ('photos/', '--bboxes', 'boxes.json', '--save', 'json', 'obj'),
        ('photos/',),
    ):
        status, out, error = demo(given, *model, *flags)
        assert status == 0, error
    assert '1 done before' in out and 'see demo_out/photos' in out
    found = {
        str(path.relative_to('demo_out')) for path in Path('demo_out').rglob('a.json')
    }
    assert found == {'a/a.json', 'photos/a.json', 'photos-2/a.json'}


def test_a_video_is_rows_and_goes_on_where_it_stopped(
    demo, weights, clip, tmp_path, monkeypatch
):
    forward, calls = HandMeshInferencer.forward, []

    def interrupted(self, inputs, **kwargs):
        calls.append(len(inputs))
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return forward(self, inputs, **kwargs)

    monkeypatch.setattr(HandMeshInferencer, 'forward', interrupted)
    out = tmp_path / 'out'
    command = (
        clip,
        DNE,
        weights,
        *WHOLE_IMAGE,
        '--out-dir',
        out,
    )
    command += ('--batch-size', '1', '--presence-thr', '0', '--smooth', 'kalman')
    status, text, _ = demo(*command)
    assert status == 130 and 'stopped' in text
    assert not list(out.glob('clip*'))
    status, text, error = demo(*command)
    assert status == 0, error
    assert len(calls) == 4 + 2  # three frames were kept
    assert '5 frames: 10 hands' in text
    assert {path.name for path in out.iterdir()} == {
        'clip.jsonl',
        'demo.json',
        'done.jsonl',
    }
    rows = list(read_rows(out / 'clip.jsonl'))
    assert [row['index'] for row in rows] == list(range(5))
    assert [row['time'] for row in rows] == pytest.approx([i / 10 for i in range(5)])
    assert len({tuple(hand['mano']['betas']) for row in rows for hand in row['hands']
                if hand['side'] == 'right'}) == 1  # fmt: skip


@pytest.mark.parametrize('name', ['results', 'clip.jsonl', 'done.jsonl'])
def test_a_full_disk_names_the_file(demo, weights, clip, tmp_path, monkeypatch, name):
    """Every file that grows during a run; one that is full stands for the disk."""
    real = open

    def opened(path, mode='r', *args, **kwargs):
        file = real(path, mode, *args, **kwargs)
        if name in str(path) and mode[0] in 'aw':
            return Full(file)
        return file

    monkeypatch.setattr('builtins.open', opened)
    command = (
        clip,
        DNE,
        weights,
        *WHOLE_IMAGE,
        '--out-dir',
        tmp_path / 'out',
    )
    status, _, error = demo(*command)
    assert status == 2
    assert f'{name}: cannot be written (No space left on device)' in error
    assert not (tmp_path / 'out' / 'clip.jsonl').exists() or name == 'done.jsonl'


class Full:
    """A file on a disk without space."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_another_mano_file_is_another_run(demo, weights, tmp_path):
    arrays = load_cc0_hand('right')
    folder = tmp_path / 'mano'
    folder.mkdir()
    path = folder / 'MANO_RIGHT.npz'
    np.savez(path, **arrays)
    assert hand_files(str(folder)) == [path] == hand_files(str(path))
    assert hand_files('cc0') == []
    photo = tmp_path / 'a.png'
    cv2.imwrite(str(photo), noise_image())
    command = (
        photo,
        DNE,
        weights,
        *WHOLE_IMAGE,
        '--out-dir',
        tmp_path / 'out',
    )
    command += ('--cfg-options', f'hand_model.source={path}')
    status, _, error = demo(*command)
    assert status == 0, error
    assert '1 done before' in demo(*command)[1]
    arrays['v_template'] = arrays['v_template'] + 1e-9
    np.savez(path, **arrays)
    status, _, error = demo(*command)
    assert status == 2
    assert 'before the content of its MANO_RIGHT.npz changed' in error


def test_threads_can_be_chosen(demo, weights, tmp_path):
    photo = tmp_path / 'a.png'
    cv2.imwrite(str(photo), noise_image())
    command = (
        photo,
        DNE,
        weights,
        *WHOLE_IMAGE,
        '--out-dir',
        tmp_path / 'out',
    )
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        status, _, error = demo(*command, '--threads', '0')
        assert status == 2 and '--threads 0: expected 1 or more' in error
        assert demo(*command, '--threads', '3')[0] == 0
        assert torch.get_num_threads() == cv2.getNumThreads() == 3
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
