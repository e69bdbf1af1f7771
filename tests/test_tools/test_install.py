"""install.sh, with a Python that only writes down what it is asked."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = """#!/usr/bin/env bash
echo "byte code ${PYTHONDONTWRITEBYTECODE:-yes}: $*" >> "$LOG"
"""


def install(tmp_path, **environment):
    """What Python was asked to do, line by line."""
    python, log = tmp_path / 'venv/bin/python', tmp_path / 'log'
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    variables = dict(MMHAND_VENV=str(tmp_path / 'venv'), LOG=str(log), **environment)
    command = ['bash', str(ROOT / 'tools/install.sh')]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return log.read_text().splitlines()


def test_byte_code_is_written_once_whatever_the_environment_says(tmp_path):
    lines = install(tmp_path, PYTHONDONTWRITEBYTECODE='1')
    assert any(line.startswith('byte code 1: -m pip install') for line in lines)
    # The last step: it imports what the tools import.
    assert lines[-1] == f'byte code yes: {ROOT}/tools/check_env.py'
    assert (tmp_path / 'venv/.mmhand_dne_stamp').is_file()


def test_help_installs_nothing(tmp_path):
    command = ['bash', str(ROOT / 'tools/install.sh')]
    environment = {**os.environ, 'MMHAND_VENV': str(tmp_path / 'venv')}
    told = subprocess.run(
        [*command, '--help'], env=environment, capture_output=True, text=True
    )
    assert told.returncode == 0 and 'MMHAND_PYTHON' in told.stdout
    wrong = subprocess.run(
        [*command, '--fast'], env=environment, capture_output=True, text=True
    )
    assert wrong.returncode == 2 and 'takes no argument --fast' in wrong.stderr
    assert not (tmp_path / 'venv').exists()
