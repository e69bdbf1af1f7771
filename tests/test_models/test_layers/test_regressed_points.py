"""The order of the two linear maps of u_r changes what they cost and nothing else."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mmhand_dne.hand_model import HandPair
from mmhand_dne.models.layers.regressed_points import MAX_NDC, RegressedPoints

SIZE = (6, 6)


class CellsFirst(RegressedPoints):
    """As the paper's text has it: over the cells, then over the channels."""

    def first_of_perceptron(self, cells):
        return self.shared[0](self.spatial(cells).transpose(1, 2))


def built(channels, hidden, pool=1, dtype=torch.float64):
    torch.manual_seed(0)
    pair, size = HandPair(), (SIZE[0] * pool, SIZE[1] * pool)
    parts = [
        kind(channels, size, pair, hidden, pool)
        for kind in (RegressedPoints, CellsFirst)
    ]
    torch.nn.init.normal_(parts[0].shared[-1].weight, std=0.5)
    torch.nn.init.normal_(parts[0].shared[0].bias)
    torch.nn.init.normal_(parts[0].spatial.bias)
    parts[1].load_state_dict(parts[0].state_dict())
    features = torch.randn(2, channels, *size).to(dtype).requires_grad_()
    return [part.to(dtype) for part in parts], features


def with_gradients(part, features):
    points, read = part(features)
    leaves = [features, *part.parameters()]
    return [
        points,
        read,
        *torch.autograd.grad(points.square().sum() + read.sum(), leaves),
    ]


@pytest.mark.parametrize('pool', [1, 2])
def test_points_features_and_gradients_are_the_same(pool):
    (ours, theirs), features = built(24, 8, pool)
    found, wanted = (with_gradients(part, features) for part in (ours, theirs))
    for name, one, other in zip(range(99), found, wanted):
        worst = (one - other).abs().max() / other.abs().max()
        assert worst <= 1e-14, (name, float(worst))
    assert 0.05 < (found[0] - MAX_NDC * torch.tanh(ours.start)).abs().max()


@pytest.mark.parametrize('channels, hidden', [(8, 8), (8, 16)])
def test_few_channels_go_over_the_cells_first_bit_for_bit(channels, hidden):
    (ours, theirs), features = built(channels, hidden, dtype=torch.float32)
    found, wanted = (with_gradients(part, features) for part in (ours, theirs))
    assert all(map(torch.equal, found, wanted))


def test_many_channels_cost_a_third():
    counts = []
    parts, features = built(256, 64, dtype=torch.float32)
    for part in parts:
        with FlopCounterMode(display=False) as counter:
            points, read = part(features)
            (points.sum() + read.sum()).backward()
        counts.append(counter.get_total_flops())
    assert counts[0] < 0.4 * counts[1]


def test_half_precision_regresses_the_same_points_as_float32():
    (ours, _), features = built(24, 8, dtype=torch.float32)
    wanted, _ = ours(features)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found, _ = ours(features)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.03)
    assert found.dtype == torch.float32
