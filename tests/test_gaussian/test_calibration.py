import numpy as np
import pytest
from scipy import stats

from mmhand_dne.gaussian import calibration
from tests.oracles import sparsification as oracle


def random_hand(seed, joints=6, scale=0.01):
    rng = np.random.default_rng(seed)
    mixing = scale * rng.normal(size=(3 * joints, 3 * joints))
    covariance = mixing @ mixing.T + 0.1 * scale**2 * np.eye(3 * joints)
    residual = rng.multivariate_normal(np.zeros(3 * joints), covariance)
    visible = rng.random(joints) > 0.4
    visible[0] = True
    return residual.reshape(-1, 3), covariance, visible


@pytest.mark.parametrize('seed', range(4))
def test_density_of_visible_joints_equals_the_sub_block(seed):
    residual, covariance, visible = random_hand(seed)
    found = calibration.calibrate_hand(residual, covariance, visible)
    nll, _, dims = oracle.hand_density(residual, covariance, visible)
    assert found.nll == pytest.approx(nll, rel=1e-9)
    assert found.coordinates == dims
    for k, seen in enumerate(visible):
        if not seen:
            assert np.isnan(found.joint_nll[k])
            continue
        alone = np.arange(len(visible)) == k
        wanted, _, _ = oracle.hand_density(residual, covariance, alone)
        assert found.joint_nll[k] == pytest.approx(wanted, rel=1e-9)


def test_hidden_joints_may_hold_anything():
    residual, covariance, visible = random_hand(1)
    before = calibration.calibrate_hand(residual, covariance, visible)
    residual[~visible] = 1e9
    after = calibration.calibrate_hand(residual, covariance, visible)
    assert (~visible).any()
    np.testing.assert_equal(before, after)


@pytest.mark.parametrize('percent', [50, 90, 95])
def test_coverage_equals_the_definition(percent):
    hands = [random_hand(seed) for seed in range(40)]
    found = [calibration.calibrate_hand(*hand) for hand in hands]
    whole = np.array([hand.level for hand in found])
    levels = np.concatenate([hand.joint_level for hand in found])
    visible = np.concatenate([hand[2] for hand in hands])
    assert (levels[~visible] == calibration.NO_LEVEL).all()
    wanted_whole = np.mean([oracle.is_covered(*hand, percent) for hand in hands])
    wanted = np.mean(
        [
            oracle.is_covered(r, c, np.arange(len(v)) == k, percent)
            for r, c, v in hands
            for k in np.flatnonzero(v)
        ]
    )
    found = calibration.coverage(levels[visible])[f'coverage_{percent}']
    assert found == pytest.approx(wanted)
    assert calibration.coverage(whole)[f'coverage_{percent}'] == wanted_whole


def test_true_gaussian_is_on_the_diagonal_and_narrow_bars_below_it():
    rng = np.random.default_rng(0)
    distance = np.square(rng.normal(size=(20000, 3))).sum(-1)
    honest = calibration.reliability(calibration.level_index(distance, 3))
    np.testing.assert_allclose(honest, calibration.LEVELS, atol=0.01)
    narrow = calibration.reliability(calibration.level_index(4 * distance, 3))
    assert (narrow < honest - 0.02).all()


def test_borders_of_levels_belong_to_the_smaller_one():
    border = stats.chi2(3).ppf(calibration.LEVELS)
    inside = calibration.level_index(border * (1 - 1e-9), 3)
    outside = calibration.level_index(border * (1 + 1e-9), 3)
    np.testing.assert_array_equal(inside, np.arange(19))
    np.testing.assert_array_equal(outside, np.arange(1, 20))


def test_variance_of_a_joint_is_the_trace_of_its_block():
    _, covariance, _ = random_hand(4, joints=2)
    np.testing.assert_allclose(
        calibration.joint_variances(covariance),
        [np.trace(covariance[:3, :3]), np.trace(covariance[3:, 3:])],
    )


def test_covariance_that_is_not_positive_definite_is_refused():
    residual, covariance, visible = random_hand(5)
    with pytest.raises(ValueError, match='not positive definite .smallest .* -'):
        calibration.calibrate_hand(residual, -covariance, visible)
