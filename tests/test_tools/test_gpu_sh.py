"""What gpu.sh does on a machine with GPUs, tried on a CPU in a shortened form."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tools.reproduce import gpu_report

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools/reproduce/gpu.sh'


def run(*arguments):
    environment = dict(os.environ, MMHAND_VENV=str(Path(sys.executable).parents[1]))
    return subprocess.run(
        ['bash', SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


@pytest.mark.large
def test_it_trains_in_both_precisions_and_continues_what_was_killed(tmp_path):
    done = run(5, tmp_path, '--short')
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / 'gpu.json').read_text())
    assert (
        told['fp32']['steps'] == told['bf16']['steps'] == told['killed']['steps'] == 4
    )
    assert told['killed']['killed at'] == 'iter_2'
    assert 'continuing from' in (tmp_path / 'continued.log').read_text()
    assert (tmp_path / 'work/killed/epoch_1.pth').exists()
    losses = [
        [
            json.loads(line)['loss']
            for path in (tmp_path / 'work' / name).glob('*/vis_data/scalars.json')
            for line in path.read_text().splitlines()
        ]
        for name in ('fp32', 'bf16')
    ]
    assert losses[0] != losses[1]  # bfloat16 was in use
    assert '3 passed' in told['machine']['tests']


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_a_machine_without_a_gpu_is_told_so(tmp_path):
    done = run(1, tmp_path)
    assert done.returncode == 2 and 'add --short' in done.stderr


def test_it_explains_itself_and_wants_minutes_and_a_folder(tmp_path):
    assert 'gpu.sh MINUTES OUT' in run('--help').stdout
    assert run(5).returncode == 2 and run(5, tmp_path, '--shorter').returncode == 2


def test_small_checkpoints_are_kept_and_large_ones_are_not(tmp_path, capsys):
    (tmp_path / 'suite.log').write_text('3 passed\n')
    many = torch.zeros(gpu_report.LARGEST // 4)
    for row, weights, state in (('full', many[:9], many), ('graph', many, many[:9])):
        path = tmp_path / 'tables/runs' / row / 'seed0/epoch_3.pth'
        path.parent.mkdir(parents=True)
        content = dict(meta={}, state_dict=dict(w=weights.clone()))
        torch.save(dict(content, optimizer=dict(state=state.clone())), path)
    log = tmp_path / 'work/fp32/2026/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    lines = [dict(step=i, time=t, data_time=0.1) for i, t in enumerate((9, 2, 1, 1), 1)]
    lines[-1]['memory'] = 77
    log.write_text('\n'.join(map(json.dumps, lines)))
    gpu_report.main([str(tmp_path)])
    assert [p.name for p in (tmp_path / 'checkpoints').iterdir()] == ['full_seed0.pth']
    kept = torch.load(tmp_path / 'checkpoints/full_seed0.pth', weights_only=True)
    assert set(kept) == {'meta', 'state_dict'} and kept['state_dict']['w'].numel() == 9
    told = json.loads((tmp_path / 'gpu.json').read_text())
    want = {'steps': 4, 'seconds a step': 1, 'of it data': 0.1, 'peak memory [MB]': 77}
    assert told['fp32'] == want and told['bf16'] == dict(steps=0)
    assert '| fp32 | peak memory [MB] | 77 |' in capsys.readouterr().out
