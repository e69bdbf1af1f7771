"""The perceptron behind the noise: rows, and the three views' cells."""

import pytest
import torch

from mmhand_dne.geometry.three_view import three_views
from mmhand_dne.models.layers import NoiseMLP


def test_its_relus_copy_nothing():
    """In place on a view of more axes, each would copy its base both ways."""
    estimator = NoiseMLP(12, 3, hidden_channels=8)
    features = torch.randn(2, 2, 10, 12, requires_grad=True)
    with torch.profiler.profile() as profile:
        estimator(features).sum().backward()
    names = [event.key for event in profile.key_averages()]
    assert not [name for name in names if 'CopySlices' in name or 'AsStrided' in name]


@pytest.mark.parametrize('extra_channels', [0, 4])
def test_of_the_views_cells_it_is_that_of_the_vertices_features(extra_channels):
    draw = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=draw)

    torch.manual_seed(0)
    estimator = NoiseMLP(3 * 5 + extra_channels, 3, hidden_channels=4).double()
    torch.nn.init.normal_(estimator.last.weight)
    features = random(2, 30, 5).requires_grad_()
    extra = random(2, 30, extra_channels) if extra_channels else None
    vertices, factor = random(2, 30, 3), random(2, 30, 3)
    leaves, results = [features, *estimator.parameters()], []
    for of_cells in (True, False):
        views = three_views(features, vertices, 4)
        if of_cells:
            mean = estimator.of_views(views, extra)
        else:
            read = views.features().flatten(2)
            mean = estimator(read if extra is None else torch.cat([read, extra], -1))
        results.append((mean, *torch.autograd.grad((mean * factor).sum(), leaves)))
    for ours, reference in zip(*results):
        torch.testing.assert_close(ours, reference)
    assert estimator.takes_cells(features) and results[0][1].count_nonzero() > 0
