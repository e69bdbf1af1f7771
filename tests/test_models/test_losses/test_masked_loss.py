"""The one reduction: means over valid elements, also over processes."""

import pytest
import torch
import torch.multiprocessing as mp
from torch.utils._python_dispatch import TorchDispatchMode

from mmhand_dne.models.losses import MaskedL1Loss, masked_mean


def test_mean_over_valid_elements():
    values = torch.arange(12.0).view(2, 2, 3)
    mask = torch.tensor([[1, 0], [0, 1]])
    expected = (0 + 1 + 2 + 9 + 10 + 11) / 6
    assert masked_mean(values, mask).item() == pytest.approx(expected)


def test_nothing_valid_is_zero_with_a_graph():
    values = torch.ones(3, 2, requires_grad=True)
    loss = masked_mean(values, torch.zeros(3))
    loss.backward()
    assert loss.item() == 0 and torch.equal(values.grad, torch.zeros(3, 2))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match='differ in shape'):
        MaskedL1Loss()(torch.zeros(3, 1), torch.zeros(3))


def _rank_gradient(rank, world, port, result):
    torch.distributed.init_process_group(
        'gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=world
    )
    weight = torch.tensor(2.0, requires_grad=True)
    values = weight * torch.arange(10.0).view(5, 2)[rank::2]
    mask = torch.tensor([1, 1, 0, 0, 1])[rank::2]  # ranks see 2 and 1 valid rows
    masked_mean(values, mask).backward()
    grad = weight.grad / world
    torch.distributed.all_reduce(grad)
    result[rank] = grad.item()
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_gradient_of_one():
    weight = torch.tensor(2.0, requires_grad=True)
    values = weight * torch.arange(10.0).view(5, 2)
    masked_mean(values, torch.tensor([1, 1, 0, 0, 1])).backward()
    result = mp.get_context('spawn').Manager().dict()
    mp.spawn(_rank_gradient, (2, 29871, result), nprocs=2)
    assert result[0] == pytest.approx(weight.grad.item(), rel=1e-6)
    assert result[1] == pytest.approx(weight.grad.item(), rel=1e-6)


@pytest.mark.parametrize('shape', [(4,), (4, 2), (4, 1, 5), (4, 2, 5), (4, 1, 1)])
def test_counting_before_spreading_changes_no_bit(shape):
    """Against a mask of the values' own shape, also in the gradient."""
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(4, 2, 5, generator=draw)
    mask = (torch.rand(shape, generator=draw) > 0.4).float()
    full = mask.reshape(*shape, *[1] * (3 - len(shape))).expand_as(values)
    found = []
    for given in (mask, mask.bool(), full.contiguous()):
        leaf = values.clone().requires_grad_()
        loss = masked_mean(leaf, given)
        loss.backward()
        found.append((loss.detach(), leaf.grad))
    wanted = (values * full).sum() / full.sum()
    assert mask.any() and torch.equal(found[0][0], wanted)
    for loss, gradient in found[1:]:
        assert torch.equal(loss, wanted) and torch.equal(gradient, found[0][1])


class Calls(TorchDispatchMode):
    """Operators called, views not counted."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._overloadpacket.__name__
        if name not in ('view', 'expand', 'detach', 'unsqueeze', '_unsafe_view'):
            self.names.append(name)
        return function(*args, **(kwargs or {}))


def test_a_mean_takes_six_calls():
    values, mask = torch.randn(4, 2, 5), torch.ones(4, 2)
    with Calls() as calls:
        masked_mean(values, mask)
    assert len(calls.names) <= 6, calls.names
