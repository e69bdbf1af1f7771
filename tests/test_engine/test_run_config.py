import json
import time
from argparse import Namespace

import pytest
import torch
from mmengine.config import Config

from mmhand_dne.cli.plain_errors import explain, plain_errors
from mmhand_dne.engine.runner.distributed import init_distributed
from mmhand_dne.engine.runner.run_config import (
    read_config,
)
from mmhand_dne.errors import UserError

TEXT = """
model = dict(backbone=dict(type='ResNet', depth=50), head=None)
train_cfg = dict(type='ResumableEpochTrainLoop', max_epochs=3)
hooks = [dict(interval=1)]
optim_wrapper = dict(optimizer=dict(type='Adam'))
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / 'some_config.py').write_text(TEXT)
    return str(tmp_path / 'some_config.py')


@pytest.mark.parametrize(
    'key',
    [
        'model.backbone.depth',
        'model.backbone.frozen_stages',
        'train_cfg.val_begin',
        'hooks.0.interval',
        'custom_hooks',
        'sync_bn',
    ],
)
def test_an_option_that_can_be_meant_is_taken(path, key):
    cfg = read_config(path, {key: 2})
    for name in key.split('.'):
        cfg = cfg[int(name)] if name.isdigit() else cfg[name]
    assert cfg == 2


@pytest.mark.parametrize(
    ('key', 'sentence'),
    [
        ('modle.backbone.depth', "no key 'modle'; did you mean model?"),
        (
            'model.bakbone.depth',
            "model has no key 'bakbone'; did you mean model.backbone?",
        ),
        ('train_dataloder', "no key 'train_dataloder'; did you mean train_dataloader?"),
        ('hooks.3.interval', "hooks is a list of 1, '3' is not an index"),
    ],
)
def test_a_misspelt_option_is_refused(path, key, sentence):
    with pytest.raises(ValueError) as caught:
        read_config(path, {key: 2})
    assert sentence in str(caught.value)


def test_no_workers_need_no_other_option(tmp_path):
    path = tmp_path / 'workers.py'
    path.write_text(
        'train_dataloader = dict(num_workers=2, persistent_workers=True,'
        'prefetch_factor=4, dataset=dict())'
    )
    kept = read_config(str(path)).train_dataloader
    assert kept.persistent_workers and kept.prefetch_factor == 4
    loader = read_config(str(path), {'train_dataloader.num_workers': 0})
    loader = loader.train_dataloader
    assert not loader.persistent_workers and 'prefetch_factor' not in loader


@pytest.mark.parametrize(
    'line',
    [
        "runner_type = 'FlexibleRunner'",
        "strategy = dict(type='FSDPStrategy')",
        "activation_checkpointing = 'backbone'",
        "model_wrapper_cfg = dict(type='MMFullyShardedDataParallel')",
    ],
)
def test_a_key_that_would_be_ignored_is_refused(tmp_path, line):
    path = tmp_path / 'ignored.py'
    path.write_text(line)
    with pytest.raises(UserError, match='remove'):
        read_config(str(path))


def test_a_config_file_is_read_once(tmp_path, monkeypatch):
    path = tmp_path / 'own.py'
    path.write_text("randomness = dict(seed=0)\nmodel = dict(type='A', size=3)")
    read, seen = Config.fromfile, []
    monkeypatch.setattr(
        Config, 'fromfile', lambda *args, **kw: seen.append(args) or read(*args, **kw)
    )
    assert read_config(str(path), {'randomness.seed': 2}).randomness.seed == 2
    assert len(seen) == 1


def test_a_mistake_is_left_for_the_launcher(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCHELASTIC_ERROR_FILE', str(tmp_path / 'error.json'))
    with pytest.raises(SystemExit), plain_errors():
        read_config('nowhere.py')
    told = json.loads((tmp_path / 'error.json').read_text())['message']
    assert told['message'] == (
        'error: there is no config file nowhere.py; check the path'
    )
    assert abs(told['extraInfo']['timestamp'] - time.time()) < 60


@pytest.mark.parametrize('cuda', [True, False])
def test_slurm_without_its_nodes_is_named(monkeypatch, cuda):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    for name in ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'):
        monkeypatch.setenv(name, '0')
    monkeypatch.delenv('MASTER_ADDR', raising=False)
    with pytest.raises(UserError, match='--launcher slurm needs SLURM_NODELIST in'):
        init_distributed(Config(dict(launcher='slurm')))


def test_an_absent_config_is_said_to_be_absent():
    with pytest.raises(FileNotFoundError, match='no config file nowhere.py; check'):
        read_config('nowhere.py')


@pytest.mark.parametrize(
    ('launcher', 'variable'),
    [('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'), ('mpi', 'OMPI_COMM_WORLD_RANK')],
)
def test_a_launcher_that_did_not_launch_is_named(monkeypatch, launcher, variable):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match=f'--launcher {launcher} needs {variable} in'):
        init_distributed(Config(dict(launcher=launcher)))


def test_an_unregistered_name_gets_a_suggestion():
    from mmpose.registry import MODELS

    with pytest.raises(KeyError) as caught:
        MODELS.build(dict(type='ResNett'))
    assert explain(caught.value) == "unknown model 'ResNett'; did you mean 'ResNet'?"


def test_a_wrong_argument_is_one_sentence():
    with pytest.raises(TypeError) as caught:
        Namespace.__init__(1, 2, 3)
    assert explain(caught.value) is None
    error = TypeError("ResNet.__init__() got an unexpected keyword argument 'depht'")
    assert explain(error).endswith(
        "argument 'depht'; correct or remove that key in the config"
    )


WORKER_ERROR = """Caught UserError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "/torch/utils/data/_utils/worker.py", line 3, in _worker_loop
    data = fetcher.fetch(index)
  File "/mmhand_dne/datasets/x.py", line 3, in f
    raise UserError(f'{path} is corrupt')
mmhand_dne.errors.UserError: a.jpg is corrupt"""


def test_an_error_in_a_worker_process_is_told_without_its_traceback():
    assert explain(UserError(WORKER_ERROR)) == 'a.jpg is corrupt'
    assert explain(ValueError(WORKER_ERROR)) is None  # an operation that failed


def test_a_mistake_ends_the_tool_with_one_line(capsys):
    with pytest.raises(SystemExit) as caught, plain_errors():
        read_config('nowhere.py')
    assert caught.value.code == 2
    line = 'error: there is no config file nowhere.py; check the path\n'
    assert capsys.readouterr().err == line


def test_a_traceback_is_shown_on_request(capsys, monkeypatch):
    monkeypatch.setenv('MMHAND_TRACEBACK', '1')
    with pytest.raises(SystemExit), plain_errors():
        read_config('nowhere.py')
    assert 'Traceback (most recent call last)' in capsys.readouterr().err


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), plain_errors(building=True):
        _ = 1 / 0
    with pytest.raises(ValueError, match='could not convert'), plain_errors():
        float('one')
