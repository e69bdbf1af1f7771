"""The benchmark of a video's frames a second: beside files as they were at first."""

import json
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.registry import MODELS

from mmhand_dne.apis.result_writers import read_json
from mmhand_dne.apis.result_writers.json_writer import as_text

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs/dne_rendered.py'
PHOTO = next((ROOT / 'tests/data/hands').glob('*.jpg'))


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    before = set(sys.modules)
    yield __import__('video_speed')
    for name in ('video_speed', 'video_memory', 'former', 'former.video_files'):
        if name not in before:
            sys.modules.pop(name, None)


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpose'):
        model = MODELS.build(Config.fromfile(CONFIG).model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'random.pth')
    return tmp_path / 'random.pth'


def test_both_ways_are_timed_and_write_the_same(tool, checkpoint, capsys, monkeypatch):
    written, write = [], tool.FormerVideoRun._run_video.__globals__['write_json']

    def compared(path, result):
        write(path, result)
        written.append(json.loads(path.read_text()) == json.loads(as_text(result)))
        assert read_json(path).index == result.index

    found = tool.main(
        [
            *map(str, (PHOTO, CONFIG, checkpoint)),
            *('--detector', 'whole_image', '--presence-thr', '0'),
            *('--frames', '6', '--rounds', '2', '--size', '320', '240'),
        ]
    )
    assert min(found['before'][1], found['now'][1]) > 0
    printed = capsys.readouterr().out
    assert '6 frames of 320 x 240, 12 hands' in printed
    assert f'| {found["before"][1]:.1f} | {found["now"][1]:.1f} |' in printed
    # The former files hold the same numbers as those that are written now.
    former = sys.modules['former.video_files']
    monkeypatch.setattr(former, 'write_json', compared)
    args = tool.parse_args([str(PHOTO), '--presence-thr', '0', '--frames', '2'])
    inferencer = tool.HandMeshInferencer(str(CONFIG), checkpoint)
    clip = checkpoint.parent / 'clip.mp4'
    tool.write_video(clip, args.photo, 2, (320, 240))
    tool.take_through('before', inferencer, clip, args)
    assert written == [True] * 4
