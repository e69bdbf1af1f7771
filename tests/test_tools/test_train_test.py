"""The training and test tools as a user types them."""

import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.fileio import load
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

ROOT = Path(__file__).parents[2]
TOY = ROOT / 'tests/test_engine'
CONFIG = str(TOY / 'toy_config.py')
sys.path.insert(0, str(TOY))  # the toy config imports toy_parts

from toy_parts import logged_losses  # noqa: E402  (after its path)


@pytest.fixture
def tool(tool):
    """A tool as in a process of its own: MMEngine tells runs apart by the second."""

    def run(name, *arguments):
        for kind in (DefaultScope, MessageHub, MMLogger, Visualizer):
            kind._instance_dict.clear()
        return tool(name, *arguments)

    return run


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Work folder of a toy run of one epoch."""
    folder = tmp_path_factory.mktemp('trained')
    argv, sys.argv = (
        sys.argv,
        [
            'train.py',
            CONFIG,
            '--work-dir',
            str(folder),
            '--cfg-options',
            'train_cfg.max_epochs=1',
        ],
    )
    runpy.run_path(str(ROOT / 'tools/train.py'), run_name='__main__')
    sys.argv = argv
    return folder


def test_a_test_writes_metrics_and_predictions(tool, trained, tmp_path):
    out, dump = tmp_path / 'new/metrics.json', tmp_path / 'predictions.pkl'
    status, *_ = tool(
        'test.py',
        CONFIG,
        trained / 'epoch_1.pth',
        '--work-dir',
        tmp_path,
        '--out',
        out,
        '--dump',
        dump,
    )
    assert status == 0
    errors = [sample['error'] for sample in load(dump)]
    assert len(errors) == 4
    assert json.loads(out.read_text())['MPVPE_All'] == pytest.approx(sum(errors) / 4)


def test_predictions_without_hands_cannot_go_into_an_npz(tool, trained, tmp_path):
    status, _, error = tool(
        'test.py',
        CONFIG,
        trained / 'epoch_1.pth',
        '--work-dir',
        tmp_path,
        '--dump',
        tmp_path / 'predictions.npz',
    )
    assert (status, error) == (
        2,
        'error: image ?: no pred_instances to dump; give '
        "--dump a name that ends in .pkl for MMEngine's own "
        'format',
    )


def test_training_flags_reach_the_run(tool, tmp_path):
    status, *_ = tool(
        'train.py',
        CONFIG,
        '--work-dir',
        tmp_path,
        '--no-validate',
        '--auto-scale-lr',
        '--cfg-options',
        'auto_scale_lr.base_batch_size=8',
        'train_cfg.max_epochs=1',
    )
    assert status == 0
    assert not list(tmp_path.glob('best_*'))
    assert logged_losses(tmp_path, 'lr')[0] == pytest.approx(1e-2 * 2 / 8)


def test_the_scaled_rate_counts_accumulated_images(tool, tmp_path):
    status, *_ = tool(
        'train.py',
        CONFIG,
        '--work-dir',
        tmp_path,
        '--no-validate',
        '--auto-scale-lr',
        '--cfg-options',
        'auto_scale_lr.base_batch_size=8',
        'optim_wrapper.accumulative_counts=2',
        'train_cfg.max_epochs=1',
    )
    assert status == 0
    assert logged_losses(tmp_path, 'lr')[0] == pytest.approx(1e-2 * 4 / 8)


def test_a_damaged_last_checkpoint_is_passed_over_aloud(tool, tmp_path):
    train = (
        'train.py',
        CONFIG,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_cfg.max_epochs=2',
    )
    assert tool(*train)[0] == 0
    last = tmp_path / 'epoch_2.pth'
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    status, out, _ = tool(*train, '--resume')
    assert status == 0
    assert f'continuing from the one before it, {tmp_path / "epoch_1.pth"}' in out
    status, _, error = tool(*train, '--resume', tmp_path / 'best.pth')
    assert (status, error) == (
        2,
        'error: cannot load the checkpoint '
        f'{tmp_path / "best.pth"}: there is no such file; '
        'check the path',
    )


@pytest.mark.parametrize(
    ('arguments', 'sentence'),
    [
        (['nowhere.py'], 'there is no config file nowhere.py; check the path'),
        (
            [CONFIG, '--cfg-options', 'model.type=ToyRegresor'],
            "unknown model 'ToyRegresor'; did you mean 'ToyRegressor'?",
        ),
        (
            [CONFIG, '--cfg-options', 'train_dataloader.dataset.type=ToyLine'],
            "unknown dataset 'ToyLine'; did you mean 'ToyLines'?",
        ),
        (
            # None that Python 3.14 would have a suggestion for.
            [CONFIG, '--cfg-options', 'model.colour=3'],
            "ToyRegressor.__init__() got an unexpected keyword argument 'colour'; "
            'correct or remove that key in the config',
        ),
        (
            [CONFIG, '--cfg-options', 'optim_wraper.optimizer.lr=1'],
            '--cfg-options optim_wraper.optimizer.lr: the config has no key '
            "'optim_wraper'; did you mean optim_wrapper?",
        ),
        (
            [CONFIG, '--auto-scale-lr'],
            '--auto-scale-lr needs auto_scale_lr=dict(base_batch_size=...) in the '
            'config, the batch size its learning rate is for',
        ),
    ],
)
def test_a_mistake_is_one_sentence(tool, tmp_path, arguments, sentence):
    status, _, error = tool('train.py', *arguments, '--work-dir', tmp_path)
    assert (status, error) == (2, f'error: {sentence}')


def test_a_nan_loss_ends_the_tool_with_its_name(tool, tmp_path):
    status, _, error = tool(
        'train.py',
        CONFIG,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_dataloader.dataset.bad_index=3',
        'train_dataloader.dataset.bad_epoch=1',
        'train_dataloader.num_workers=1',
    )
    assert status == 2
    assert error.startswith('error: training stopped at epoch 2, iteration ')
    assert 'loss_line is nan' in error and 'image003.png' in error
    assert str(tmp_path / 'epoch_1.pth') in error


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        (
            ['--out', 'metrics.txt'],
            '--out metrics.txt: unknown kind of file; let the name '
            'end in .json or .yaml or .yml or .pkl',
        ),
        (
            ['--dump', 'a.csv'],
            '--dump a.csv: unknown kind of file; let the name end in '
            '.npz or .pkl or .pickle',
        ),
        (
            ['--badcase'],
            '--badcase needs default_hooks.badcase in the config; add '
            "dict(type='BadCaseAnalysisHook', metric_type='accuracy')",
        ),
    ],
)
def test_a_wrong_flag_of_a_test_is_one_sentence(tool, trained, more, sentence):
    status, _, error = tool('test.py', CONFIG, trained / 'epoch_1.pth', *more)
    assert (status, error) == (2, f'error: {sentence}')


def test_a_checkpoint_of_another_model_is_one_sentence(tool, trained, tmp_path):
    checkpoint = trained / 'epoch_1.pth'
    status, _, error = tool(
        'test.py',
        CONFIG,
        checkpoint,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'model.norm=True',
    )
    assert status == 2
    assert error == (
        f'error: the checkpoint {checkpoint} is not of this model: 5 of its 9 tensors '
        'are not in the file (first norm.weight); use the config it was trained with, '
        'or list what may differ in default_hooks.checkpoint_match.allow_missing or '
        'allow_unexpected'
    )


def test_the_merged_config_is_printed(tool):
    status, out, _ = tool(
        'misc/print_config.py', CONFIG, '--cfg-options', 'train_cfg.max_epochs=7'
    )
    assert status == 0 and 'max_epochs=7' in out and 'AtomicCheckpointHook' in out


def launch(script, *arguments, cwd, **variables):
    environment = {**os.environ, 'PYTHON': sys.executable, **variables}
    environment.pop('PYTHONPATH', None)
    environment.update({k: v for k, v in variables.items() if k == 'PYTHONPATH'})
    return subprocess.run(
        [ROOT / 'tools' / script, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_two_processes_train_and_test_from_any_folder(trained, tmp_path):
    done = launch(
        'dist_train.sh',
        CONFIG,
        2,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_cfg.max_epochs=1',
        cwd=tmp_path,
        PORT='29617',
        PYTHONPATH=str(TOY),
    )
    assert done.returncode == 0, done.stderr[:3000] + done.stderr[-1000:]
    assert len(logged_losses(tmp_path)) == 3
    done = launch(
        'dist_test.sh',
        CONFIG,
        tmp_path / 'epoch_1.pth',
        2,
        '--work-dir',
        tmp_path,
        '--out',
        'metrics.json',
        cwd=tmp_path,
        PORT='29618',
        PYTHONPATH=str(TOY),
    )
    assert done.returncode == 0, done.stderr[:3000] + done.stderr[-1000:]
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert len(saved['random_state']) == 2
    assert 'MPVPE_All' in json.loads((tmp_path / 'metrics.json').read_text())


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_a_port_in_use_is_one_sentence(tmp_path, script):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = launch(script, 'c.py', 'a.pth', 2, cwd=tmp_path, PORT=port)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f'error: port {port} is in use; choose a free one, as in PORT'
    )


@pytest.mark.parametrize(
    ('script', 'fourth', 'passed'),
    [
        (
            'slurm_train.sh',
            'some/folder',
            ['train.py', 'c.py', '--work-dir=some/folder'],
        ),
        ('slurm_test.sh', 'a.pth', ['test.py', 'c.py', 'a.pth']),
    ],
)
def test_slurm_starts_one_task_a_gpu(tmp_path, script, fourth, passed):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    done = launch(
        script,
        'gpu',
        'job',
        'c.py',
        fourth,
        '--cfg-options',
        'a=b c',
        cwd=tmp_path,
        GPUS='8',
        GPUS_PER_NODE='4',
        SRUN_ARGS='-t 10',
        PATH=f'{tmp_path}:{os.environ["PATH"]}',
    )
    words = done.stdout.splitlines()
    assert words[:8] == [
        '-p',
        'gpu',
        '--job-name=job',
        '--gres=gpu:4',
        '--ntasks=8',
        '--ntasks-per-node=4',
        '--cpus-per-task=5',
        '--kill-on-bad-exit=1',
    ]
    assert words[8:12] == ['-t', '10', sys.executable, '-u']
    tool, *rest = passed
    assert words[12:] == [
        str(ROOT / 'tools' / tool),
        *rest,
        '--launcher=slurm',
        '--cfg-options',
        'a=b c',
    ]


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_a_script_without_arguments_says_its_usage(tmp_path, script):
    done = launch(script, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith('usage: ')


@pytest.mark.parametrize('link', ['script', 'folder'])
def test_a_script_is_found_through_links(tmp_path, link):
    """As ``.mim/tools`` of a checkout is one."""
    if link == 'script':
        script = tmp_path / 'train'
        script.symlink_to(ROOT / 'tools/dist_train.sh')
    else:
        (tmp_path / 'tools').symlink_to(ROOT / 'tools')
        script = tmp_path / 'tools/dist_train.sh'
    python = tmp_path / 'python'
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$PYTHONPATH" "$@"\n')
    python.chmod(0o755)
    done = launch(script, 'c.py', 4, '--amp', cwd=tmp_path, PYTHON=str(python))
    first, *words = done.stdout.splitlines()
    assert first == str(ROOT)
    assert words[-5:] == [
        str(ROOT / 'tools/train.py'),
        'c.py',
        '--launcher',
        'pytorch',
        '--amp',
    ]
