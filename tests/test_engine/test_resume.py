"""A run that was killed and resumed ends like the one that was not."""

from pickle import UnpicklingError

import pytest
import torch
from mmengine.runner import Runner
from toy_parts import digest, plain_torch, toy_config, train_toy
from toy_processes import run_forked

from mmhand_dne.cli.run_flags import choose_start
from mmhand_dne.engine.hooks import atomic_checkpoint_hook
from mmhand_dne.engine.runner.distributed import init_distributed

EMA = dict(type='EMAHook', ema_type='ExpMomentumEMA', priority='NORMAL')
# Six batches an epoch; dropout draws from torch's generator in every step.
OPTIONS = dict(
    model__dropout=0.5, default_hooks__checkpoint__iter_interval=4, custom_hooks=[EMA]
)
WORKERS = dict(
    train_dataloader__num_workers=2, train_dataloader__persistent_workers=True
)


def train(work_dir, options, kill_after=None, launcher='none'):
    cfg = toy_config(work_dir, **options)
    if kill_after is not None:
        kill = kill_after if isinstance(kill_after, dict) else dict(after=kill_after)
        cfg.custom_hooks = [*cfg.custom_hooks, dict(type='KillHook', **kill)]
    cfg.launcher = launcher
    init_distributed(cfg)
    choose_start(cfg, 'auto')
    Runner.from_cfg(cfg).train()


def train_killed_and_resumed(folder, options, kills, **how):
    """Last checkpoint after a SIGKILL at each of some iterations."""
    launcher = 'pytorch' if how.get('processes', 1) > 1 else 'none'
    for kill_after in kills:
        codes = run_forked(train, folder, options, kill_after, launcher, **how)
        assert -9 in codes
    assert set(run_forked(train, folder, options, None, launcher, **how)) == {0}
    return digest(folder / 'epoch_3.pth')


@pytest.mark.parametrize(
    ('more', 'kills'),
    [
        # After 9 the last checkpoint is that of 8, in epoch 2; after 14 the epoch's.
        ({}, [9, 14]),
        # The checkpoint of 6 holds a finished epoch whose end was not processed.
        (dict(default_hooks__checkpoint__iter_interval=6), [6]),
        (WORKERS, [9]),
    ],
    ids=['twice', 'at the last batch', 'with workers'],
)
def test_a_run_killed_inside_epochs_ends_with_the_same_bits(tmp_path, more, kills):
    options = {**OPTIONS, **more}
    assert run_forked(train, tmp_path / 'whole', options) == [0]
    resumed = train_killed_and_resumed(tmp_path / 'killed', options, kills)
    assert resumed == digest(tmp_path / 'whole/epoch_3.pth')


def test_every_file_of_a_killed_run_loads_plainly_and_its_log_goes_on(tmp_path):
    train_killed_and_resumed(tmp_path, OPTIONS, [9])
    files = sorted(tmp_path.glob('*.pth'))
    assert len(files) >= 4
    with plain_torch():
        last = [torch.load(path, weights_only=True) for path in files][1]
    assert files[1].name == 'epoch_1.pth' and last['meta']['epoch'] == 1
    hub = torch.load(tmp_path / 'epoch_3.pth', weights_only=True)['message_hub']
    assert len(hub['log_scalars']['train/loss']['log']) == 18  # 6 an epoch


def test_a_checkpoint_as_mmengine_writes_it_resumes(tmp_path, monkeypatch):
    for name in ('now', 'before'):
        with monkeypatch.context() as patch:
            if name == 'before':
                patch.setattr(
                    atomic_checkpoint_hook, 'make_plain', lambda content: None
                )
            train_toy(tmp_path / name, train_cfg__max_epochs=1)
    with plain_torch(), pytest.raises(UnpicklingError):
        torch.load(tmp_path / 'before/epoch_1.pth', weights_only=True)
    for name in ('now', 'before'):
        train_toy(tmp_path / name, train_cfg__max_epochs=2, resume=True)
    found, expected = (
        torch.load(tmp_path / name / 'epoch_2.pth', weights_only=True)
        for name in ('before', 'now')
    )
    assert digest(tmp_path / 'before/epoch_2.pth') == digest(
        tmp_path / 'now/epoch_2.pth'
    )
    losses = [
        read['message_hub']['log_scalars']['train/loss']['log']
        for read in (found, expected)
    ]
    assert len(losses[0]) == 12 and torch.equal(*losses)


def test_two_processes_killed_inside_an_epoch_end_with_the_same_bits(tmp_path):
    options = {**OPTIONS, 'model__norm': True}  # statistics differ between processes
    codes = run_forked(train, tmp_path / 'whole', options, None, 'pytorch', processes=2)
    assert codes == [0, 0]
    # Three batches an epoch and process; the last checkpoint is that of 4.
    resumed = train_killed_and_resumed(tmp_path / 'killed', options, [5], processes=2)
    assert resumed == digest(tmp_path / 'whole/epoch_3.pth')


def test_a_seed_that_was_drawn_is_drawn_once(tmp_path):
    options = {**OPTIONS, 'randomness__seed': None}
    folder = tmp_path / 'killed'
    assert run_forked(train, folder, options, 9) == [-9]
    first = torch.load(folder / 'iter_8.pth', weights_only=True)
    assert run_forked(train, folder, options) == [0]
    last = torch.load(folder / 'epoch_3.pth', weights_only=True)
    assert last['meta']['seed'] == first['meta']['seed'] is not None
    assert last['train_loop']['sampler_seed'] == first['train_loop']['sampler_seed']


def test_a_run_killed_in_a_validation_resumes_with_it(tmp_path):
    assert run_forked(train, tmp_path / 'whole', OPTIONS) == [0]
    # The second time it resumes from what the repeated validation wrote.
    kills = [dict(after=12, in_validation=True), 14]
    resumed = train_killed_and_resumed(tmp_path / 'killed', OPTIONS, kills)
    assert resumed == digest(tmp_path / 'whole/epoch_3.pth')
    names = [
        {path.name for path in (tmp_path / run).glob('*.pth')}
        for run in ('whole', 'killed')
    ]
    assert names[0] == names[1]


def test_a_finished_run_is_not_trained_further(tmp_path):
    train_toy(tmp_path, train_cfg__max_epochs=1)
    saved = digest(tmp_path / 'epoch_1.pth')
    assert train_toy(tmp_path, train_cfg__max_epochs=1, resume=True).iter == 6
    assert digest(tmp_path / 'epoch_1.pth') == saved


def test_other_data_inside_an_epoch_are_refused(tmp_path):
    options = {**OPTIONS, 'train_cfg__max_epochs': 1}
    assert run_forked(train, tmp_path, options, 5) == [-9]
    with pytest.raises(ValueError, match='batch_size 2 -> 3'):
        train_toy(tmp_path, **options, resume=True, train_dataloader__batch_size=3)
    with pytest.raises(ValueError, match='DefaultSampler cannot continue inside'):
        train_toy(
            tmp_path,
            **options,
            resume=True,
            train_dataloader__sampler=dict(_delete_=True, type='DefaultSampler'),
        )


def test_a_checkpoint_of_a_whole_epoch_resumes_with_other_data(tmp_path):
    train_toy(tmp_path, train_cfg__max_epochs=1)
    runner = train_toy(
        tmp_path, train_cfg__max_epochs=2, resume=True, train_dataloader__batch_size=3
    )
    assert (runner.epoch, runner.iter) == (2, 6 + 4)
