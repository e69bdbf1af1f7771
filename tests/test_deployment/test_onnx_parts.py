"""The parts that stand in while a model is exported compute what the model does."""

import pytest
import torch
from mmpose.registry import MODELS
from torch import nn

from mmhand_dne.deployment.onnx_parts import STAND_INS, blocks_below, exportable
from mmhand_dne.hand_model import HandPair, SingleHand
from mmhand_dne.models.covariances.covariance import FullCovariance
from mmhand_dne.models.fitting.positive_solve import PositiveSolve
from mmhand_dne.models.necks import ThreeViewVoxelNeck


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stand_in(part):
    return STAND_INS[type(part)](part)


@pytest.fixture(scope='module')
def pair():
    return HandPair()


@pytest.mark.parametrize('cells', [1, 5, 16])
def test_views_by_scatter_equal_those_by_segments(cells):
    neck = ThreeViewVoxelNeck(cells)
    features, vertices = random(3, 2, 50, 4), random(3, 2, 50, 3, seed=1)
    torch.testing.assert_close(
        stand_in(neck)(features, vertices), neck(features, vertices), rtol=0, atol=0
    )


def test_dense_graphs_equal_sparse_ones(pair):
    part = MODELS.build(
        dict(
            type='NoiseGraphAttention',
            in_channels=6,
            out_channels=3,
            hand_model=pair,
            hidden_channels=16,
        )
    ).eval()
    nn.init.normal_(part.last.weight)
    features = random(2, 2, 778, 6)
    torch.testing.assert_close(
        stand_in(part)(features), part(features), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize('variances', ['mixed', 'apart'])
@pytest.mark.parametrize('slots', [1, 2])
def test_a_fixed_map_gives_the_covariance_of_its_factors(slots, variances):
    part = MODELS.build(
        dict(
            type='CorrelatedCovariance',
            in_channels=8,
            dim=12,
            unit=0.02,
            num_slots=slots,
            variances=variances,
        )
    )
    part.set_mixing(torch.eye(12) + 0.1 * random(slots, 12, 12).squeeze(0))
    check_covariance(part, random(3, slots, 8) if slots > 1 else random(3, 8))


@pytest.mark.parametrize('dim', [3, 12, 60])
def test_the_inverse_by_blocks_gives_the_covariance_of_the_solver(dim):
    part = FullCovariance(8, dim, unit=0.02)
    nn.init.normal_(part.fc_tril.weight, std=0.1)
    check_covariance(part, random(3, 8))


def test_the_square_form_is_refused_for_export():
    part = FullCovariance(8, 12, form='square')
    with pytest.raises(ValueError, match='has no ONNX form'):
        stand_in(part)


def check_covariance(part, token):
    mean = torch.zeros(*token.shape[:-1], part.dim)
    new = stand_in(part)
    ours, theirs = (x.gaussian(x(token), mean).covariance() for x in (new, part))
    ours, theirs = ours.detach(), theirs.detach()
    assert theirs.abs().max() > 1e-5
    torch.testing.assert_close(
        ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max())
    )


def test_blocks_cover_everything_below_the_diagonal_once():
    torch.testing.assert_close(blocks_below(13).sum(0), torch.ones(13, 13).tril(-1))
    assert len(blocks_below(1)) == 0


def test_a_model_is_itself_again_after_the_export():
    hand = SingleHand(backend='smplx')
    model = nn.ModuleDict(dict(hand=hand, neck=ThreeViewVoxelNeck(4)))
    before = list(model.modules())
    with pytest.raises(RuntimeError, match='inside'), exportable(model):
        assert type(model.neck) is not ThreeViewVoxelNeck
        assert model.hand.right.backend == 'own'
        raise RuntimeError('inside')
    assert list(model.modules()) == before


def test_the_ablation_without_a_map_is_left_alone():
    part = MODELS.build(
        dict(type='CorrelatedCovariance', in_channels=8, dim=12, linear=False)
    )
    with exportable(nn.ModuleList([part])) as parts:
        assert parts[0] is part


@pytest.mark.parametrize('condition', [1.0, 100.0, 1000.0])
def test_the_iterated_inverse_solves_as_a_solver_does(condition):
    turn = torch.linalg.qr(random(61, 61).double())[0]
    values = torch.linspace(0, 1, 61).double()
    matrix = turn @ torch.diag(condition**values) @ turn.mT
    right = random(1, 61, seed=1).double()
    wanted = torch.linalg.solve(matrix, right[0])
    part = PositiveSolve()
    for solve in (part, stand_in(part)):
        found = solve(matrix[None].float(), right.float())[0]
        assert (found - wanted).norm() < 3e-7 * condition * wanted.norm()
