"""The count of a stage's bytes: at most 0.4 of what it moved, where kernels read."""

import sys
from pathlib import Path

import pytest

from mmhand_dne.models.layers import fused_stage
from mmhand_dne.randomness import keys
from tests.test_tools.test_step_calls import REPLACED

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    before = set(sys.modules)
    tool = __import__('stage_bytes')

    def count(*args):
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in (
                *REPLACED,
                (fused_stage, 'launch'),
                (fused_stage, 'require_kernels'),
                (keys, 'launch'),
            ):
                patch.setattr(owner, name, vars(owner)[name])
            return tool.count(*args)

    monkeypatch.setattr(tool, 'count_apart', count)
    yield tool
    own = 'stage_bytes', 'step_calls', 'gpu', 'step_models', 'stopwatch', 'train_step'
    for name in own:
        if name not in before:
            sys.modules.pop(name, None)


@pytest.mark.large
def test_a_stage_by_kernels_moves_at_most_four_tenths_of_its_former_bytes(tool, capsys):
    found = tool.main(['--precisions', 'bf16'])
    before, plain, fused = (sum(found[way, 'bf16']) for way in tool.WAYS)
    assert 0 < fused <= 0.4 * before < plain
    assert f'{fused / before:.3f} |' in capsys.readouterr().out


def test_kernels_count_what_they_are_given(tool, monkeypatch):
    args = tool.parse_args([])
    counted = tool.count_apart('fused', 'bf16', args)
    monkeypatch.setattr(tool, 'stored_bytes', lambda tensor: 0)
    others = tool.count_apart('fused', 'bf16', args)
    # An image: 2 hands read once, and in 4 samples; 256 channels of two bytes.
    row, rows, maps = 512, 10 * 778, 2 * 64 * 64 * 512
    points, lists = rows * 8, 3 * 8 * 3 * 778 * 4
    views = 8 * 778 * row  # a number a vertex and channel
    forward = maps + rows * row + points + 4 * views + lists
    backward = maps + rows * row + 2 * points + 2 * maps + 5 * views + lists
    # Samples of both axes, keyed by image: a number a key and what they become.
    draws = 8 * 2 + 4 * 2 * 778 * (2 + 3) * 4
    forward += draws
    found = [1e6 * (one - two) for one, two in zip(counted, others)]
    assert found == pytest.approx([forward, backward])
