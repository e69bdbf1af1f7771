import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'tools/benchmarks'


@pytest.fixture
def stopwatch(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    from stopwatch import Stopwatch

    return Stopwatch(cuda=False)


class Parts:
    def inner(self):
        time.sleep(0.02)

    def outer(self):
        time.sleep(0.01)
        self.inner()
        self.inner()


def test_time_of_an_inner_part_is_not_counted_twice(stopwatch):
    parts = Parts()
    stopwatch.wrap(parts, 'inner', 'inner')
    stopwatch.wrap(parts, 'outer', 'outer')
    start = time.perf_counter()
    parts.outer()
    total = time.perf_counter() - start
    seconds = stopwatch.take()
    assert seconds['inner'] >= 0.04 and 0.01 <= seconds['outer'] < 0.03
    assert sum(seconds.values()) == pytest.approx(total, abs=2e-3)
    assert stopwatch.take() == {}


def test_failed_part_keeps_the_books_straight(stopwatch):
    def fail():
        raise RuntimeError

    timed = stopwatch.timed(fail, 'fail')
    for _ in range(2):
        with pytest.raises(RuntimeError):
            timed()
    stopwatch.timed(lambda: time.sleep(0.01), 'work')()
    assert stopwatch.take()['work'] >= 0.01


@pytest.mark.large
def test_both_models_step_and_every_second_is_named(tmp_path):
    out = tmp_path / 'steps.json'
    subprocess.run(
        [
            sys.executable,
            FOLDER / 'train_step.py',
            *('--batch-size', '1', '--repeats', '1', '--threads', '2'),
            *('--out', out),
        ],
        check=True,
        cwd=ROOT,
    )
    report = json.loads(out.read_text())
    assert report.keys() == {'dne', 'internet'}
    wanted = {'backbone', 'neck', 'aux head', 'targets', 'mano head', 'losses'}
    wanted |= {'regressed coordinates', 'stage 1', 'stage 2', 'stage 3'}
    assert wanted | {'backward', 'optimiser', 'other'} <= report['dne']['parts'].keys()
    for found in report.values():
        assert sum(found['parts'].values()) == pytest.approx(found['median'], rel=0.01)
        assert found['rss_peak'] >= found['rss_before'] > 0
