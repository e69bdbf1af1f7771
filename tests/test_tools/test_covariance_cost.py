"""The costs of the covariances: a table, and steps that reach every parameter."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / 'tools/benchmarks'


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield __import__('covariance_cost')
    for name in ('covariance_cost', 'stopwatch'):
        sys.modules.pop(name, None)


def test_the_table_counts_weights_and_times(tool, capsys):
    tool.main(
        [
            '--dims',
            '6',
            '--in-channels',
            '8',
            '--batch-size',
            '4',
            '--rounds',
            '3',
            '--hidden',
            '0.5',
        ]
    )
    printed = capsys.readouterr().out
    lines = [line.split('|')[1:-1] for line in printed.splitlines() if '|' in line]
    rows = {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines[2:]}
    # d_x d, d_x (d + d (d-1)/2), d_x d^2 and d_x d + d^2 for d_x = 8, d = 6.
    weights = {name: int(row[0]) for name, row in rows.items()}
    assert weights == {
        'deterministic': 0,
        'diagonal': 48,
        'full': 168,
        'full, square': 288,
        'correlated': 84,
        'correlated, apart': 84,
        'correlated without linear': 48,
    }
    assert all(float(row[2]) > 0 for row in rows.values())
    assert rows['deterministic'][-1] == '-' and float(rows['correlated'][-1]) > 0
    assert 'correlated / diagonal' in printed and '(bar 3)' in printed


@pytest.mark.parametrize('name', ['diagonal', 'full', 'correlated'])
def test_a_step_reaches_every_parameter(tool, name):
    args = tool.parse_args(['--in-channels', '8', '--batch-size', '4'])
    part, batch = tool.build(args, 6)[name], tool.random_batch(args, 6)
    tool.whole_step(part, tool.KINDS[name][1](), batch)()
    for value in (batch.token, batch.mean, *part.parameters()):
        assert value.grad.any()
