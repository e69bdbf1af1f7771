"""The tables of the papers on the free benchmark: rows and runs."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from mmhand_dne.datasets.datasets import CachedHandDataset
from mmhand_dne.engine.runner.run_config import read_config
from mmhand_dne.errors import UserError
from tests.cached_features import write_cache
from tests.finished_runs import FEW, arguments, finished, write_curve
from tools.reproduce import publish, table
from tools.reproduce.rows import ROWS, TABLES, rows_of
from tools.reproduce.runs import Runs, TimeIsOver, asked_to_end_later

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(path.stem for path in (ROOT / 'configs/reproduce').glob('*.py'))
CACHED = [name for name in CONFIGS if name != 'uncached']


@pytest.fixture(scope='module')
def cache(tmp_path_factory):
    root = tmp_path_factory.mktemp('cache')
    for split, count in (('train', 4), ('test', 4)):
        write_cache(root / split, count, seed=count)
    return root


@pytest.fixture
def runs(cache, tmp_path):
    return Runs(arguments(cache, tmp_path))


def test_every_config_is_a_row_and_the_papers_rows_are_there():
    assert {row.config for row in ROWS.values()} | {'uncached'} == set(CONFIGS)
    for name in ('table2', 'table3', 'table4'):
        assert TABLES[name].rows[0] == 'baseline' and 'full' in TABLES[name].rows
    assert {row for one in TABLES.values() for row in one.rows} == set(ROWS)
    order = rows_of(list(TABLES))
    for row in order:
        start = ROWS[row].start
        assert not start or order.index(start) < order.index(row)
    # Their first row starts with one that the table does not show, and so does that.
    assert rows_of(['settled'])[:3] == ['baseline', 'control', 'settled']


@pytest.mark.parametrize('name', CACHED)
def test_a_config_steps_on_what_it_reads_from_the_cache(name, cache):
    init_default_scope('mmpose')
    cfg = read_config(str(ROOT / 'configs/reproduce' / f'{name}.py'))
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[0].end
    assert cfg.param_scheduler[0].T_max == cfg.train_cfg.max_epochs
    cfg.model.mano_head.readout.init_cfg = None
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    hands = CachedHandDataset(str(cache / 'train'), cfg.train_dataloader.dataset.levels)
    packed = [hands[i] for i in range(2)]
    batch = model.data_preprocessor(
        {key: [one[key] for one in packed] for key in ('inputs', 'data_samples')}
    )
    losses = model.loss(batch['inputs'], batch['data_samples'])
    loss = sum(value for key, value in losses.items() if 'loss' in key)
    loss.backward()
    assert loss.isfinite()
    wanted = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in wanted)
    found = model.eval().predict(batch['inputs'], batch['data_samples'])
    assert ('hand_joint_std' in found[0].pred_instances) == ('nll' in str(losses))


def test_the_estimate_knows_what_is_done_and_how_fast_it_went(runs):
    steps = 4  # epochs of one batch of 4 crops
    assert runs.seconds_left('baseline', 1) == pytest.approx(
        steps * ROWS['baseline'].pace
    )
    finished(runs, 'baseline', 0)
    assert runs.seconds_left('baseline', 0) == 0
    assert runs.seconds_left('baseline', 1) == pytest.approx(steps * 10 / 5)
    folder = runs.folder('baseline', 1)
    folder.mkdir()
    (folder / 'last_checkpoint').write_text('/x/epoch_3.pth')
    assert runs.seconds_left('baseline', 1) == pytest.approx(10 / 5)


def test_stages_see_as_many_crops_as_they_are_given_and_other_rows_all(cache, tmp_path):
    few = Runs(arguments(cache, tmp_path, '--stage-crops', '3'))
    key = 'train_dataloader.dataset.indices'
    assert few.options('full', 0)[key] == '3'
    others = ('baseline', 'diagonal', 'long')
    assert all(key not in few.options(row, 0) for row in others)
    hands = CachedHandDataset(str(cache / 'train'), [4], indices=3)
    assert len(hands) == 3 and len(CachedHandDataset(str(cache / 'train'), [4])) == 4
    more = Runs(arguments(cache, tmp_path, '--stage-crops', '40'))
    assert key not in more.options('full', 0)  # there are four
    batch = read_config(str(ROOT / 'configs/reproduce/full.py')).train_dataloader
    many = Runs(arguments(cache, tmp_path))
    many.crops['train'], many.stage_crops = 10000, 2 * batch.batch_size + 1
    assert many.steps_of_an_epoch('full') == 3
    with pytest.raises(SystemExit):
        table.parse_args(['table2', '--stage-crops', '0'])


def test_a_run_of_other_settings_is_not_taken_for_this_one(runs, cache, tmp_path):
    finished(runs, 'baseline', 0)
    other = Runs(arguments(cache, tmp_path, '--baseline-epochs', '8'))
    with pytest.raises(UserError, match='other options.param_scheduler.0.T_max, '):
        other.is_finished('baseline', 0)
    # The same folders and flags, but what the files hold has changed.
    digest = runs.digests['baseline']
    runs.digests['baseline'] = 'of another config'
    with pytest.raises(UserError, match='with other contents.config;'):
        runs.is_finished('baseline', 0)
    runs.digests['baseline'] = digest
    folder = tmp_path / 'cache'
    for split, count in (('train', 4), ('test', 3)):
        write_cache(folder / split, count, seed=count)
    smaller = Runs(arguments(folder, tmp_path))
    smaller.cache = cache
    with pytest.raises(UserError, match='with other contents.test;'):
        smaller.is_finished('baseline', 0)


def test_a_baseline_that_was_stopped_before_its_last_validation_is_continued(
    runs, monkeypatch
):
    called = []
    monkeypatch.setattr(runs, 'train', lambda row, *_: called.append(row))
    monkeypatch.setattr(runs, 'test', lambda row, *_: None)
    for row in ('baseline', 'full'):  # only a baseline's curve is judged
        folder = runs.folder(row, 0)
        folder.mkdir(parents=True)
        (folder / 'last_checkpoint').write_text(f'/x/epoch_{runs.length(row)}.pth')
        runs.finish(row, 0, float('inf'))
    assert called == ['baseline']
    write_curve(runs.folder('baseline', 0) / 'a', {4: 1.0}, {4: 1.0})
    runs.finish('baseline', 0, float('inf'))
    assert called == ['baseline']


def test_nothing_starts_when_the_minutes_are_over(runs):
    with pytest.raises(TimeIsOver):
        runs.finish('baseline', 0, time.monotonic() - 1)
    assert not (runs.folder('baseline', 0) / 'train.log').exists()


def test_what_runs_is_ended_when_the_minutes_are_over(runs, tmp_path):
    sleeper = [sys.executable, '-c', 'import time; print("up"); time.sleep(60)']
    start = time.monotonic()
    with pytest.raises(TimeIsOver):
        runs.call(sleeper, tmp_path / 'log', time.monotonic() + 0.5)
    assert time.monotonic() - start < 20


def test_what_runs_is_ended_with_the_tool_that_started_it(cache, tmp_path):
    where = ['--cache', str(cache), '--out', str(tmp_path), '--seeds', '0']
    tool = ROOT / 'tools/reproduce/table.py'
    process = subprocess.Popen([sys.executable, tool, 'table2', *where])
    log, start = tmp_path / 'runs/baseline/seed0/train.log', time.monotonic()
    while not log.exists() and time.monotonic() - start < 60:
        time.sleep(0.1)
    assert process.poll() is None and log.exists()
    started = children(process.pid)
    assert started
    process.terminate()
    assert process.wait(60) == table.LEFT
    start = time.monotonic()
    while any(map(runs_still, started)) and time.monotonic() - start < 10:
        time.sleep(0.1)
    assert not any(map(runs_still, started))


def test_a_process_that_is_being_started_is_known_before_the_tool_ends():
    left = signal.signal(signal.SIGTERM, lambda *_: sys.exit(table.LEFT))
    known = []
    try:
        with pytest.raises(SystemExit), asked_to_end_later():
            signal.raise_signal(signal.SIGTERM)
            known.append('process')
    finally:
        signal.signal(signal.SIGTERM, left)
    assert known == ['process']


def runs_still(pid):
    """Whether a process is there, and more than its parent's memory of it."""
    try:
        return 'State:\tZ' not in Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return False


def children(pid):
    """Processes that a process has started."""
    found = []
    for path in Path('/proc').glob('[0-9]*/status'):
        with suppress(OSError):  # it has ended since
            if f'PPid:\t{pid}\n' in path.read_text():
                found.append(path.parent.name)
    return found


def test_a_tool_that_fails_is_named_with_what_it_said_last(runs, tmp_path):
    log = tmp_path / 'log'
    command = [sys.executable, '-c', 'raise SystemExit("no such thing")']
    with pytest.raises(UserError, match='no such thing'):
        runs.call(command, log, time.monotonic() + 60)


def test_an_estimate_runs_nothing_and_says_that_something_is_left(cache, tmp_path):
    where = ['--cache', str(cache), '--out', str(tmp_path), '--seeds', '0']
    with pytest.raises(SystemExit) as left:
        table.main(['covariances', *where, '--estimate'])
    assert left.value.code == table.LEFT and not (tmp_path / 'runs').exists()
    with pytest.raises(SystemExit):
        table.parse_args(['table2', '--baseline-epochs', '6'])


@pytest.mark.large
def test_rows_are_trained_stopped_continued_and_told(cache, tmp_path):
    where = ['--cache', str(cache), '--out', str(tmp_path), '--seeds', '0']
    command = [sys.executable, ROOT / 'tools/reproduce/table.py', *where, *FEW]
    names = ['table4', 'covariances']
    stopped = subprocess.run([*command, '--minutes', '0.2', *names], check=False)
    assert stopped.returncode == table.LEFT
    done = subprocess.run([*command, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '| full DNE, M = 1 |' in done.stdout and '| diagonal |' in done.stdout
    scores = json.loads((tmp_path / 'tables/covariances.json').read_text())['values']
    assert scores['correlated']['0'].keys() >= {'NLL', 'hard/Spearman', 'plain/AUSE'}
    assert 'NLL' not in scores['deterministic']['0']
    again = subprocess.run([*command, *names], capture_output=True, text=True)
    assert again.returncode == 0 and 'left in all: 0.0 hours' in again.stdout


def contents(folder):
    """Bytes of all files, by their names."""
    found = sorted(path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.large
def test_the_benchmark_is_the_same_however_often_it_was_stopped(tmp_path):
    script = ROOT / 'tools/reproduce/benchmark.sh'
    environment = dict(os.environ, MMHAND_VENV=str(Path(sys.executable).parents[1]))

    def make(name, *flags):
        command = ['bash', script, '--count', '15', '--data', tmp_path / name, *flags]
        done = subprocess.run(command, env=environment, check=False)
        return done.returncode

    assert make('whole', '--workers', '2') == 0
    assert make('parts', '--minutes', '0') == table.LEFT
    assert make('parts', '--workers', '1') == 0
    whole = contents(tmp_path / 'whole')
    assert contents(tmp_path / 'parts') == whole
    assert {'cache/train/level4.npy', 'cache/test/cache.json'} <= set(whole)
    assert make('parts', '--workers', '1') == 0  # nothing is made again
    for split in ('train', 'test'):
        hands = CachedHandDataset(str(tmp_path / 'whole/cache' / split), [4])
        assert len(hands) and hands[0]['data_samples'].dataset_name in ('plain', 'hard')


@pytest.mark.large
def test_one_command_makes_the_benchmark_the_tables_their_causes_and_the_page(tmp_path):
    environment = dict(os.environ, MMHAND_VENV=str(Path(sys.executable).parents[1]))
    command = ['bash', ROOT / 'tools/reproduce/all.sh', '--data', tmp_path]
    command += ['--count', '150', '--', '--out', tmp_path / 'out', '--seeds', '0', *FEW]
    stopped = subprocess.run(
        [*command[:2], '--minutes', '0', *command[2:]], env=environment, check=False
    )
    assert stopped.returncode == table.LEFT
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / 'results/results.md').read_text()
    assert 'Not run yet' not in page and str(tmp_path) not in page
    headings = [line for line in page.splitlines() if line.startswith('## ')]
    assert len(headings) == len(TABLES) + len(publish.CAUSES) + 1  # and the runs
    for title in ('Where something hides the hand', 'Which of several samples is'):
        assert f'## {title}' in page
    kept = json.loads((tmp_path / 'results/results.json').read_text())
    assert set(kept['runs']) == set(ROWS)
    assert set(kept['runs']['baseline']['0']['log']['validations']) == set('1234')
