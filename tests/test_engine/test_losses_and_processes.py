"""The same training by one process and by two; a loss that is not finite."""

import pytest
import torch
from mmengine.runner import Runner
from toy_parts import logged_losses, toy_config, train_toy
from toy_processes import run_forked

from mmhand_dne.engine.runner.distributed import init_distributed

# In order, so that two processes and one see the same images in an iteration.
IN_ORDER = dict(train_dataloader__sampler__shuffle=False, train_cfg__max_epochs=1)


def train(work_dir, options, launcher='none'):
    cfg = toy_config(work_dir, **options)
    cfg.launcher = launcher
    init_distributed(cfg)
    Runner.from_cfg(cfg).train()


def train_until_stopped(work_dir, options, launcher='none'):
    """Write the error's text next to the log of each process."""
    cfg = toy_config(work_dir, **options)
    cfg.launcher = launcher
    init_distributed(cfg)
    runner = Runner.from_cfg(cfg)
    with pytest.raises(ValueError) as caught:
        runner.train()
    (work_dir / f'stopped_{runner.rank}').write_text(str(caught.value))


def test_two_processes_log_the_losses_of_one(tmp_path):
    one = {**IN_ORDER, 'train_dataloader__batch_size': 4}
    assert run_forked(train, tmp_path / 'one', one) == [0]
    assert run_forked(train, tmp_path / 'two', IN_ORDER, 'pytorch', processes=2) == [
        0,
        0,
    ]
    for name in ('loss', 'loss_line', 'loss_size'):
        expected = torch.tensor(logged_losses(tmp_path / 'one', name))
        found = torch.tensor(logged_losses(tmp_path / 'two', name))
        assert expected.numel() == 3
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def train_and_tell_statistics(work_dir):
    cfg = toy_config(work_dir, **IN_ORDER, model__norm=True)
    cfg.launcher = 'pytorch'
    init_distributed(cfg)
    runner = Runner.from_cfg(cfg)
    runner.train()
    model = runner.model.module
    torch.save(
        [model.norm.running_mean, model.constant], work_dir / f'buffers_{runner.rank}'
    )


def test_processes_share_their_batch_statistics_and_leave_constants_alone(tmp_path):
    assert run_forked(train_and_tell_statistics, tmp_path, processes=2) == [0, 0]
    (mean, constant), (other, _) = (
        torch.load(tmp_path / f'buffers_{rank}') for rank in range(2)
    )
    assert torch.equal(mean, other) and mean.abs().min() > 0
    assert constant.tolist() == [0, 1, 2]


def test_a_nan_loss_stops_before_the_step(tmp_path):
    options = {
        **IN_ORDER,
        'train_cfg__max_epochs': 2,
        'train_dataloader__dataset__bad_index': 5,
        'train_dataloader__dataset__bad_epoch': 1,
    }
    runner = Runner.from_cfg(toy_config(tmp_path, **options))
    with pytest.raises(ValueError) as caught:
        runner.train()
    message = str(caught.value)
    assert 'epoch 2, iteration 9, before the step: loss_line is nan' in message
    assert 'loss_size' not in message
    assert 'image004.png, image005.png' in message
    assert f'the last checkpoint is {tmp_path / "epoch_1.pth"}' in message
    assert all(p.isfinite().all() for p in runner.model.parameters())
    kept = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['state_dict']
    assert all(value.isfinite().all() for value in kept.values())


def test_a_nan_in_one_process_stops_all_of_them(tmp_path):
    options = {
        **IN_ORDER,
        'train_dataloader__dataset__bad_index': 1,
        'train_dataloader__dataset__bad_epoch': 0,
    }
    codes = run_forked(train_until_stopped, tmp_path, options, 'pytorch', processes=2)
    assert codes == [0, 0]
    messages = {(tmp_path / f'stopped_{rank}').read_text() for rank in range(2)}
    assert len(messages) == 1
    message = messages.pop()
    assert 'loss_line is nan in process 1 (images image001.png' in message
    assert 'in process 0' not in message


def test_the_log_is_unchanged_in_one_process(tmp_path):
    train_toy(tmp_path / 'with', **IN_ORDER)
    train_toy(
        tmp_path / 'without',
        **IN_ORDER,
        default_hooks__finite_loss=dict(_delete_=True, type='IterTimerHook'),
    )
    assert logged_losses(tmp_path / 'with') == pytest.approx(
        logged_losses(tmp_path / 'without'), rel=1e-6
    )


def test_bfloat16_trains_without_a_gpu(tmp_path):
    runner = train_toy(tmp_path, **IN_ORDER, optim_wrapper__type='BFloat16OptimWrapper')
    seen = []
    layer = runner.model.hidden
    layer.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    batch = next(iter(runner.train_dataloader))
    runner.model.train_step(batch, runner.optim_wrapper)
    assert seen == [torch.bfloat16]
    assert layer.weight.dtype == torch.float32
