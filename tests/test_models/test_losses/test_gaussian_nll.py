"""The Gaussian losses: reduction, hidden joints, modes, precision, bad input."""

import pytest
import torch
from mmpose.registry import MODELS

import mmhand_dne  # noqa: F401 registers the losses
from tests.oracles.gaussians import covariance_of, mixing_of, nll_of

NAMES = ['Diagonal', 'Full', 'Correlated']
K, IN = 5, 8


def make(name, dims=3, seed=0, **options):
    torch.manual_seed(seed)
    part = MODELS.build(
        dict(
            type=f'{name}Covariance',
            in_channels=IN,
            dim=K * dims,
            dims=dims,
            unit=0.1,
            **options,
        )
    )
    if hasattr(part, 'lower_upper'):
        torch.nn.init.normal_(part.lower_upper, std=0.2)
    return part


def batch(dims=3, rows=4, seed=1):
    draw = torch.Generator().manual_seed(seed)
    token = torch.randn(rows, IN, generator=draw)
    mean, target = (0.1 * torch.randn(2, rows, K, dims, generator=draw)).unbind()
    visible = torch.ones(rows, K)
    visible[1, :2] = 0
    visible[2] = 0
    return token, mean, target, visible


def loss_of(name, **options):
    return MODELS.build(dict(type=f'{name}GaussianNLLLoss', **options))


@pytest.mark.parametrize('dims', [2, 3])
@pytest.mark.parametrize('name', NAMES)
def test_mean_over_rows_with_ground_truth_of_the_sum_over_visible_coordinates(
    name, dims
):
    part, (token, mean, target, visible) = make(name, dims), batch(dims)
    params = part(token)
    found = loss_of(name, dims=dims)(params, mean, target, visible)
    shown = visible.bool().repeat_interleave(dims, -1)
    rows = visible.any(-1)
    covariance = covariance_of(f'{name}Covariance', params)
    values = nll_of((target - mean).flatten(1)[rows], covariance[rows], shown[rows])
    assert found.item() == pytest.approx(values.mean().item(), rel=1e-5)
    summed = loss_of(name, dims=dims, reduction='sum', loss_weight=5.0)
    assert summed(params, mean, target, visible).item() == pytest.approx(
        5 * values.sum().item(), rel=1e-5
    )


@pytest.mark.parametrize('name', NAMES)
def test_hidden_targets_may_hold_anything(name):
    part, (token, mean, target, visible) = make(name), batch()
    loss, values, grads = loss_of(name), [], []
    for filler in (0.0, torch.nan, torch.inf):
        target[visible == 0] = filler
        part.zero_grad()
        values.append(loss(part(token), mean, target, visible))
        values[-1].backward()
        grads.append(torch.cat([p.grad.flatten() for p in part.parameters()]))
    assert values[0] == values[1] == values[2] and values[0].isfinite()
    assert torch.equal(grads[0], grads[1]) and grads[0].isfinite().all()


@pytest.mark.parametrize('name', NAMES)
def test_rows_without_ground_truth_add_nothing(name):
    part, (token, mean, target, visible) = make(name), batch()
    loss, keep = loss_of(name), [0, 1, 3]
    token.requires_grad_()
    every = loss(part(token), mean, target, visible)
    some = loss(part(token[keep]), mean[keep], target[keep], visible[keep])
    torch.testing.assert_close(every, some)
    every.backward()
    assert torch.equal(token.grad[2], torch.zeros(IN))
    assert (token.grad[1] != 0).all()


@pytest.mark.parametrize('name', NAMES)
def test_a_joint_never_visible_does_not_change_the_loss_of_the_others(name):
    part, (token, mean, target, _) = make(name), batch()
    visible = torch.ones(4, K)
    visible[:, 3] = 0
    mean.requires_grad_()
    value = loss_of(name)(part(token), mean, target, visible)
    value.backward()
    hidden_gradient = mean.grad[:, 3]
    assert value.isfinite() and torch.equal(hidden_gradient, torch.zeros(4, 3))
    moved = mean.detach().clone()
    moved[:, 3] += 7
    assert loss_of(name)(part(token), moved, target, visible) == value


@pytest.mark.parametrize('name', NAMES)
def test_nothing_visible_is_zero_with_a_graph(name):
    part, (token, mean, target, visible) = make(name), batch()
    value = loss_of(name)(part(token), mean, target, 0 * visible)
    value.backward()
    assert value == 0
    assert all(torch.equal(p.grad, 0 * p) for p in part.parameters())


@pytest.mark.parametrize('name', NAMES)
def test_float32_under_autocast(name):
    part, (token, mean, target, visible) = make(name), batch()
    mean = mean.bfloat16()
    exact = loss_of(name)(part(token), mean.float(), target, visible)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(loss_of(name)(part(token), mean, target, visible), exact)


@pytest.mark.parametrize('name', NAMES)
def test_aligned_data_stay_finite_for_2000_steps(name):
    part = make(name)
    draw = torch.Generator().manual_seed(0)
    scale = torch.linspace(0.002, 0.05, K * 3).reshape(K, 3)
    loss, mean = loss_of(name), torch.zeros(K, 3, requires_grad=True)
    optimiser = torch.optim.Adam(
        [dict(params=[mean], lr=1e-4), dict(params=part.parameters())], lr=5e-3
    )
    first = None
    for _ in range(2000):
        token = torch.randn(16, IN, generator=draw)
        target = scale * torch.randn(16, K, 3, generator=draw)
        value = loss(part(token), mean.expand(16, K, 3), target)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        first = value.detach() if first is None else first
    assert value.isfinite() and all(p.isfinite().all() for p in part.parameters())
    assert value < first - 5
    std = part.gaussian(part(torch.zeros(1, IN)), torch.zeros(1, K, 3)).std()[0]
    torch.testing.assert_close(std.log(), scale.flatten().log(), rtol=0, atol=0.5)


def released_terms(part, token, mean, target, visible):
    """The released code's two terms, written out; squared error in expectation."""
    params, residual = part(token), (target - mean).flatten(1).double()
    log_var, shown = params.log_var.double(), visible.repeat_interleave(3, -1)
    nll = 0.5 * (log_var + residual**2 / (log_var.exp() + 1e-6))
    mixing = (
        torch.eye(K * 3).double() if params.mixing is None else mixing_of(params.mixing)
    )
    spread = (mixing**2 * log_var.exp()[:, None]).sum(-1)
    return (shown * nll).sum(), (shown * (residual**2 + spread)).sum()


@pytest.mark.parametrize('options', [dict(train_mixing=False), dict(linear=False)])
def test_released_mode_is_that_codes_two_terms(options):
    part, (token, mean, target, visible) = make('Correlated', **options), batch()
    if 'train_mixing' in options:
        part.set_mixing(torch.randn(15, 15))
    torch.manual_seed(0)
    nll, squares = released_terms(part, token, mean, target, visible)
    loss = loss_of('Correlated', mode='released', reduction='sum', num_samples=50_000)
    value = loss(part(token), mean, target, visible)
    assert value.item() == pytest.approx((nll + squares).item(), rel=2e-3)
    only_nll = loss_of(
        'Correlated', mode='released', reduction='sum', sample_weight=0.0
    )
    assert only_nll(part(token), mean, target, visible).item() == pytest.approx(
        nll.item(), rel=1e-5
    )


def test_released_mode_refuses_a_trainable_w():
    part, (token, mean, target, _) = make('Correlated'), batch()
    with pytest.raises(ValueError, match='only shrink a trainable W to 0'):
        loss_of('Correlated', mode='released')(part(token), mean, target)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(dims=4), 'dims=4 is 2 or 3'),
        (dict(reduction='none'), "'mean' or 'sum'"),
        (dict(mode='sampled'), "is 'exact', 'margins' or 'released'"),
        (dict(num_samples=0), 'at least 1'),
    ],
)
def test_bad_options_are_refused_when_built(options, message):
    with pytest.raises(ValueError, match=message):
        loss_of('Correlated', **options)


def test_bad_input_is_refused():
    part, (token, mean, target, visible) = make('Diagonal'), batch()
    loss, params = loss_of('Diagonal'), part(token)
    spoilt = target.clone()
    spoilt[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match='1 target coordinates of visible joints'):
        loss(params, mean, spoilt, visible)
    with pytest.raises(ValueError, match='1 predicted coordinates are not finite'):
        loss(params, spoilt, target, visible)
    with pytest.raises(ValueError, match=r'must both be \(..., K, 3\)'):
        loss(params, mean[..., :2], target[..., :2])
    with pytest.raises(ValueError, match='one entry per joint'):
        loss(params, mean, target, visible[..., None])
    with pytest.raises(ValueError, match='set dim of the covariance'):
        loss(params, mean[:, :4], target[:, :4])


@pytest.mark.parametrize(
    'part, loss',
    [
        ('Full', 'Diagonal'),
        ('Diagonal', 'Full'),
        ('Correlated', 'Diagonal'),
        ('Correlated', 'Full'),
        ('Full', 'Correlated'),
    ],
)
def test_loss_of_another_covariance_is_refused(part, loss):
    token, mean, target, _ = batch()
    with pytest.raises(ValueError, match=f'{loss}GaussianNLLLoss needs the parameters'):
        loss_of(loss)(make(part)(token), mean, target)
