"""Several processes: whoever made a mistake reads what it was, on the last line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import (
    ChildFailedError,
    ProcessFailure,
)

ROOT = Path(__file__).parents[2]


def test_the_sentence_comes_after_the_report_of_torchrun(tmp_path):
    environment = {**os.environ, 'PYTHON': sys.executable, 'PORT': '29641'}
    done = subprocess.run(
        [ROOT / 'tools/dist_train.sh', tmp_path / 'nowhere.py', '2'],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    wanted = f'error: there is no config file {tmp_path}/nowhere.py; check the path'
    assert lines[-1] == wanted
    assert lines.index(wanted) < len(lines) - 1  # of the process, before the report
    assert 'Traceback' not in done.stderr


@pytest.fixture
def launcher(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    yield __import__('launch')
    sys.modules.pop('launch', None)


def failure(rank, path, message='', timestamp=0):
    if message:
        told = f'{{"message": "{message}", "extraInfo": {{"timestamp": {timestamp}}}}}'
        path.write_text(f'{{"message": {told}}}')
    return ProcessFailure(local_rank=rank, pid=1, exitcode=1, error_file=str(path))


def test_the_first_mistake_counts_and_a_crash_is_none(launcher, tmp_path):
    failures = {
        0: failure(0, tmp_path / '0', 'error: second', 7),
        1: failure(1, tmp_path / '1', 'error: first', 3),
        2: failure(2, tmp_path / '2', 'RuntimeError: peer is gone', 1),
        3: failure(3, tmp_path / 'none'),
    }
    error = ChildFailedError('train.py', failures)
    assert launcher.mistake_of(error) == 'error: first'
    crashes = {rank: failures[rank] for rank in (2, 3)}
    assert launcher.mistake_of(ChildFailedError('train.py', crashes)) is None
