"""A rendered video through reader, model, tracking, smoothing and writer."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmhand_dne.apis import demo_run
from mmhand_dne.apis.inputs.video import Video
from mmhand_dne.datasets.synthetic import HandModels, Recipe
from mmhand_dne.datasets.synthetic.motion import render_motion, sample_motion
from tests.tiny_inferencers import HAMER, write_checkpoint
from tests.video_files import damage, write_video

DEMO = Path(__file__).parents[2] / 'tools/demo.py'
HANDS = Path(__file__).parents[1] / 'data/hands'
FPS, COUNT, DAMAGED = 12.5, 7, (2, 5)
RECIPE = Recipe(seed=4, image_size=(96, 72), cameras=1, interacting_share=0.0)


@pytest.fixture(scope='module')
def demo():
    spec = importlib.util.spec_from_file_location('demo', DEMO)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def images():
    """BGR."""
    models = HandModels()
    hands = sample_motion(RECIPE, models, 'right', 0, COUNT, FPS)
    motion = render_motion(RECIPE, models, hands, 0, FPS)
    return [one.image[..., ::-1] for one in motion]


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return write_checkpoint(HAMER, tmp_path_factory.mktemp('weights') / 'hamer.pth')


def run(demo, video, checkpoint, out, *flags):
    demo.main(
        [
            str(video),
            HAMER,
            str(checkpoint),
            '--side',
            'right',
            '--device',
            'cpu',
            '--out-dir',
            str(out),
            '--frame-files',
            *flags,
        ]
    )
    return [
        json.loads((out / f'{video.stem}_{i:06d}.json').read_text())
        for i in range(COUNT)
    ]


@pytest.mark.parametrize(('name', 'codec'), [('a.avi', 'MJPG'), ('a.mp4', 'mp4v')])
def test_frames_and_rate_are_kept(demo, images, checkpoint, tmp_path, name, codec):
    video = write_video(tmp_path / name, images, FPS, codec)
    found = run(demo, video, checkpoint, tmp_path / 'out', '--vis', 'overlay')
    assert all(len(frame['hands']) == 1 for frame in found)
    [drawn] = (tmp_path / 'out').glob('*.mp4')
    drawn = Video(drawn)
    assert len(drawn) == COUNT and drawn.fps == pytest.approx(FPS, abs=1e-3)
    assert sum(image is not None for _, image, _ in drawn) == COUNT


def test_damaged_frames_are_told_by_number_and_skipped(
    demo, images, checkpoint, tmp_path, capsys
):
    video = write_video(tmp_path / 'b.avi', images, FPS)
    damage(video, DAMAGED)
    found = run(demo, video, checkpoint, tmp_path / 'out', '--smooth', 'kalman')
    assert [len(frame['hands']) for frame in found] == [
        0 if i in DAMAGED else 1 for i in range(COUNT)
    ]
    assert {number for frame in found for number in frame['track_ids']} == {0}
    said = capsys.readouterr()
    for i in DAMAGED:
        assert f'frame {i} could not be decoded' in found[i]['problem']
        assert f'frame {i} could not be decoded' in said.out + said.err
    betas = {tuple(hand['mano']['betas']) for frame in found for hand in frame['hands']}
    assert len(betas) == 1


def test_a_note_of_a_video_is_one_line_with_its_frames(demo, tmp_path, capsys):
    """The shipped model over a hand that comes and goes."""
    hand = cv2.imread(str(HANDS / '1193_4.jpg'))
    frames = [hand if i in (0, 4, 7) else np.full_like(hand, 90) for i in range(9)]
    video = write_video(tmp_path / 'c.avi', frames, FPS)
    demo.main([str(video), '--device', 'cpu', '--out-dir', str(tmp_path / 'out')])
    [note, last] = capsys.readouterr().out.splitlines()[-2:]
    text = f'note: {video}: the detector found no hand (6 frames: 1-3, 5-6, 8)'
    assert note == text
    assert last.startswith('9 frames: 3 hands, 6 frames without')


def test_of_many_spans_of_frames_the_first_and_the_last_are_named():
    frames = list(range(0, 40, 2))
    text = 'dark (20 frames: 0, 2, 4, 6, 8, 10, 12, ... 38)'
    assert demo_run._in_frames('dark', frames) == text
