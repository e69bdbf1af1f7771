"""What a training step of the tables' rows costs."""

import json
import time

import pytest
from mmengine.registry import init_default_scope

from tests.cached_features import write_cache
from tests.finished_runs import finished
from tools.reproduce import report, step_cost
from tools.reproduce.rows import TABLES
from tools.reproduce.runs import Runs


@pytest.fixture
def args(tmp_path):
    for split in ('train', 'test'):
        write_cache(tmp_path / split, 3, seed=4)
    return ['--cache', str(tmp_path), '--out', str(tmp_path / 'out'), '--seeds', '0']


def test_the_median_is_of_the_timed_rounds_and_steps_take_turns():
    order = []

    def step(name, seconds):
        def call():
            order.append(name)
            time.sleep(seconds)

        return call

    steps = dict(a=step('a', 0.002), b=step('b', 0.02))
    found = step_cost.measure(steps, 3, cuda=False)
    assert order == ['a', 'b'] * (3 + step_cost.WARM_UP)
    assert found['a'] < found['b'] and found['b'] >= 20


def test_parameters_are_those_of_the_paper_and_buffers_are_none(args):
    init_default_scope('mmpose')
    runs = Runs(step_cost.parse_args(args))
    size = {
        row: step_cost.count(step_cost.build(step_cost.config_of(runs, row), 'cpu'))
        for row in ('baseline', 'deterministic', 'diagonal', 'correlated', 'apart')
    }
    added = {row: count - size['baseline'] for row, count in size.items()}
    # A readout of 384 to 60 with its bias; W of 60 x 60.
    readout = 384 * 60 + 60
    assert added['deterministic'] == 0 and added['diagonal'] == readout
    assert added['correlated'] == added['apart'] == readout + 60 * 60


def test_it_measures_real_steps_and_the_tables_show_them(args, monkeypatch, capsys):
    few = dict(rows=('deterministic', 'diagonal'), bases=('diagonal',))
    monkeypatch.setitem(TABLES, 'covariances', TABLES['covariances']._replace(**few))
    for name in ('estimators', 'confidence'):
        monkeypatch.delitem(TABLES, name)
    step_cost.main([*args, '--rounds', '1', '--batch-size', '2'])
    assert '| diagonal |' in capsys.readouterr().out
    runs = Runs(step_cost.parse_args(args))
    told = json.loads((runs.out / 'tables' / report.COST_FILE).read_text())
    assert told['rows']['deterministic']['relative'] == 1
    assert told['rows']['diagonal']['milliseconds'] > 0 and told['hardware']
    finished(runs, 'diagonal', 0, MPJPE_All=1.0)
    text = report.write_tables(runs, ['covariances'], [0])['covariances']
    [line] = (x for x in text.splitlines() if x.startswith('| diagonal |'))
    assert ' | 23,100 | ' in line
    with pytest.raises(SystemExit):
        step_cost.parse_args(['--rounds', '0'])
