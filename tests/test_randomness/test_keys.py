"""Keyed draws: bits, distribution, independence, and dependence on the key alone."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from mmpose.structures import PoseDataSample
from scipy import stats
from torch.utils._python_dispatch import TorchDispatchMode

from mmhand_dne.models.data_preprocessors.gaussian_noise import BatchGaussianNoise
from mmhand_dne.models.layers.noise_model import NoiseDraws
from mmhand_dne.randomness import keys as module
from mmhand_dne.randomness.keys import (
    batch_keys,
    fold_in,
    normal_from_keys,
    uniform_from_keys,
)

ROOT = Path(__file__).parents[2]
KEYS = np.array([0, 5, -7, 2**62, -(2**63)])
SHAPES = [(3, 40, 70), (4, 2, 778, 3), (3, 5, 1), (1,), (2, 0)]


@pytest.fixture
def former(monkeypatch):
    """The draws as they were at first, which numbers in README hang on."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    known = {'former', 'former.keyed_draws'} & set(sys.modules)
    from former import keyed_draws

    yield keyed_draws
    for name in {'former', 'former.keyed_draws'} - known:
        sys.modules.pop(name, None)


def splitmix64(state):
    """The published generator, in Python integers."""
    mask = (1 << 64) - 1
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & mask
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & mask
    return state ^ (state >> 31)


def test_bits_equal_the_published_generator():
    key, mask = 12345, (1 << 64) - 1
    start = splitmix64(key)
    expected = [
        splitmix64((start + n * 0x9E3779B97F4A7C15) & mask) >> 11 for n in range(1, 6)
    ]
    ours = uniform_from_keys([key], 5)[0]
    np.testing.assert_array_equal(ours, (np.array(expected) + 0.5) * 2.0**-53)


def test_a_key_is_folded_as_the_published_generator_mixes():
    mask, golden = (1 << 64) - 1, 0x9E3779B97F4A7C15
    for number in (0, 1, -1, 7001, 2**31, -(2**40), 2**63 - 1, -(2**63)):
        mixed = splitmix64((number + golden) & mask)
        wanted = [splitmix64((key * golden + mixed) & mask) for key in KEYS.tolist()]
        assert fold_in(KEYS, number).view(np.uint64).tolist() == wanted
    assert fold_in(KEYS, 3, -17).tolist() == fold_in(fold_in(KEYS, 3), -17).tolist()
    assert fold_in(KEYS).tolist() == KEYS.tolist()


@pytest.mark.parametrize('here', [True, False])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_draws_are_the_former_ones_to_the_bit(former, monkeypatch, here, dtype):
    """On a CPU, and operator by operator as on another device."""
    monkeypatch.setattr(module, 'is_host', lambda device: here)
    for shape in SHAPES:
        wanted = former.normal_from_keys(torch.from_numpy(KEYS), shape, dtype)
        found = normal_from_keys(KEYS, shape, dtype)
        assert found.dtype == dtype and torch.equal(found, wanted)


def test_a_steps_draws_are_the_former_ones_to_the_bit(former, hub):
    samples = [PoseDataSample(metainfo=dict(sample_idx=i)) for i in (4, 900)]
    inputs = torch.randn(2, 3, 9, 7)
    keys, augment = batch_keys(samples), BatchGaussianNoise(0.3)
    assert keys.tolist() == former.batch_keys(samples).tolist()
    wanted = former.noisy(augment, inputs, samples)[0]
    assert torch.equal(augment(inputs, samples)[0], wanted)
    draws = NoiseDraws(4, keys, num_stages=3)
    for stage in range(3):
        for axes in (2, 3):
            mean = torch.zeros(2, 1, 2, 5, axes)
            wanted = former.stage_normal(draws, stage, mean)
            assert torch.equal(draws.of_stage(stage).normal(mean), wanted)


def test_draws_are_standard_normal():
    draws = normal_from_keys(np.arange(8), (20000,), torch.float64)
    assert stats.kstest(draws.flatten().numpy(), 'norm').pvalue > 1e-3
    # Fixed keys: the correlation is one number, well inside 5 / sqrt(n).
    correlation = np.corrcoef(draws.numpy())
    assert np.abs(correlation - np.eye(8)).max() < 5 / np.sqrt(20000)


def test_an_image_draws_the_same_in_any_batch():
    keys = fold_in(np.arange(6), 3, 17)
    for shape in SHAPES:
        whole = normal_from_keys(keys, shape)
        assert torch.equal(normal_from_keys(keys[4:5], shape)[0], whole[4])


def test_folding_changes_every_draw():
    keys = np.arange(4)
    first = normal_from_keys(fold_in(keys, 1), (100,))
    second = normal_from_keys(fold_in(keys, 2), (100,))
    assert (first - second).abs().min() > 0


VIEWS = {'slice', 'select', 'view', 'detach', 'alias', 'unsqueeze', 'lift_fresh'}


class Calls(TorchDispatchMode):
    """Operators called, views left out."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function._overloadpacket.__name__ not in VIEWS
        return function(*args, **(kwargs or {}))


@pytest.fixture
def hub(monkeypatch):
    """What a runner publishes."""
    hub = MessageHub.get_instance('keys')
    monkeypatch.setattr(MessageHub, 'get_current_instance', lambda: hub)
    hub.update_info('seed', 3)
    hub.update_info('iter', 17)
    return hub


def test_a_batchs_keys_are_made_on_the_host(hub):
    samples = [PoseDataSample(metainfo=dict(sample_idx=i)) for i in range(6)]
    with Calls() as calls:
        keys = batch_keys(samples)
    assert calls.count == 0  # 29 at first
    assert np.array_equal(keys, fold_in(np.arange(6), 3, 17))


@pytest.mark.parametrize('way, most', [('host', 12), ('device', 84), ('fused', 3)])
def test_a_step_draws_in_a_few_calls(monkeypatch, way, most):
    """557 when every stage and axis was hashed apart, in int64."""
    monkeypatch.setattr(module, 'is_host', lambda device: way == 'host')
    monkeypatch.setattr(module, 'launch', lambda starts, normal, pairs: None)
    monkeypatch.setattr(
        'mmhand_dne.models.layers.fused_stage.require_kernels', lambda device: None
    )
    keys, means = np.arange(2), [torch.zeros(2, 1, 2, 9, n) for n in (2, 3)]
    with Calls() as calls:
        normal_from_keys(keys, (3, 8, 8), fused=way == 'fused')
        draws = NoiseDraws(4, keys, 3, fused=way == 'fused')
        for stage in map(draws.of_stage, range(3)):
            for mean in means:
                stage.normal(mean)
    assert calls.count <= most
