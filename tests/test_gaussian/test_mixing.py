"""W by its inverse: exact, saved, refused when ill-conditioned."""

import copy

import pytest
import torch

from mmhand_dne.gaussian.mixing import (
    MixingFactors,
    check_condition,
    compose,
    from_mixing,
    state_from_mixing,
    unit_columns,
)
from mmhand_dne.models.covariances.correlated_covariance import CorrelatedCovariance
from tests.oracles.gaussians import mixing_of

D = 9


def random_mixing(seed=0, shape=(D, D), dtype=torch.float64):
    return torch.randn(
        shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)
    )


def part_with(mixing, **options):
    part = CorrelatedCovariance(4, mixing.shape[-1], **options).to(mixing.dtype)
    part.set_mixing(mixing)
    return part


def spoil(part):
    """An almost singular W: two rows of its inverse nearly equal."""
    with torch.no_grad():
        part.lower_upper.zero_()
        part.lower_upper[1, 0] = 1e7


@pytest.mark.parametrize(
    'mixing',
    [
        random_mixing(),
        random_mixing(1).T * 1e-3,
        torch.eye(D).double().flip(0),  # no product of L and U
        -torch.eye(D).double(),
        random_mixing(2, (2, D, D)),
    ],
)
def test_any_invertible_w_is_represented_exactly(mixing):
    factors = from_mixing(mixing)
    unmixing, log_det = compose(factors)
    identity = torch.eye(D).double().expand(mixing.shape)
    torch.testing.assert_close(unmixing @ mixing, identity, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(log_det, -torch.linalg.slogdet(mixing)[1])
    torch.testing.assert_close(mixing_of(factors), mixing)
    slots = len(mixing) if mixing.dim() == 3 else 1
    torch.testing.assert_close(part_with(mixing, num_slots=slots).mixing(), mixing)


def test_a_step_away_from_w_is_the_product_of_its_words():
    for mixing in (random_mixing(), random_mixing(2, (2, D, D))):
        _, base, base_log_det, _ = from_mixing(mixing)
        step = 0.3 * random_mixing(3, mixing.shape)
        factors = MixingFactors(step, base, base_log_det)
        unmixing, log_det = compose(factors)
        torch.testing.assert_close(torch.linalg.inv(unmixing), mixing_of(factors))
        torch.testing.assert_close(log_det, torch.linalg.slogdet(unmixing)[1])
        assert torch.autograd.gradcheck(
            lambda x, base=base, log=base_log_det: compose(MixingFactors(x, base, log)),
            step.requires_grad_(),
        )


def test_one_w_for_all_slots():
    part = part_with(random_mixing(), num_slots=1)
    both = CorrelatedCovariance(4, D, num_slots=2).double()
    both.set_mixing(random_mixing())
    for slot in both.mixing():
        torch.testing.assert_close(slot, part.mixing())


def test_columns_are_normalised_and_sigma_absorbs_the_scale():
    mixing = random_mixing()
    unit, log_scale = unit_columns(mixing)
    torch.testing.assert_close(unit.norm(dim=0), torch.ones(D).double())
    sigma = torch.rand(D).double() + 0.1
    covariance = mixing @ torch.diag(sigma**2) @ mixing.T
    absorbed = torch.diag((sigma * log_scale.exp()) ** 2)
    torch.testing.assert_close(unit @ absorbed @ unit.T, covariance)


def test_checkpoint_holds_the_step_its_base_and_w_with_unit_columns():
    part = part_with(random_mixing(dtype=torch.float32))
    with torch.no_grad():
        part.lower_upper += 0.1 * random_mixing(1, dtype=torch.float32)
    state = part.state_dict()
    assert set(state) == {
        'fc_log_var.weight',
        'fc_log_var.bias',
        'lower_upper',
        'base',
        'base_log_det',
        'unit_mixing',
    }
    torch.testing.assert_close(state['unit_mixing'], unit_columns(part.mixing())[0])
    again = CorrelatedCovariance(4, D)
    again.load_state_dict(state)
    for name, value in again.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_foreign_w_becomes_a_state_dict():
    mixing = random_mixing(dtype=torch.float32)
    part = CorrelatedCovariance(4, D)
    state = {**part.state_dict(), **state_from_mixing(mixing)}
    part.load_state_dict(state)
    torch.testing.assert_close(part.mixing(), mixing)


def test_scale_of_w_is_no_ill_condition():
    check_condition(torch.diag(torch.logspace(-6, 6, D)))


def test_ill_conditioned_w_is_refused_everywhere():
    nearly = torch.eye(D)
    nearly[0, 1] = 1e7  # column 1 is nearly parallel to column 0
    healthy = CorrelatedCovariance(4, D)
    for mixing in (nearly, torch.ones(D, D), torch.zeros(D, D)):
        with pytest.raises(ValueError, match='condition number .* above 1e[+]06'):
            healthy.set_mixing(mixing)
    bad = CorrelatedCovariance(4, D)
    spoil(bad)
    step = bad.lower_upper.detach().clone()
    for report in (
        bad.unit_mixing,
        bad.state_dict,
        lambda: bad.gaussian(bad(torch.zeros(1, 4)), torch.zeros(1, D)),
    ):
        with pytest.raises(ValueError, match='condition number .* above 1e[+]06'):
            report()
    state = healthy.state_dict()
    state['lower_upper'] = step
    with pytest.raises(ValueError, match='condition number'):
        healthy.load_state_dict(state)


def test_condition_is_checked_at_intervals_in_training_only():
    part = CorrelatedCovariance(4, D, check_interval=3)
    spoil(part)
    token = torch.zeros(2, 4)
    for _ in range(2):
        part(token)
    with pytest.raises(ValueError, match='condition number'):
        part(token)
    part.eval()
    for _ in range(4):
        part(token)


def test_nan_in_w_is_named():
    part = CorrelatedCovariance(4, D)
    with pytest.raises(ValueError, match='W has entries that are not finite'):
        part.set_mixing(torch.full((D, D), torch.nan))


def test_wrong_shapes_are_refused():
    part = CorrelatedCovariance(4, D)
    with pytest.raises(ValueError, match=r'expected \(9, 9\)'):
        part.set_mixing(torch.eye(6))
    with pytest.raises(ValueError, match='has no W to set'):
        CorrelatedCovariance(4, D, linear=False).set_mixing(torch.eye(D))


def test_released_start_is_that_codes_random_map():
    torch.manual_seed(0)
    part = CorrelatedCovariance(4, 63, initial_mixing='released', train_mixing=False)
    mixing = part.mixing()
    assert 0.12 < mixing.abs().max() <= 63**-0.5 + 1e-5
    assert not part.lower_upper.requires_grad


def test_copies_are_independent():
    part = part_with(random_mixing(dtype=torch.float32))
    other = copy.deepcopy(part)
    other.set_mixing(torch.eye(D))
    torch.testing.assert_close(part.mixing(), random_mixing(dtype=torch.float32))
