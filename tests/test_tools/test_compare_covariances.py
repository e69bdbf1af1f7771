"""The comparison of covariances, end to end on a handful of rendered hands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools/analysis_tools/compare_covariances.py'


def run(*arguments):
    return subprocess.run(
        [sys.executable, TOOL, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp('rendered')
    subprocess.run(
        [
            sys.executable,
            ROOT / 'tools/make_rendered_data.py',
            root,
            '--train',
            '8',
            '--test',
            '8',
            '--image-size',
            '128',
            '90',
            '--workers',
            '1',
        ],
        check=True,
    )
    return root


@pytest.mark.large
def test_trains_scores_and_continues(data, tmp_path):
    flags = (
        '--data-root',
        data,
        '--work-dir',
        tmp_path,
        '--seeds',
        0,
        '--models',
        'deterministic',
        'correlated',
        '--epochs',
        1,
        '--finetune-epochs',
        1,
        '--jobs',
        2,
    )
    first = run(*flags)
    assert first.returncode == 0, first.stdout + first.stderr
    scores = json.loads((tmp_path / 'scores.json').read_text())
    assert 'NLL' not in scores['deterministic'][0]
    assert 0 <= scores['correlated'][0]['coverage_90'] <= 1
    row = next(line for line in first.stdout.splitlines() if '| deterministic' in line)
    assert f'{scores["deterministic"][0]["MPJPE_All"]:.2f}' in row
    checkpoint = tmp_path / 'seed0/correlated/epoch_1.pth'
    written = checkpoint.stat().st_mtime_ns
    again = run(*flags)
    assert again.stdout.splitlines()[-4:] == first.stdout.splitlines()[-4:]
    assert checkpoint.stat().st_mtime_ns == written  # nothing was trained twice


def test_a_run_that_fails_is_named(data, tmp_path):
    done = run(
        '--data-root',
        data / 'nowhere',
        '--work-dir',
        tmp_path,
        '--seeds',
        0,
        '--models',
        'diagonal',
        '--epochs',
        1,
    )
    assert done.returncode
    assert 'train.py failed' in done.stderr and 'train.log' in done.stderr
