import os
from argparse import Namespace

import pytest
import torch
from mmengine.config import Config

from mmhand_dne.cli.plain_errors import explain, plain_errors
from mmhand_dne.engine.runner.distributed import init_distributed
from mmhand_dne.engine.runner.run_config import (
    apply_amp,
    apply_auto_scale_lr,
    apply_common_flags,
    choose_start,
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


def flags(path, **changes):
    return Namespace(
        **{
            **dict(
                config=path,
                launcher='none',
                local_rank=0,
                work_dir=None,
                show=False,
                show_dir=None,
                interval=5,
                wait_time=2,
            ),
            **changes,
        }
    )


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


def test_an_absent_config_is_said_to_be_absent():
    with pytest.raises(FileNotFoundError, match='no config file nowhere.py; check'):
        read_config('nowhere.py')


def test_the_work_folder_is_named_after_the_config(path):
    cfg = read_config(path)
    apply_common_flags(cfg, flags(path))
    assert cfg.work_dir == './work_dirs/some_config'


def test_pictures_are_switched_on_by_their_flags(path):
    cfg = read_config(path)
    with pytest.raises(ValueError, match='default_hooks.visualization'):
        apply_common_flags(cfg, flags(path, show_dir='pictures'))
    cfg.default_hooks = dict(visualization=dict(enable=False, wait_time=0))
    apply_common_flags(cfg, flags(path, show_dir='pictures'))
    assert dict(cfg.default_hooks.visualization) == dict(
        enable=True, show=False, interval=5, out_dir='pictures', wait_time=0
    )


def test_deterministic_algorithms_get_their_workspace(path, monkeypatch):
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)
    cfg = read_config(path)
    apply_common_flags(cfg, flags(path))
    assert 'CUBLAS_WORKSPACE_CONFIG' not in os.environ
    cfg.randomness = dict(seed=0, deterministic=True)
    apply_common_flags(cfg, flags(path))
    assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'


@pytest.mark.parametrize(
    ('cuda', 'kind'), [(True, 'AmpOptimWrapper'), (False, 'BFloat16OptimWrapper')]
)
def test_amp_chooses_by_the_device(path, monkeypatch, cuda, kind):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    cfg = read_config(path)
    apply_amp(cfg)
    assert cfg.optim_wrapper.type == kind
    cfg.optim_wrapper.type = 'OtherWrapper'
    with pytest.raises(ValueError, match="cannot change optim_wrapper.type 'OtherWrap"):
        apply_amp(cfg)


def test_scaling_the_rate_needs_the_batch_size_it_is_for(path):
    cfg = read_config(path)
    with pytest.raises(ValueError, match='needs auto_scale_lr=dict'):
        apply_auto_scale_lr(cfg)
    cfg.auto_scale_lr = dict(base_batch_size=120, enable=False)
    apply_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable


def test_resuming_an_empty_folder_keeps_the_initial_weights(tmp_path):
    torch.save(dict(weight=torch.ones(1)), tmp_path / 'baseline.pth')
    cfg = Config(
        dict(work_dir=str(tmp_path / 'new'), load_from=str(tmp_path / 'baseline.pth'))
    )
    choose_start(cfg, 'auto')
    assert (cfg.resume, cfg.load_from) == (False, str(tmp_path / 'baseline.pth'))


def test_a_named_checkpoint_is_resumed_and_has_to_be_whole(tmp_path):
    (tmp_path / 'epoch_1.pth').write_bytes(b'PK half')
    cfg = Config(dict(work_dir=str(tmp_path)))
    with pytest.raises(ValueError, match='epoch_1.pth: it is cut off or damaged'):
        choose_start(cfg, str(tmp_path / 'epoch_1.pth'))


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
