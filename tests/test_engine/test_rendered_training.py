"""The quick start's config, trained for some steps: processes, kills, mixed precision.

The data are rendered; augmentation and noise are those of the config.
"""

import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from toy_parts import digest, logged_losses
from toy_processes import run_forked

from mmhand_dne.cli.run_flags import apply_amp, choose_start
from mmhand_dne.engine.runner.distributed import init_distributed

ROOT = Path(__file__).parents[2]
BATCHES, GLOBAL_BATCH = 5, 2


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('data') / 'rendered'
    spec = importlib.util.spec_from_file_location(
        'make_rendered_data', ROOT / 'tools/make_rendered_data.py'
    )
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    tool.main([str(folder), '--train', str(BATCHES * GLOBAL_BATCH), '--workers', '1'])
    return folder


def make_config(data_root, work_dir, batch_size):
    cfg = Config.fromfile(ROOT / 'configs/dne_rendered.py')
    cfg.work_dir, cfg.log_level = str(work_dir), 'WARNING'
    cfg.experiment_name = f'{Path(data_root).parent.name}_{Path(work_dir).name}'
    cfg.custom_hooks = []  # one phase, of all parts
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.merge_from_dict(
        {
            'train_dataloader.batch_size': batch_size,
            'train_dataloader.dataset.data_root': str(data_root),
            'train_cfg.max_epochs': 1,
            'default_hooks.logger.interval': 1,
            'default_hooks.checkpoint.iter_interval': 2,
            'log_processor.window_size': 1,
            'log_processor.num_digits': 12,
        }
    )
    cfg.launcher = 'none'
    return cfg


def train(data_root, work_dir, batch_size, launcher='none', kill_after=None, amp=False):
    cfg = make_config(data_root, work_dir, batch_size)
    cfg.launcher = launcher
    if kill_after is not None:
        cfg.custom_hooks = [*cfg.custom_hooks, dict(type='KillHook', after=kill_after)]
    if amp:
        apply_amp(cfg)
    init_distributed(cfg)
    choose_start(cfg, 'auto')
    Runner.from_cfg(cfg).train()


@pytest.fixture(scope='module')
def one_process(data_root, tmp_path_factory):
    """Work folder of an uninterrupted run of one process."""
    folder = tmp_path_factory.mktemp('one')
    assert run_forked(train, data_root, folder, GLOBAL_BATCH) == [0]
    return folder


def test_two_processes_have_the_losses_of_one(data_root, one_process, tmp_path):
    codes = run_forked(
        train, data_root, tmp_path, GLOBAL_BATCH // 2, 'pytorch', processes=2
    )
    assert codes == [0, 0]
    expected = torch.tensor(logged_losses(one_process))
    assert expected.shape == (BATCHES,) and expected.std() > 1e-2
    found = torch.tensor(logged_losses(tmp_path))
    torch.testing.assert_close(found[:2], expected[:2], rtol=5e-5, atol=0)
    # Adam takes a whole step along a gradient that is nothing but rounding; how soon
    # that shows depends on the build of torch.
    torch.testing.assert_close(found, expected, rtol=5e-3, atol=0)


def test_a_killed_run_ends_with_the_same_bits(data_root, one_process, tmp_path):
    arguments = data_root, tmp_path, GLOBAL_BATCH, 'none'
    assert run_forked(train, *arguments, 3) == [-9]
    assert (tmp_path / 'last_checkpoint').read_text().endswith('iter_2.pth')
    assert run_forked(train, *arguments) == [0]
    assert digest(tmp_path / 'epoch_1.pth') == digest(one_process / 'epoch_1.pth')


@pytest.mark.large
def test_mixed_precision_trains_close_to_single(data_root, one_process, tmp_path):
    # One step is enough, and slow where the processor has no bfloat16.
    assert run_forked(train, data_root, tmp_path, GLOBAL_BATCH, 'none', 1, True) == [-9]
    (loss,), (norm,) = (logged_losses(tmp_path, n) for n in ('loss', 'grad_norm'))
    assert loss == pytest.approx(logged_losses(one_process)[0], rel=0.05)
    assert norm == pytest.approx(logged_losses(one_process, 'grad_norm')[0], rel=0.5)
