"""The benchmark of scoring: both ways give one number, in batches for less."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / 'tools/benchmarks'


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield __import__('scoring')
    for name in ('scoring', 'scoring_one_by_one'):
        sys.modules.pop(name, None)


def test_both_ways_agree_and_batches_cost_less(tool, capsys):
    found = tool.main(['--batch-size', '16', '--rounds', '4'])
    assert found['difference'] < 1e-9
    assert found['in batches'] < 0.7 * found['one by one']
    printed = capsys.readouterr().out
    for name in ('one by one', 'in batches', 'in batches, with protocols'):
        assert f'| {name} | {found[name]:.2f} |' in printed
