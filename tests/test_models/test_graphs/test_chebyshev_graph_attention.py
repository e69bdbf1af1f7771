"""Chebyshev convolutions against the spectrum they are defined on, and the variant."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.mesh import unique_edges
from mmhand_dne.models.graphs.chebyshev_graph_attention import (
    ChebyshevGraphAttention,
    cluster_edges,
    membership,
)
from mmhand_dne.models.graphs.graph_level import ChebyshevConv, scaled_laplacian
from tests.fake_samples import hand_pair
from tests.tiny_hand import TinyHand

ROOT = Path(__file__).resolve().parents[3]
PAPER = ROOT / 'configs/dne/dne-graph_res50_4xb30-30e_interhand26m-256x256.py'
SMALL = dict(
    num_clusters=(4, 8, 15), in_widths=(16, 12, 8), widths=(12, 8, 8), num_heads=2
)


def tiny(**changes):
    torch.manual_seed(0)
    return ChebyshevGraphAttention(5, 3, hand_model=TinyHand(30), **SMALL, **changes)


def test_the_laplacian_of_a_star_is_known():
    found = scaled_laplacian(torch.tensor([[0, 1], [0, 2], [0, 3]]), 4)
    # L has the eigenvalues 0, 1, 1, 2; so 2 L / 2 - I is -D^-1/2 A D^-1/2.
    wanted = torch.zeros(4, 4)
    wanted[0, 1:] = wanted[1:, 0] = -(3**-0.5)
    torch.testing.assert_close(found, wanted)


def test_a_convolution_is_the_polynomials_of_the_spectrum():
    """T_k(x) = cos(k arccos x) on the eigenvalues, without the recursion."""
    edges = unique_edges(hand_pair().faces[0])
    edges = edges[(edges < 60).all(1)]
    laplacian = scaled_laplacian(edges, 60)
    values, vectors = torch.linalg.eigh(laplacian.double())
    assert values.max() == pytest.approx(1, abs=1e-5) and values.min() >= -1 - 1e-5
    nodes = torch.randn(2, 60, 3, generator=torch.Generator().manual_seed(0))
    angles = values.clamp(-1, 1).arccos()
    terms = [
        vectors @ ((k * angles).cos()[:, None] * (vectors.T @ nodes.double()))
        for k in range(5)
    ]
    conv = ChebyshevConv(3, 4, order=5)
    wanted = torch.cat(terms, -1).float() @ conv.linear.weight.T + conv.linear.bias
    torch.testing.assert_close(conv(nodes, laplacian), wanted, rtol=1e-4, atol=1e-4)


def test_nodes_further_than_the_order_are_not_seen():
    path = torch.stack([torch.arange(9), torch.arange(1, 10)], 1)
    laplacian, conv = scaled_laplacian(path, 10), ChebyshevConv(1, 1, order=3)
    nodes = torch.zeros(1, 10, 1)
    with torch.no_grad():
        base = conv(nodes, laplacian)
        nodes[0, 0] = 1
        reached = (conv(nodes, laplacian) - base).abs()[0, :, 0] > 1e-6
    assert reached.tolist() == [True] * 3 + [False] * 7


def test_levels_average_and_join_what_the_mesh_joins():
    cluster = torch.tensor([0, 0, 1, 2, 2])
    share = membership(cluster, 3)
    values = torch.tensor([[1.0], [3], [5], [7], [9]])
    assert (share @ values).flatten().tolist() == [2, 5, 8]
    edges = torch.tensor([[0, 1], [1, 2], [3, 4], [2, 3]])
    assert cluster_edges(edges, cluster).tolist() == [[0, 1], [1, 2]]


def test_an_untrained_variant_changes_nothing_and_a_gradient_reaches_all_of_it():
    model = tiny()
    features = torch.randn(2, 2, 30, 5)
    assert (model(features) == 0).all()
    torch.nn.init.normal_(model.last.weight)
    model(features).pow(2).sum().backward()
    silent = [n for n, p in model.named_parameters() if not p.grad.abs().sum() > 0]
    assert not silent


def test_what_one_hand_shows_reaches_the_other():
    model = tiny().eval()
    torch.nn.init.normal_(model.last.weight)
    features = torch.randn(1, 2, 30, 5)
    with torch.no_grad():
        base = model(features)
        features[0, 0, 3] += 1
        change = (model(features) - base).abs().sum(-1)[0]
    assert (change[1] > 0).all()


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match='one of each for every level'):
        ChebyshevGraphAttention(5, 3, hand_model=TinyHand(30), widths=(8, 8))
    with pytest.raises(UserError, match='needs hand_model'):
        ChebyshevGraphAttention(5, 3)
    with pytest.raises(UserError, match='order is 0'):
        ChebyshevConv(1, 1, order=0)


def test_the_papers_variant_has_intaghands_widths():
    estimator = Config.fromfile(str(PAPER)).model.refine_head.estimator
    model = MODELS.build(
        dict(estimator, in_channels=64, out_channels=3, hand_model=hand_pair())
    )
    assert type(model) is ChebyshevGraphAttention
    shapes = [
        tuple(tuple(conv.linear.weight.shape) for conv in level.convs)
        for level in model.levels
    ]
    for shape, before, after in zip(shapes, (512, 256, 128), (256, 128, 64)):
        # Two polynomials; four convolutions a level.
        assert shape == ((after, 2 * before), *[(after, 2 * after)] * 3)
    features = torch.randn(1, 2, 778, 64)
    assert model(features).shape == (1, 2, 778, 3)
