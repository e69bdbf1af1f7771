"""The flags of train.py and test.py, applied to a config."""

import os
from argparse import ArgumentParser

import pytest
import torch
from mmengine.config import Config

from mmhand_dne.cli.arguments import add_common_arguments
from mmhand_dne.cli.run_flags import (
    apply_amp,
    apply_auto_scale_lr,
    apply_common_flags,
    check_precision,
    choose_start,
)


@pytest.fixture
def cfg():
    return Config(dict(optim_wrapper=dict(optimizer=dict(type='Adam'))))


def flags(*words):
    parser = ArgumentParser()
    parser.add_argument('config')
    parser.add_argument('--work-dir')
    add_common_arguments(parser, pictures='a test', example='model.head=None')
    common = ('folder/some_config.py', '--interval', '5', '--wait-time', '2')
    return parser.parse_args([*common, *words])


def test_the_work_folder_is_named_after_the_config(cfg):
    apply_common_flags(cfg, flags())
    assert cfg.work_dir == './work_dirs/some_config'


def test_pictures_are_switched_on_by_their_flags(cfg):
    with pytest.raises(ValueError, match='default_hooks.visualization'):
        apply_common_flags(cfg, flags('--show-dir', 'pictures'))
    cfg.default_hooks = dict(visualization=dict(enable=False, wait_time=0))
    apply_common_flags(cfg, flags('--show-dir', 'pictures'))
    assert dict(cfg.default_hooks.visualization) == dict(
        enable=True, show=False, interval=5, out_dir='pictures', wait_time=0
    )


def test_deterministic_algorithms_get_their_workspace(cfg, monkeypatch):
    monkeypatch.delenv('CUBLAS_WORKSPACE_CONFIG', raising=False)
    apply_common_flags(cfg, flags())
    assert 'CUBLAS_WORKSPACE_CONFIG' not in os.environ
    cfg.randomness = dict(seed=0, deterministic=True)
    apply_common_flags(cfg, flags())
    assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'


def test_half_precision_without_a_device_is_one_sentence(cfg, monkeypatch):
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(
        ValueError, match="use 'BFloat16OptimWrapper' or 'OptimWrapper'"
    ):
        check_precision(cfg)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    check_precision(cfg)


def test_a_published_file_cannot_be_resumed(cfg, tmp_path):
    path = tmp_path / 'published.pth'
    torch.save(dict(meta=dict(epoch=1, iter=2), state_dict={}), path)
    with pytest.raises(ValueError, match=f'start from it with .*load_from={path}'):
        choose_start(cfg, str(path))
    torch.save(dict(meta=dict(epoch=1, iter=2), state_dict={}, optimizer={}), path)
    choose_start(cfg, str(path))
    assert cfg.resume and cfg.load_from == str(path)


@pytest.mark.parametrize(
    ('cuda', 'kind'), [(True, 'AmpOptimWrapper'), (False, 'BFloat16OptimWrapper')]
)
def test_amp_chooses_by_the_device(cfg, monkeypatch, cuda, kind):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: cuda)
    apply_amp(cfg)
    assert cfg.optim_wrapper.type == kind
    cfg.optim_wrapper.type = 'OtherWrapper'
    with pytest.raises(ValueError, match="cannot change optim_wrapper.type 'OtherWrap"):
        apply_amp(cfg)


def test_scaling_the_rate_needs_the_batch_size_it_is_for(cfg):
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
