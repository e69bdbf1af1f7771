"""Workers of the prepare tools, and their report."""

import json
import math
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from mmhand_dne.datasets.preparation.check_report import (
    OK,
    PROBLEM,
    WARNING,
    CheckReport,
)
from mmhand_dne.datasets.workers import in_workers
from mmhand_dne.fileio.progress import LOG_LINES


def double(number):
    return 2 * number


def die(number):
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait_here(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)


def runs(number):
    """Whether a process is there and no zombie."""
    try:
        state = Path(f'/proc/{number}/stat').read_text().rsplit(')', 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != 'Z'


@pytest.mark.parametrize('workers', [1, 2])
def test_results_are_in_the_order_of_the_items(workers, capsys):
    found = in_workers(double, range(40), workers, 'doubling', chunk=3)
    assert list(found) == [2 * number for number in range(40)]
    lines = capsys.readouterr().out.splitlines()
    # Not a line per item.
    assert lines[-1].startswith('doubling: 40/40') and len(lines) <= LOG_LINES


@pytest.mark.large  # each worker imports the whole stack
def test_where_no_process_can_be_forked_they_are_spawned(monkeypatch):
    monkeypatch.setattr(multiprocessing, 'get_all_start_methods', lambda: ['spawn'])
    found = in_workers(math.sqrt, [4, 9, 16, 25], 2, 'roots', chunk=1)
    assert next(found) == 2
    kinds = {type(worker).__name__ for worker in multiprocessing.active_children()}
    assert kinds == {'SpawnProcess'}
    assert list(found) == [3, 4, 5]


def test_heavy_items_move_the_bar_further(capsys):
    assert list(in_workers(double, [1, 3], 1, 'doubling', weight=abs)) == [2, 6]
    assert 'doubling: 4/4' in capsys.readouterr().out


def test_nothing_to_do_is_nothing_done():
    assert list(in_workers(double, [], 2, 'nothing')) == []


def test_a_killed_worker_is_one_sentence():
    with pytest.raises(ValueError, match='a worker process was killed.*--workers'):
        list(in_workers(die, range(10), 2, 'dying', chunk=1))


def test_workers_end_with_their_parent(tmp_path):
    parent = os.fork()
    if parent == 0:
        list(in_workers(wait_here, [tmp_path] * 2, 2, 'waiting', chunk=1))
        os._exit(0)
    deadline = time.monotonic() + 20
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert len(workers) == 2 and all(map(runs, workers))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    while any(map(runs, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(runs, workers))


def test_a_report_has_lines_and_a_file(tmp_path, capsys):
    report = CheckReport('hands')
    assert report.expect('rows', True, '5', '5')
    assert not report.expect('images', False, '4', '5', [f'{i}.jpg' for i in range(9)])
    report.expect('masks', False, 'none', 'some', otherwise=WARNING)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [OK, 'rows', '5']
    assert lines[1].split() == [PROBLEM, 'images', '4,', 'expected', '5']
    assert [line.strip() for line in lines[2:6]] == [
        '0.jpg',
        '1.jpg',
        '2.jpg',
        '... and 6 more',
    ]
    assert [check.name for check in report.problems] == ['images']
    report.write(tmp_path / 'report.json')
    kept = json.loads((tmp_path / 'report.json').read_text())
    assert kept['problems'] == 1 and len(kept['checks']) == 3
    assert len(kept['checks'][1]['examples']) == 9
    assert [path.name for path in tmp_path.iterdir()] == ['report.json']
