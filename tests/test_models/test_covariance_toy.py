"""The toy of known correlated noise, small: exact recovers it, diagonal cannot."""

import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools/analysis_tools'


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    yield __import__('covariance_toy')
    sys.modules.pop('covariance_toy', None)


def test_exact_recovers_the_covariance_where_diagonal_cannot(toy, tmp_path):
    results = toy.main(
        [
            '--dim',
            '6',
            '--samples',
            '4000',
            '--seeds',
            '0',
            '--steps',
            '300',
            '--batch-size',
            '256',
            '--lr',
            '2e-2',
            '--hidden',
            '8',
            '--out-dir',
            str(tmp_path),
        ]
    )
    scores = {
        row['name']: row['scores'][0] for row in results if row['samples'] == 4000
    }
    assert scores['correlated, exact']['error'] < 0.16
    assert scores['diagonal']['error'] > 0.3
    assert scores['correlated, exact']['nats'] < 0.04 < scores['diagonal']['nats']
    # The released loss, W unfrozen behind its back, shrinks W instead.
    assert scores['correlated, released']['largest_w'] < 0.4
    assert scores['correlated, released']['error'] > 0.5
    assert (tmp_path / 'covariance_toy.png').stat().st_size > 10_000
    assert (tmp_path / 'covariance_toy.json').is_file()


def test_w_learns_as_far_as_its_learning_rates_add_up(toy, capsys):
    """At the paper's 0.275 it stays near the identity, at the configs' 5.5 it is W*."""
    flags = '--dim 6 --samples 4000 --seeds 0 --steps 300 --batch-size 256 --lr 2e-2'
    results = toy.main([*flags.split(), '--mixing-sums', '0.275', '5.5'])
    low, high = (result['scores'][0]['error'] for result in results)
    assert high < 0.16 and low > 2 * high
    assert f'| 5.5 | {100 * high:.1f} |' in capsys.readouterr().out


def test_seeds_are_those_that_are_named(toy, tmp_path):
    flags = '--dim 3 --samples 64 --steps 2 --batch-size 16 --hidden 4 --seeds 0'
    [one] = toy.main([*flags.split(), '--mixing-sums', '1', '--out-dir', str(tmp_path)])
    [both] = toy.main([*flags.split(), '2', '--mixing-sums', '1'])
    assert both['scores'][0] == one['scores'][0] != both['scores'][1]
