"""The quick start's script, with a Python that only waits to be stopped."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAITS = '#!/usr/bin/env bash\ntouch "$BEGUN"\nsleep 60\n'
FAILS = '#!/usr/bin/env bash\necho "it went wrong"; exit 3\n'


@pytest.fixture
def checkout(tmp_path):
    """The script beside an installation that does nothing."""
    (tmp_path / 'tools').mkdir()
    shutil.copy(ROOT / 'tools/quickstart.sh', tmp_path / 'tools')
    (tmp_path / 'tools/install.sh').write_text('exit 0\n')
    return tmp_path


def start(checkout, python):
    """The script in a process group of its own, as a terminal starts it."""
    path = checkout / '.venv/bin/python'
    path.parent.mkdir(parents=True)
    path.write_text(python)
    path.chmod(0o755)
    environment = {**os.environ, 'BEGUN': str(checkout / 'begun')}
    environment.pop('MMHAND_VENV', None)
    return subprocess.Popen(
        ['bash', checkout / 'tools/quickstart.sh'],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_ctrl_c_stops_it_and_says_how_to_go_on(checkout):
    process = start(checkout, WAITS)
    for _ in range(600):
        if (checkout / 'begun').exists():
            break
        time.sleep(0.05)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert 'stopped; the same command goes on from here' in error
    assert 'failed' not in error


def test_a_phase_that_fails_is_named_with_what_it_said(checkout):
    process = start(checkout, FAILS)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    log = checkout / 'work_dirs/quickstart/real_hands.log'
    assert f'real_hands failed; all that it said: {log}' in error
    assert 'it went wrong' in error and 'stopped' not in error
