"""Variances apart from W: what images share, and what teaches sigma."""

import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.models.covariances.correlated_covariance import CorrelatedCovariance

IN, D = 16, 12


def make(variances, seed=0, dtype=torch.float32, **options):
    torch.manual_seed(seed)
    part = CorrelatedCovariance(IN, D, unit=0.02, variances=variances, **options)
    part = part.to(dtype)
    torch.nn.init.normal_(part.fc_log_var.weight, std=0.1)
    part.set_mixing(torch.eye(D) + 0.5 * torch.randn(D, D))
    return part


def batch(part, rows=6):
    """Tokens, residuals, and coordinates of joints that are shown."""
    draw, dtype = torch.Generator().manual_seed(1), part.base.dtype
    token = torch.randn(rows, IN, generator=draw, dtype=dtype)
    residual = 0.03 * torch.randn(rows, D, generator=draw, dtype=dtype)
    joints = torch.rand(rows, D // 3, generator=draw) > 0.4
    joints[:, 0] = True  # a row without any has no density
    return token, residual, joints.repeat_interleave(3, -1)


def test_apart_images_share_one_correlation_and_no_variance():
    part = make('apart', dtype=torch.float64)
    token, residual, _ = batch(part)
    hands = part.gaussian(part(token), residual)
    covariance, std = hands.covariance(), hands.std()
    correlation = covariance / (std[..., :, None] * std[..., None, :])
    expected = part.correlation().expand_as(correlation)
    torch.testing.assert_close(correlation, expected)
    assert (correlation - torch.eye(D)).abs().max() > 0.1
    # Another sigma of one coordinate is another variance of this one alone.
    params = part(token)
    moved = params.log_var.clone()
    moved[:, 4] += 1
    other = part.gaussian(params._replace(log_var=moved), residual).std()
    changed = torch.zeros(D, dtype=torch.bool)
    changed[4] = True
    assert torch.equal((other / std - 1).abs() > 1e-9, changed.expand(len(token), D))


def test_weights_of_one_kind_of_variances_are_not_taken_for_the_other():
    apart, mixed = make('apart'), make('mixed')
    for one, other in ((apart, mixed), (mixed, apart)):
        with pytest.raises(ValueError, match='would be another density'):
            other.load_state_dict(one.state_dict())
    for part in (apart, mixed):
        variances = 'apart' if part.apart else 'mixed'
        again = make(variances, seed=3)
        again.load_state_dict(part.state_dict())
        assert torch.equal(again.mixing(), part.mixing())
    assert torch.equal(apart.state_dict()['correlation'], apart.correlation())
    with pytest.raises(ValueError, match="variances='apart' only"):
        mixed.correlation()


def test_the_released_loss_refuses_scales_behind_w():
    part = make('apart', train_mixing=False)
    token, residual, _ = batch(part)
    loss = MODELS.build(dict(type='CorrelatedGaussianNLLLoss', mode='released'))
    target = residual.unflatten(-1, (-1, 3))
    with pytest.raises(ValueError, match='knows sigma of z only'):
        loss(part(token), torch.zeros_like(target), target)


@pytest.mark.parametrize('hidden', [False, True])
def test_margins_teach_sigma_as_the_diagonal_does_and_w_by_the_joint_density(hidden):
    part = make('apart', dtype=torch.float64)
    token, residual, visible = batch(part)
    target = 30 * residual.unflatten(-1, (-1, 3))
    shown = visible[..., ::3] if hidden else None

    def gradients(kind, **options):
        loss = MODELS.build(dict(type=f'{kind}GaussianNLLLoss', **options))
        mean = torch.zeros_like(target, requires_grad=True)
        params = part(token)
        if kind == 'Diagonal':
            params = params._replace(mixing=None)
        value = loss(params, mean, target, shown)
        inputs = [mean, part.fc_log_var.weight, part.lower_upper]
        return value, *torch.autograd.grad(value, inputs, allow_unused=True)

    margins = gradients('Correlated', mode='margins')
    diagonal, exact = gradients('Diagonal'), gradients('Correlated')
    torch.testing.assert_close(margins[0], diagonal[0] + exact[0])
    torch.testing.assert_close(margins[1:3], diagonal[1:3])
    torch.testing.assert_close(margins[3], exact[3])
    assert (exact[2] - diagonal[2]).abs().max() > 1e-3  # else nothing is shown


def test_margins_need_variances_that_are_apart():
    part = make('mixed')
    token, residual, _ = batch(part)
    loss = MODELS.build(dict(type='CorrelatedGaussianNLLLoss', mode='margins'))
    target = residual.unflatten(-1, (-1, 3))
    with pytest.raises(ValueError, match="with variances='apart'"):
        loss(part(token), torch.zeros_like(target), target)
