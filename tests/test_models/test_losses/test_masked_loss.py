"""The one reduction: means over valid elements, also over processes."""

import pytest
import torch
import torch.multiprocessing as mp

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
