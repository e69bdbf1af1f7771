"""The benchmark of the data path: both ways give one ground truth, one for less."""

import sys
from pathlib import Path

import pytest

from tests.interhand_fixture import write_interhand

FOLDER = Path(__file__).parents[2] / 'tools/benchmarks'


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield __import__('data_path')
    for name in ('data_path', 'data_path_before'):
        sys.modules.pop(name, None)


def test_both_ways_agree_and_the_present_one_costs_less(tool, tmp_path, capsys):
    root = write_interhand(tmp_path, num_frames=6)
    flags = ['--data-root', str(root), '--batch-size', '6', '--rounds', '3']
    found = tool.main(flags)
    apart = found['differences']
    assert apart['points'] < 1e-6 and apart['masks'] == 0 and apart['crops'] <= 5
    sizes = found['labels of a sample, bytes']
    assert sizes['now'] < 2048 < 20_000 < sizes['before']
    for name in ('sample in a worker, ms', 'main process, ms an image'):
        assert found[name]['now'] < 0.7 * found[name]['before']
    assert found['posing']['now'] > 0
    assert '| sample in a worker, ms |' in capsys.readouterr().out
