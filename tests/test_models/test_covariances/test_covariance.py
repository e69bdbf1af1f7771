"""The covariance parts: densities, gradients, counts, what they refuse."""

import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.models.covariances.correlated_covariance import CorrelatedCovariance
from tests.oracles.gaussians import covariance_of, nll_of
from tests.trained_nll import trained_nll

KINDS = {
    'DiagonalCovariance': {},
    'FullCovariance': {},
    'FullCovariance, square': dict(form='square'),
    'CorrelatedCovariance': {},
    'CorrelatedCovariance, two slots': dict(num_slots=2),
    'CorrelatedCovariance, apart': dict(variances='apart'),
    'CorrelatedCovariance, two slots apart': dict(num_slots=2, variances='apart'),
    'CorrelatedCovariance, no linear': dict(linear=False),
}
IN, D = 16, 12


def make(kind, dtype=torch.float32, seed=0, dim=D, channels=IN, **options):
    torch.manual_seed(seed)
    options = {'unit': 0.02, **KINDS.get(kind, {}), **options}
    part = MODELS.build(
        dict(type=kind.split(',')[0], in_channels=channels, dim=dim, **options)
    ).to(dtype)
    with torch.no_grad():  # away from the start, W in the middle of a step
        for parameter in part.parameters():
            if parameter.dim() == 2:
                parameter += torch.randn_like(parameter) / 20
        if hasattr(part, 'lower_upper'):
            shape = part.lower_upper.shape
            part.set_mixing(
                torch.eye(dim, dtype=dtype) + 0.5 * torch.randn(shape, dtype=dtype)
            )
            part.lower_upper += torch.randn_like(part.lower_upper) / 20
    return part


def batch(part, dtype=torch.float32, rows=6, seed=1):
    draw = torch.Generator().manual_seed(seed)
    lead = (rows,) if part.num_slots == 1 else (rows, part.num_slots)
    token = torch.randn(*lead, part.in_channels, generator=draw, dtype=dtype)
    residual = 0.03 * torch.randn(*lead, part.dim, generator=draw, dtype=dtype)
    joints = torch.rand(*lead, part.dim // 3, generator=draw) > 0.4
    joints[..., 0] = True  # a row without any has no density
    joints[0] = True  # and one with all has nothing to integrate out
    return token, residual, joints.repeat_interleave(3, -1)


@pytest.mark.parametrize('hidden', [False, True])
@pytest.mark.parametrize(
    'dtype, tolerance', [(torch.float32, 1e-5), (torch.float64, 1e-10)]
)
@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('kind', KINDS)
def test_nll_is_the_multivariate_normals(kind, training, dtype, tolerance, hidden):
    part = make(kind, dtype).train(training)
    token, residual, visible = batch(part, dtype)
    visible = visible if hidden else None
    params = part(token)
    found = trained_nll(part, params, residual, visible)
    expected = nll_of(residual, covariance_of(kind.split(',')[0], params), visible)
    # Log-determinant and distance may cancel: then relative to one nat a coordinate.
    torch.testing.assert_close(
        found.double(), expected, rtol=tolerance, atol=tolerance * D
    )


def test_nll_of_a_whole_hand_in_float32():
    part = make('CorrelatedCovariance', dim=60)
    left, _, right = torch.linalg.svd(torch.randn(60, 60))
    part.set_mixing(left * 10 ** torch.linspace(-0.5, 0.5, 60) @ right)
    token, residual, visible = batch(part)
    params = part(token)
    for shown in (None, visible):
        covariance = covariance_of('CorrelatedCovariance', params)
        expected = nll_of(residual, covariance, shown)
        torch.testing.assert_close(
            trained_nll(part, params, residual, shown).double(),
            expected,
            rtol=1e-5,
            atol=1e-4,
        )


def test_hidden_joints_do_not_need_a_w_of_low_condition():
    """Their precision has the square of W's condition: float32 finds it indefinite."""
    part, mixing = make('CorrelatedCovariance'), torch.eye(D)
    mixing[0, 3:5] = -1e4
    part.set_mixing(mixing)
    visible = torch.ones(1, D, dtype=torch.bool)
    visible[:, 3:6] = False
    params = part(torch.zeros(1, IN))
    found = trained_nll(part, params, torch.zeros(1, D), visible)
    covariance = covariance_of('CorrelatedCovariance', params)
    torch.testing.assert_close(
        found.double(),
        nll_of(torch.zeros(1, D), covariance, visible),
        rtol=1e-4,
        atol=1e-3,
    )


@pytest.mark.parametrize('kind', KINDS)
def test_gaussian_is_the_same_density(kind):
    part = make(kind, torch.float64)
    token, residual, visible = batch(part, torch.float64)
    params = part(token)
    hand = part.gaussian(params, torch.zeros_like(residual))
    torch.testing.assert_close(
        hand.covariance(), covariance_of(kind.split(',')[0], params)
    )
    half_log_2pi = 0.9189385332046727
    shown = visible.sum(-1)
    torch.testing.assert_close(
        -hand.log_prob(residual, visible[..., ::3]) - half_log_2pi * shown.double(),
        trained_nll(part, params, residual, visible),
    )


@pytest.mark.parametrize('hidden', [False, True])
@pytest.mark.parametrize('kind', KINDS)
def test_gradcheck(kind, hidden):
    part = make(kind, torch.float64, dim=6, channels=2).eval()
    token, residual, visible = batch(part, torch.float64, rows=2)
    visible = visible if hidden else None
    names = [name for name, _ in part.named_parameters()]

    def run(token, residual, *values):
        parameters = dict(zip(names, values))
        params = torch.func.functional_call(part, parameters, (token,))
        return trained_nll(part, params, 30 * residual, visible)

    inputs = [token, residual, *part.parameters()]
    inputs = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(run, inputs, atol=1e-6)


@pytest.mark.parametrize('hidden', [False, True])
@pytest.mark.parametrize('kind', [kind for kind in KINDS if 'linear' not in kind])
def test_gradients_in_training_are_those_of_a_step_from_the_same_w(kind, hidden):
    """In training the step is absorbed: the formula of the gradient is another one."""
    part = make(kind, torch.float64)
    token, residual, visible = batch(part, torch.float64)
    part(token)  # from here on the step is zero
    token.requires_grad_(), residual.requires_grad_()
    weight = torch.linspace(1, 2, residual[..., 0].numel()).double()
    found = []
    for training in (True, False):
        params = part.train(training)(token)
        absorbed = params.mixing is not None and params.mixing.absorbed
        assert absorbed == (training and 'Correlated' in kind)
        nll = trained_nll(part, params, 30 * residual, visible if hidden else None)
        inputs = [token, residual, *part.parameters()]
        found.append(torch.autograd.grad((nll.flatten() * weight).sum(), inputs))
    for one, other in zip(*found):
        torch.testing.assert_close(one, other)
        assert (one != 0).any()


def test_identity_mixing_is_the_diagonal():
    torch.manual_seed(0)
    diagonal = MODELS.build(dict(type='DiagonalCovariance', in_channels=IN, dim=D))
    for options in ({}, dict(linear=False)):
        correlated = CorrelatedCovariance(IN, D, **options)
        correlated.fc_log_var.load_state_dict(diagonal.fc_log_var.state_dict())
        token, residual, visible = batch(correlated)
        for shown in (None, visible):
            torch.testing.assert_close(
                trained_nll(correlated, correlated(token), residual, shown),
                trained_nll(diagonal, diagonal(token), residual, shown),
            )


@pytest.mark.parametrize('kind', KINDS)
def test_raw_zeros_are_one_unit(kind):
    part = MODELS.build(
        dict(type=kind.split(',')[0], in_channels=IN, dim=D, unit=0.02, **KINDS[kind])
    )
    token = torch.zeros((3, part.num_slots, IN) if part.num_slots > 1 else (3, IN))
    hand = part.gaussian(part(token), torch.zeros(*token.shape[:-1], D))
    torch.testing.assert_close(hand.std(), torch.full_like(hand.mean, 0.02))


@pytest.mark.parametrize('kind', KINDS)
def test_every_parameter_learns_and_moves(kind):
    # From the start as it is built; one Adam step without weight decay.
    torch.manual_seed(0)
    part = MODELS.build(
        dict(type=kind.split(',')[0], in_channels=IN, dim=D, **KINDS[kind])
    )
    token, residual, _ = batch(part)
    before = {name: p.detach().clone() for name, p in part.named_parameters()}
    optimiser = torch.optim.Adam(part.parameters(), weight_decay=0)
    trained_nll(part, part(token), 30 * residual).sum().backward()
    optimiser.step()
    for name, parameter in part.named_parameters():
        assert (parameter.grad != 0).all(), name
        assert (parameter != before[name]).all(), name


# The table of the paper's Table 1 minus the mean's weights; full as Cholesky factor.
@pytest.mark.parametrize(
    'kind, options, dim, weights',
    [
        ('DeterministicCovariance', {}, 63, 0),
        ('DiagonalCovariance', {}, 63, 64_512),
        ('DiagonalCovariance', {}, 60, 61_440),
        ('FullCovariance', {}, 63, 1024 * 2016),
        ('FullCovariance', {}, 60, 1024 * 1830),
        ('FullCovariance', dict(form='square'), 63, 1024 * 63**2),
        ('CorrelatedCovariance', {}, 63, 68_481),
        ('CorrelatedCovariance', {}, 60, 65_040),
        ('CorrelatedCovariance', dict(linear=False), 63, 64_512),
        ('CorrelatedCovariance', dict(variances='apart'), 60, 65_040),
    ],
)
def test_weights_added(kind, options, dim, weights):
    with torch.device('meta'):
        part = MODELS.build(dict(type=kind, in_channels=1024, dim=dim, **options))
    named = list(part.named_parameters())
    assert sum(p.numel() for n, p in named if not n.endswith('bias')) == weights


def test_only_rows_with_a_hidden_joint_pay_a_cholesky(monkeypatch):
    seen = []
    original = torch.linalg.cholesky_ex
    monkeypatch.setattr(
        torch.linalg,
        'cholesky_ex',
        lambda block: seen.append(len(block)) or original(block),
    )
    part = make('CorrelatedCovariance')
    token, residual, visible = batch(part)
    visible[:] = True
    trained_nll(part, part(token), residual, visible)
    assert seen == []
    visible[[2, 4], 3:6] = False
    visible[5] = False  # nothing visible: nothing to integrate
    trained_nll(part, part(token), residual, visible)
    assert seen == [2]


def test_extreme_log_variances_are_not_clamped():
    part = make('DiagonalCovariance')
    for log_var in (-75.0, 75.0):
        params = part(torch.zeros(1, IN))._replace(
            log_var=torch.full((1, D), log_var, requires_grad=True)
        )
        residual = torch.full((1, D), 0.5 * torch.tensor(log_var / 2).exp().item())
        nll = trained_nll(part, params, residual)
        assert nll.item() == pytest.approx(D * (0.125 + log_var / 2), rel=1e-5)
        nll.backward()
        torch.testing.assert_close(params.log_var.grad, torch.full((1, D), 0.375))


def test_readouts_stay_in_float32_under_autocast():
    part = make('CorrelatedCovariance')
    token, residual, _ = batch(part)
    exact = trained_nll(part, part(token), residual)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        params = part(token)
        hand = part.gaussian(params, residual.bfloat16())
        assert torch.equal(trained_nll(part, params, residual), exact)
    assert hand.covariance().dtype == torch.float32


def test_deterministic_is_a_point():
    part = MODELS.build(dict(type='DeterministicCovariance', in_channels=IN, dim=D))
    params = part(torch.zeros(2, IN))
    hand = part.gaussian(params, torch.ones(2, D))
    assert torch.equal(hand.covariance(), torch.zeros(2, D, D))
    assert not part.probabilistic


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(dim=61), 'no multiple of dims=3'),
        (dict(dims=4), 'is 2 or 3'),
        (dict(unit=0.0), 'must be positive'),
        (dict(num_slots=0), 'must be positive'),
        (dict(initial_mixing='zero'), "'identity' or 'released'"),
        (dict(variances='both'), "'mixed' or 'apart'"),
        (dict(variances='apart', linear=False), 'linear is False'),
    ],
)
def test_bad_options_are_refused_when_built(options, message):
    with pytest.raises(ValueError, match=message):
        CorrelatedCovariance(**{'in_channels': IN, 'dim': D, **options})


def test_wrong_dims_are_refused():
    part = make('CorrelatedCovariance')
    with pytest.raises(ValueError, match='has 5 channels, in_channels is 16'):
        part(torch.zeros(2, 5))
    with pytest.raises(ValueError, match='mean has 9 coordinates, the covariance 12'):
        part.gaussian(part(torch.zeros(2, IN)), torch.zeros(2, 3, 3))
    with pytest.raises(ValueError, match='as num_slots says'):
        make('CorrelatedCovariance, two slots')(torch.zeros(4, 3, IN))


def test_the_square_form_is_a_general_matrix_times_its_transpose():
    """From the raw outputs: its triangular factor is nobody's business."""
    part = make('FullCovariance, square', torch.float64)
    with torch.no_grad():
        part.fc_square.weight *= 8
    token, _, _ = batch(part, torch.float64)
    raw = (token @ part.fc_square.weight.T + part.fc_square.bias).view(-1, D, D)
    matrix = (torch.eye(D) + raw) / 0.02
    expected = torch.linalg.inv(matrix @ matrix.mT)
    assert torch.linalg.det(matrix).lt(0).any()  # signs that a triangle cannot have
    hand = part.gaussian(part(token), torch.zeros(len(token), D).double())
    torch.testing.assert_close(hand.covariance(), expected, rtol=1e-7, atol=1e-12)


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="set 'cholesky' or 'square'"):
        make('FullCovariance', form='lower')


def test_indefinite_precision_is_named():
    part = make('FullCovariance')
    token, residual, visible = batch(part)
    params = part(token)
    params = params._replace(factor=torch.zeros_like(params.factor))
    with pytest.raises(ValueError, match='images with hidden joints are not positive'):
        trained_nll(part, params, residual, visible)
