"""How often the host waits for the device in a training step, counted on a CPU."""

import traceback
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mmhand_dne.engine.hooks.finite_loss_hook import FiniteLossHook
from mmhand_dne.geometry import rasterize, three_view
from mmhand_dne.randomness import keys

ROOT = Path(__file__).parents[2]
# What copies numbers of Python to the device, and what brings numbers back.
COPIES = (torch.tensor, torch.as_tensor, Tensor.new_tensor)
READS = (
    *(Tensor.item, Tensor.tolist, Tensor.__int__, Tensor.__bool__, Tensor.__float__),
    *(Tensor.__index__, Tensor.cpu, Tensor.numpy, Tensor.nonzero, torch.nonzero),
    *(torch.unique, Tensor.unique, Tensor.masked_select, torch.bincount),
)
INDEXED = (Tensor.__getitem__, Tensor.__setitem__)


class Waits(TorchFunctionMode):
    """Counts what would wait for a device, by kind and line."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.waits(function, args, kwargs):
            frames = traceback.extract_stack()[:-1]
            ours = [f for f in frames if 'mmhand_dne' in f.filename]
            place = (ours or frames)[-1]
            name = getattr(function, '__name__', str(function))
            self.found[f'{name} {Path(place.filename).name}:{place.lineno}'] += 1
        return function(*args, **kwargs)

    @staticmethod
    def waits(function, args, kwargs):
        if function in READS:
            return True
        if function in COPIES:
            value = args[1] if function is Tensor.new_tensor else args[0]
            to_device = function is Tensor.new_tensor or 'device' in kwargs
            return to_device and not isinstance(value, Tensor)
        if function not in INDEXED:
            return False
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        return any(isinstance(i, Tensor) and i.dtype == torch.bool for i in index)


@pytest.fixture
def step(monkeypatch):
    """One training step as a run makes it, keyed draws and the hook's look included."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    from step_models import build, hand_batch, load_config
    from train_step import copy_batch

    cfg = load_config('dne', str(ROOT / 'configs/dne_rendered.py'))
    cfg.model.data_preprocessor.batch_augments = [dict(type='BatchGaussianNoise')]
    cfg.model.refine_head.update(num_stages=3, num_samples=2)
    cfg.optim_wrapper.optimizer.fused = True  # as CUDA's, it reads no step counter
    network, optimiser = build('dne', cfg, 'cpu')
    batch = hand_batch(network, 2, cfg.input_size)
    hub = MessageHub.get_instance('waits')
    monkeypatch.setattr(MessageHub, 'get_current_instance', lambda: hub)
    optimiser.message_hub = hub
    hub.update_info('seed', 0)
    hub.update_info('iter', 5)
    hook = FiniteLossHook()
    runner = SimpleNamespace(model=network, optim_wrapper=optimiser)
    hook.before_train(runner)

    def run():
        outputs = network.train_step(copy_batch(batch), optimiser)
        hook.after_train_iter(runner, 0, outputs=outputs)
        return outputs

    yield SimpleNamespace(run=run, hook=hook, runner=runner, hub=hub)
    hook.after_train(runner)


def test_a_step_waits_at_most_twice(step, monkeypatch):
    for module in (three_view, rasterize):
        monkeypatch.setattr(module, 'reading_is_free', lambda tensor: False)
    monkeypatch.setattr(keys, 'is_host', lambda device: False)
    step.run()
    with Waits() as waits:
        step.run()
    assert 1 <= waits.found.total() <= 2, waits.found


def test_the_log_still_has_means_and_the_norm_of_the_gradients(step):
    parameters, found = list(step.runner.model.parameters()), []

    def look(*_):
        norms = [p.grad.norm() for p in parameters if p.grad is not None]
        found.append(torch.stack(norms).norm().item())

    step.runner.optim_wrapper.optimizer.register_step_pre_hook(look)
    outputs = step.run()
    assert all(isinstance(value, float) for value in outputs.values())
    norm = step.hub.get_scalar('train/grad_norm').current()
    assert found == [pytest.approx(min(norm, 20.0), rel=1e-3)] and norm > 0


def test_nothing_of_the_hook_stays_on_the_optimiser(step):
    clip = step.runner.optim_wrapper.clip_func
    step.hook.after_train(step.runner)
    assert step.runner.optim_wrapper.clip_func is not clip
    assert step.runner.optim_wrapper.clip_func is torch.nn.utils.clip_grad_norm_
    assert not step.runner.optim_wrapper.optimizer._optimizer_step_pre_hooks


def test_a_loss_that_is_not_finite_stops_before_the_weights_move(step):
    step.run()
    network = step.runner.model
    step.runner.epoch, step.runner.iter = 0, 1
    step.runner.message_hub = step.hub
    before = [p.detach().clone() for p in network.parameters()]
    network.mano_head.terms.mesh_terms.lambda_3d = float('nan')
    with pytest.raises(ValueError, match='loss_vertices is nan'):
        step.run()
    assert all(map(torch.equal, before, network.parameters()))
