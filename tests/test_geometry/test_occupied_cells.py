"""Planes of occupied cells only against the planes of all cells that they replace."""

import sys
from pathlib import Path

import pytest
import torch

from mmhand_dne.geometry import three_view
from mmhand_dne.geometry.three_view import three_view_features
from mmhand_dne.hand_model import HandPair

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/benchmarks'))
from former.dense_planes import dense_three_view_features

HANDS, CHANNELS = 4, 12


@pytest.fixture(scope='module')
def hands():
    """Noisy hands and features with many ties, as a ReLU's zeros are."""
    draw = torch.Generator().manual_seed(0)
    template = HandPair().template.expand(HANDS // 2, -1, -1, -1).flatten(0, 1)
    vertices = template + 0.003 * torch.randn(HANDS, 778, 3, generator=draw)
    features = torch.randn(HANDS, 778, CHANNELS, generator=draw).relu()
    weight = torch.randn(HANDS, 778, 3, CHANNELS, generator=draw)
    return features, vertices, weight


def read_and_gradient(function, hands, cells, dtype):
    features, vertices, weight = hands
    leaf = features.to(dtype).requires_grad_()
    read = function(leaf, vertices, cells)
    (gradient,) = torch.autograd.grad(read, leaf, weight.to(dtype))
    return read, gradient


@pytest.fixture(params=['counted', 'bounded'])
def counting(request, monkeypatch):
    """As on a CPU, and as on a device whose numbers cannot be read without a wait."""
    free = request.param == 'counted'
    monkeypatch.setattr(three_view, 'reading_is_free', lambda tensor: free)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('cells', [1, 2, 16, 64])
def test_output_and_gradient_are_those_of_all_cells_bit_for_bit(
    hands, cells, dtype, counting
):
    found = read_and_gradient(three_view_features, hands, cells, dtype)
    wanted = read_and_gradient(dense_three_view_features, hands, cells, dtype)
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1])
    assert found[1].count_nonzero() > 0


@pytest.mark.parametrize('block_bytes', [1, 2 * 778 * CHANNELS * 4, 2**20])
def test_hands_pooled_one_by_one_give_the_same_bits(hands, monkeypatch, block_bytes):
    monkeypatch.setattr(three_view, 'BLOCK_BYTES', block_bytes)
    found = read_and_gradient(three_view_features, hands, 16, torch.float32)
    wanted = read_and_gradient(dense_three_view_features, hands, 16, torch.float32)
    assert all(map(torch.equal, found, wanted))


def test_the_same_with_deterministic_algorithms(hands):
    wanted = read_and_gradient(three_view_features, hands, 16, torch.float32)
    torch.use_deterministic_algorithms(True)
    try:
        found = read_and_gradient(three_view_features, hands, 16, torch.float32)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(map(torch.equal, found, wanted))


class _Sizes(torch.utils._python_dispatch.TorchDispatchMode):
    """The largest tensor that any operator makes, in numbers."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.largest = max(self.largest, made.numel())
        return made


@pytest.mark.usefixtures('counting')
def test_cells_that_nobody_is_in_take_no_memory(hands):
    with _Sizes() as sizes:
        read_and_gradient(three_view_features, hands, 256, torch.float32)
    assert sizes.largest <= hands[2].numel()
    with _Sizes() as sizes:
        read_and_gradient(dense_three_view_features, hands, 256, torch.float32)
    assert sizes.largest == HANDS * 3 * 256**2 * CHANNELS  # what it was before
