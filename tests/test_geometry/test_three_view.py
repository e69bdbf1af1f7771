"""Scatter-max planes against the voxel grid they replace."""

import pytest
import torch
import torch.nn.functional as F

from mmhand_dne.geometry.three_view import (
    cells_are_cheaper,
    three_view_features,
    three_views,
    vertex_cells,
)
from tests.oracles.three_view_grid import dense_grid_features


def cloud(count=40, channels=5, groups=2, seed=0):
    draw = torch.Generator().manual_seed(seed)
    vertices = torch.randn(groups, count, 3, generator=draw, dtype=torch.float64)
    # Distinct values: no ties, so that the gradients are defined.
    features = torch.randperm(groups * count * channels, generator=draw).double()
    return features.view(groups, count, channels) - 100, 0.05 * vertices


@pytest.mark.parametrize('cells', [1, 4, 9])
def test_planes_equal_dense_grid(cells):
    features, vertices = cloud()
    fast = three_view_features(features, vertices, cells)
    torch.testing.assert_close(fast, dense_grid_features(features, vertices, cells))


@pytest.mark.parametrize('cells', [2, 7])
def test_gradients_equal_dense_grid(cells):
    features, vertices = cloud(count=20)
    weight = torch.randn(
        2, 20, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    grads = []
    for function in (three_view_features, dense_grid_features):
        leaf = features.clone().requires_grad_()
        (function(leaf, vertices, cells) * weight).sum().backward()
        grads.append(leaf.grad)
    torch.testing.assert_close(*grads)


def test_cells_divide_by_the_largest_extent():
    vertices = torch.tensor([[0.0, 0, 0], [0.2, 0.1, 0], [0.1, 0.05, 0.05]])
    expected = torch.tensor([[0, 0, 0], [9, 5, 0], [5, 2, 2]])
    assert torch.equal(vertex_cells(vertices.double(), 10), expected)


def test_hands_do_not_share_a_grid():
    features, vertices = cloud()
    alone = three_view_features(features[:1], vertices[:1], 4)
    torch.testing.assert_close(three_view_features(features, vertices, 4)[:1], alone)


def test_coincident_vertices_are_finite():
    features = torch.randn(1, 6, 2, requires_grad=True)
    read = three_view_features(features, torch.zeros(1, 6, 3), 8)
    read.sum().backward()
    assert read.isfinite().all() and features.grad.isfinite().all()


def test_ties_share_the_gradient():
    vertices = torch.zeros(1, 3, 3)
    vertices[0, 2] = 1.0  # the first two share every cell
    features = torch.tensor([[[5.0], [5.0], [1.0]]], requires_grad=True)
    three_view_features(features, vertices, 2).sum().backward()
    # Two vertices read the tied maximum in three views; each gets half of 6.
    torch.testing.assert_close(features.grad.flatten(), torch.tensor([3.0, 3.0, 3.0]))


@pytest.mark.parametrize('cells', [1, 4, 9])
def test_a_linear_map_of_the_cells_is_that_of_what_vertices_read(cells):
    features, vertices = cloud()
    draw = torch.Generator().manual_seed(3)
    weight = torch.randn(7, 3 * 5, dtype=torch.float64, generator=draw)
    factor = torch.randn(2, 40, 7, dtype=torch.float64, generator=draw)
    results = []
    for of_cells in (True, False):
        leaves = features.clone().requires_grad_(), weight.clone().requires_grad_()
        if of_cells:
            mapped = three_views(leaves[0], vertices, cells).linear(leaves[1])
        else:
            read = dense_grid_features(leaves[0], vertices, cells)
            mapped = F.linear(read.flatten(2), leaves[1])
        results.append((mapped, *torch.autograd.grad((mapped * factor).sum(), leaves)))
    for ours, reference in zip(*results):
        torch.testing.assert_close(ours, reference)


def test_cells_are_mapped_only_to_fewer_channels_and_where_they_are_counted():
    features = torch.zeros(2, 40, 5)
    assert cells_are_cheaper(features, 4)
    assert not cells_are_cheaper(features, 5)
    assert not cells_are_cheaper(features.to('meta'), 4)
