"""Keyed draws: distribution, independence, and dependence on the key alone."""

import numpy as np
import torch
from mmengine.logging import MessageHub
from mmpose.structures import PoseDataSample
from scipy import stats
from torch.utils._python_dispatch import TorchDispatchMode

from mmhand_dne.randomness.keys import (
    batch_keys,
    fold_in,
    folded,
    normal_from_keys,
    uniform_from_keys,
)


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
    ours = uniform_from_keys(torch.tensor([key]), (5,))[0]
    np.testing.assert_allclose(ours, (np.array(expected) + 0.5) * 2.0**-53, rtol=0)


def test_draws_are_standard_normal():
    draws = normal_from_keys(torch.arange(8), (20000,), torch.float64)
    assert stats.kstest(draws.flatten().numpy(), 'norm').pvalue > 1e-3
    # Fixed keys: the correlation is one number, well inside 5 / sqrt(n).
    correlation = np.corrcoef(draws.numpy())
    assert np.abs(correlation - np.eye(8)).max() < 5 / np.sqrt(20000)


def test_an_image_draws_the_same_in_any_batch():
    keys = fold_in(fold_in(torch.arange(6), 3), 17)
    whole = normal_from_keys(keys, (4, 5))
    torch.testing.assert_close(
        normal_from_keys(keys[4:5], (4, 5))[0], whole[4], rtol=0, atol=0
    )


def test_folding_changes_every_draw():
    keys = torch.arange(4)
    first = normal_from_keys(fold_in(keys, 1), (100,))
    second = normal_from_keys(fold_in(keys, 2), (100,))
    assert (first - second).abs().min() > 0


def test_an_integer_folds_as_the_tensor_that_holds_it():
    keys = torch.tensor([0, -7, 2**62, -(2**63)])
    for number in (0, 1, -1, 7001, 2**31, -(2**40), 2**63 - 1, -(2**63)):
        assert torch.equal(fold_in(keys, number), fold_in(keys, torch.tensor(number)))


def test_folding_on_the_host_gives_the_devices_keys():
    keys = torch.tensor([0, 5, -7, 2**62, -(2**63)])
    for numbers in ((), (3,), (0, 17), (-1, 2**63 - 1, -(2**63))):
        wanted = keys
        for number in numbers:
            wanted = fold_in(wanted, number)
        found = torch.from_numpy(folded(keys.tolist(), *numbers))
        assert torch.equal(found, wanted)


class Calls(TorchDispatchMode):
    """Operators called."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def test_a_batchs_keys_are_made_on_the_host(monkeypatch):
    hub = MessageHub.get_instance('keys')
    monkeypatch.setattr(MessageHub, 'get_current_instance', lambda: hub)
    hub.update_info('seed', 3)
    hub.update_info('iter', 17)
    samples = [PoseDataSample(metainfo=dict(sample_idx=i)) for i in range(6)]
    with Calls() as calls:
        keys = batch_keys(samples, 'cpu')
    assert calls.count <= 1  # 29 before
    assert torch.equal(keys, fold_in(fold_in(torch.arange(6), 3), 17))
