"""Weights shared out over two processes: the training of copies, whole checkpoints."""

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from official_sets import small, write_sets
from test_resume import train_killed_and_resumed
from toy_parts import digest, logged_losses, toy_config, train_toy
from toy_processes import run_forked

from mmhand_dne.cli.run_flags import choose_start
from mmhand_dne.engine.runner.distributed import init_distributed

SHARDED = dict(type='ShardedModel', units=['hidden'])
OPTIONS = dict(
    model__width=7,  # two processes do not share it evenly
    optim_wrapper__clip_grad=dict(max_norm=0.5),
    train_dataloader__sampler__shuffle=False,
)


def train(work_dir, options):
    cfg = toy_config(work_dir, **options)
    cfg.launcher = 'pytorch'
    init_distributed(cfg)
    choose_start(cfg, 'auto')
    runner = Runner.from_cfg(cfg)
    runner.train()
    if 'model_wrapper_cfg' in options:
        weight = runner.model.module.hidden.weight
        assert weight.shape == (7, 4) and len(weight.to_local()) < 7


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Work folders of copies and of shares."""
    folder = tmp_path_factory.mktemp('runs')
    for name, more in (('copies', {}), ('shares', dict(model_wrapper_cfg=SHARDED))):
        codes = run_forked(train, folder / name, {**OPTIONS, **more}, processes=2)
        assert codes == [0, 0]
    return folder


def test_shares_train_as_copies_do(runs):
    for name in ('loss', 'loss_line', 'grad_norm'):
        wanted, found = (
            torch.tensor(logged_losses(runs / run, name))
            for run in ('copies', 'shares')
        )
        assert len(wanted) == 9 and wanted.std() > 1e-3
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    wanted, found = (
        torch.load(runs / run / 'epoch_3.pth', weights_only=True)
        for run in ('copies', 'shares')
    )
    for part in (lambda saved: saved['state_dict'], lambda s: s['optimizer']['state']):
        torch.testing.assert_close(part(found), part(wanted), rtol=1e-5, atol=1e-6)


def test_one_process_resumes_what_two_have_written(runs, tmp_path):
    state = torch.load(runs / 'shares/epoch_3.pth', weights_only=True)
    path = tmp_path / 'epoch_3.pth'
    torch.save(state, path)
    more = dict(train_cfg__max_epochs=3, resume=True, load_from=str(path))
    runner = train_toy(tmp_path, **OPTIONS, **more)
    assert runner.iter == 9
    for name, value in runner.model.state_dict().items():
        assert torch.equal(value, state['state_dict'][name])


def test_a_killed_run_of_shares_ends_with_the_same_bits(tmp_path):
    options = dict(
        OPTIONS,
        model_wrapper_cfg=SHARDED,
        model__dropout=0.5,
        default_hooks__checkpoint__iter_interval=4,
    )
    assert run_forked(train, tmp_path / 'whole', options, processes=2) == [0, 0]
    resumed = train_killed_and_resumed(tmp_path / 'killed', options, [5], processes=2)
    assert resumed == digest(tmp_path / 'whole/epoch_3.pth')


def refused(work_dir, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        train(work_dir, options)


@pytest.mark.parametrize(
    ('more', 'sentence'),
    [
        (
            dict(model_wrapper_cfg=dict(SHARDED, units=['backbone.layers'])),
            "units names 'backbone.layers', which the model has not",
        ),
        (
            dict(model_wrapper_cfg=SHARDED, custom_hooks=[dict(type='EMAHook')]),
            'EMAHook cannot work with',
        ),
    ],
    ids=['a part that is not there', 'a hook that copies the model'],
)
def test_what_cannot_be_is_one_sentence(tmp_path, more, sentence):
    codes = run_forked(refused, tmp_path, {**OPTIONS, **more}, sentence, processes=2)
    assert codes == [0, 0]


def train_hamer(work_dir, roots, wrapper):
    cfg = small('hamer/poster/freihand_correlated.py', roots, work_dir)
    cfg.train_dataloader.dataset.dataset.indices = 4
    cfg.train_dataloader.batch_size = 1
    cfg.train_cfg.update(max_epochs=1)
    cfg.optim_wrapper.optimizer.lr = 1e-3
    cfg.optim_wrapper.clip_grad = dict(max_norm=0.1)
    cfg.param_scheduler = None
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.log_processor = dict(window_size=1, num_digits=12)
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint = dict(type='AtomicCheckpointHook', save_best=None)
    cfg.launcher, cfg.model_wrapper_cfg = 'pytorch', wrapper
    Config.pretty_text = property(lambda cfg: repr(cfg))  # quickly, in this process
    init_distributed(cfg)
    Runner.from_cfg(cfg).train()


def test_hamers_layers_are_shared_one_by_one(tmp_path):
    roots = write_sets(tmp_path / 'sets')
    wrappers = dict(
        copies=None, shares=dict(type='ShardedModel', units=['backbone.layers'])
    )
    for name, wrapper in wrappers.items():
        (tmp_path / name).mkdir()
        arguments = tmp_path / name, roots, wrapper
        assert run_forked(train_hamer, *arguments, processes=2) == [0, 0]
    for value in ('loss', 'grad_norm'):
        wanted, found = (
            torch.tensor(logged_losses(tmp_path / name, value)) for name in wrappers
        )
        assert len(wanted) == 2 and wanted.min() > 0.1
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    wanted, found = (
        torch.load(tmp_path / name / 'epoch_1.pth', weights_only=True)['state_dict']
        for name in wrappers
    )
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
