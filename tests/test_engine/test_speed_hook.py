"""Channels last and compiled parts train the same losses, to rounding."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmhand_dne.cli.run_flags import apply_speed
from mmhand_dne.engine.hooks import SpeedHook
from mmhand_dne.errors import UserError

ROOT = Path(__file__).parents[2]
SWITCHES = {
    'channels_last': dict(channels_last=True),
    # torch.compile but for what it would make of the graphs, which takes a minute.
    'compiled': dict(compile=dict(backend='eager')),
}


def three_steps(monkeypatch, hook=None):
    """Losses of three steps of the quick start's model, its names, and the model."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    from step_models import build, hand_batch, load_config
    from train_step import copy_batch

    cfg = load_config('dne', str(ROOT / 'configs/dne_rendered.py'))
    cfg.optim_wrapper.paramwise_cfg = dict(
        custom_keys={'backbone': dict(lr_mult=0.5), 'mano_head': dict(lr_mult=2.0)}
    )
    network, optimiser = build('dne', cfg, 'cpu')
    names = [name for name, _ in network.named_parameters()]
    if hook is not None:
        hook.before_train(SimpleNamespace(model=network))
    batch = hand_batch(network, 2, cfg.input_size)
    torch.manual_seed(0)
    losses = [network.train_step(copy_batch(batch), optimiser) for _ in range(3)]
    rates = {group['lr'] for group in optimiser.param_groups}
    assert len(rates) == 3  # parameter groups are followed
    assert names == [name for name, _ in network.named_parameters()]
    return losses, network


@pytest.fixture(scope='module')
def plain():
    with pytest.MonkeyPatch.context() as monkeypatch:
        return three_steps(monkeypatch)[0]


def check_same(found, wanted):
    assert all(step.keys() == other.keys() for step, other in zip(found, wanted))
    # Adam steps along gradients that are rounding alone, differently in each build of
    # torch: from the third step on a term's part of it has grown to 1e-3.
    for step, other, bound in zip(found, wanted, (1e-3, 1e-3, 1e-2)):
        for name, value in step.items():
            torch.testing.assert_close(value, other[name], rtol=bound, atol=1e-5)
        torch.testing.assert_close(step['loss'], other['loss'], rtol=1e-4, atol=0)


@pytest.mark.parametrize('switch', SWITCHES)
def test_each_switch_trains_the_same_losses(plain, switch, monkeypatch):
    hook = SpeedHook(**SWITCHES[switch])
    found, network = three_steps(monkeypatch, hook)
    check_same(found, plain)
    last = [
        part.weight.is_contiguous(memory_format=torch.channels_last)
        for part in network.modules()
        if isinstance(part, nn.Conv2d) and part.weight.shape[2] > 1
    ]
    assert last and all(last) == hook.channels_last == any(last)
    assert (network.backbone._compiled_call_impl is not None) == bool(hook.compile)


@pytest.mark.large  # writes and builds C++
def test_built_by_the_compiler_it_trains_the_same_losses(plain, monkeypatch):
    found = three_steps(monkeypatch, SpeedHook(compile={}))[0]
    check_same(found[:2], plain[:2])  # from the third on rounding has grown to 2e-4


def test_flags_add_the_hook_behind_those_of_the_config():
    cfg = Config(dict(custom_hooks=[dict(type='RestHook')]))
    apply_speed(cfg, channels_last=False, compiled=False)
    assert len(cfg.custom_hooks) == 1
    apply_speed(cfg, channels_last=True, compiled=False)
    assert cfg.custom_hooks[1] == dict(
        type='SpeedHook', channels_last=True, compile=None
    )
    bare = Config({})
    apply_speed(bare, channels_last=False, compiled=True)
    assert bare.custom_hooks == [
        dict(type='SpeedHook', channels_last=False, compile={})
    ]


def test_what_would_change_nothing_is_refused():
    with pytest.raises(UserError, match='would change nothing'):
        SpeedHook()
    runner = SimpleNamespace(model=nn.Sequential(nn.Linear(1, 1)))
    with pytest.raises(UserError, match="none of the parts .* only \\['0'\\]"):
        SpeedHook(compile={}).before_train(runner)
