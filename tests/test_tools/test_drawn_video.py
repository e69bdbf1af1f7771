"""A video that is drawn in parts: what is drawn is kept when a run is stopped."""

import os
import signal
from functools import partial

import numpy as np
import pytest

from mmhand_dne.apis import video_outputs
from mmhand_dne.apis.inputs import video_parts
from mmhand_dne.apis.inputs.timed_video import decoded_frames, has_pyav
from mmhand_dne.apis.inputs.video import VideoWriter
from mmhand_dne.apis.inputs.video_parts import PartedVideoWriter
from tests.tiny_inferencers import DNE, noise_image, write_checkpoint
from tests.video_files import write_video

pytestmark = pytest.mark.skipif(not has_pyav(), reason='joining videos needs PyAV')
TIMES = [0.04 * i + 0.013 * (i % 3) for i in range(11)]  # of uneven frames
PICTURES = [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(11)]


def test_parts_make_the_video_that_is_drawn_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(video_parts, 'PART_FRAMES', 3)
    whole, path = tmp_path / 'whole.mp4', tmp_path / 'a.mp4'
    with VideoWriter(whole, 25) as writer:
        for picture, time in zip(PICTURES, TIMES):
            writer.add(picture, time)
    with pytest.raises(KeyboardInterrupt):
        with PartedVideoWriter(path, 25, tmp_path / 'parts') as writer:
            for picture, time in zip(PICTURES[:8], TIMES):
                writer.may_end_part()
                writer.add(picture, time)
            raise KeyboardInterrupt
    assert not path.exists()
    with PartedVideoWriter(path, 25, tmp_path / 'parts') as writer:
        assert writer.done == 6  # two parts of three frames
        for picture, time in zip(PICTURES[6:], TIMES[6:]):
            writer.may_end_part()
            writer.add(picture, time)
    assert not (tmp_path / 'parts').exists()
    drawn, wanted = (list(decoded_frames(str(file))) for file in (path, whole))
    assert len(drawn) == len(wanted) == 11
    np.testing.assert_allclose([t for _, t in drawn], TIMES, atol=1e-4)
    for (image, _), (other, _) in zip(drawn, wanted):
        assert np.abs(image.astype(int) - other).mean() < 3


def test_drawing_goes_on_where_it_stopped(tool, tmp_path, monkeypatch):
    demo = partial(tool, 'demo.py')
    clip, weights = tmp_path / 'clip.mp4', write_checkpoint(DNE, tmp_path / 'a.pth')
    write_video(clip, [noise_image(seed=i) for i in range(7)], 25.0, 'mp4v')
    monkeypatch.setattr(video_parts, 'PART_FRAMES', 2)
    draw, drawn = video_outputs.draw_frame, []

    def interrupted(frame, *args):
        drawn.append(frame.index)
        if len(drawn) == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return draw(frame, *args)

    monkeypatch.setattr(video_outputs, 'draw_frame', interrupted)
    out = tmp_path / 'out'
    command = (clip, DNE, weights, '--device', 'cpu', '--out-dir', out, '--vis')
    command += ('overlay', '--presence-thr', '0', '--smooth', 'kalman')
    status, text, _ = demo(*command)
    assert status == 130 and 'stopped' in text
    # Following and measuring what the smoother needs are told of.
    assert 'following hands: 7/7' in text and 'measuring tracks: 7/7' in text
    assert not (out / 'clip_overlay.mp4').exists()
    status, text, error = demo(*command)
    assert status == 0, error
    assert drawn == [*range(6), 4, 5, 6]  # the third part was not whole
    assert len(list(decoded_frames(str(out / 'clip_overlay.mp4')))) == 7
    assert {path.name for path in out.iterdir()} == {
        'clip.jsonl',
        'clip_overlay.mp4',
        'demo.json',
        'done.jsonl',
    }
