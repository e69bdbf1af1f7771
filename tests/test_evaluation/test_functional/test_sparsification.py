import numpy as np
import pytest
from scipy.integrate import simpson as scipy_simpson

from mmhand_dne.evaluation.functional import sparsification
from tests.oracles import sparsification as oracle

# The authors' script with scipy 1.17.1 on the arrays of ``golden_pairs``.
GOLDEN = dict(
    AUSC=559.6761465152576,
    AUSE=18.718791112776017,
    AUSC_oracle=540.9573554024815,
    Pearson=0.8231135746745357,
    Pearson_1_99=0.8243160401893662,
    Pearson_5_95=0.8305181588610479,
)


def golden_pairs():
    """Errors and uncertainties (21, 200), the wrist first."""
    rng = np.random.RandomState(0)
    error = 0.4 + 0.6 * rng.rand(21, 200)
    return error, error**2 * (0.5 + rng.rand(21, 200))


def random_pairs(count, seed=0):
    rng = np.random.default_rng(seed)
    error = rng.gamma(2.0, 5.0, count)
    return error, error**2 * rng.gamma(2.0, 1.0, count)


def test_released_mode_gives_the_authors_numbers():
    error, variance = golden_pairs()
    curves = sparsification.released_curves(error.ravel(), variance.ravel())
    found = sparsification.released_areas(curves)
    found |= sparsification.correlations(error[1:].ravel(), variance[1:].ravel())
    assert found == pytest.approx(GOLDEN, abs=1e-9, rel=0)


@pytest.mark.parametrize('count', [1, 2, 7, 49, 100, 333, 1250])
def test_standard_mode_equals_the_definition(count):
    error, variance = random_pairs(count)
    curves = sparsification.standard_curves(error, variance)
    found = sparsification.standard_areas(curves)
    if count > 2:
        found |= sparsification.correlations(error, variance)
        found['Spearman'] = sparsification.spearman(error, variance)
        wanted = oracle.standard_scores(error, variance)
        assert found == pytest.approx(wanted, rel=1e-10)
    assert found['AUSE'] >= 0


def test_ties_keep_their_order():
    error = np.arange(200.0)
    curves = sparsification.standard_curves(error, np.ones(200))
    np.testing.assert_allclose(curves.model, curves.oracle)


def test_constant_error_is_the_area_in_its_own_unit():
    _, variance = random_pairs(300)
    areas = sparsification.standard_areas(
        sparsification.standard_curves(np.full(300, 7.5), variance)
    )
    assert areas == pytest.approx(dict(AUSC=7.5, AUSE=0, AUSC_oracle=7.5), abs=1e-12)


def test_perfect_uncertainty_has_no_sparsification_error():
    error, _ = random_pairs(777)
    curves = sparsification.standard_curves(error, error**3)
    assert sparsification.standard_areas(curves)['AUSE'] == pytest.approx(0, abs=1e-12)
    assert sparsification.spearman(error, error**3) == pytest.approx(1)


def test_random_curve_is_seeded_and_ends_at_the_mean():
    error, variance = random_pairs(500)
    curves = [sparsification.standard_curves(error, variance, s) for s in (0, 0, 1)]
    np.testing.assert_array_equal(curves[0].random, curves[1].random)
    assert not np.allclose(curves[0].random, curves[2].random)
    for name in ('model', 'oracle', 'random'):
        assert getattr(curves[2], name)[-1] == pytest.approx(error.mean())


@pytest.mark.parametrize('count', [3, 4, 5, 50, 51])
def test_simpson_equals_scipy(count):
    values = np.random.default_rng(count).random(count)
    wanted = scipy_simpson(values, x=2.0 * np.arange(count))
    assert sparsification.simpson(values, 2.0) == pytest.approx(wanted, rel=1e-13)


@pytest.mark.parametrize('count', [3, 4, 50])
def test_simpson_is_exact_for_a_parabola(count):
    x = 0.5 * np.arange(count)
    found = sparsification.simpson(1 + x - 3 * x**2, 0.5)
    end = x[-1]
    assert found == pytest.approx(end + end**2 / 2 - end**3, rel=1e-12)


def test_only_the_uncertainty_is_clipped():
    error, variance = random_pairs(1000)
    error[0] = variance[0] = 1e6  # an outlier: unclipped Pearson is nearly 1
    found = sparsification.correlations(error, variance)
    assert found['Pearson'] > 0.99 and found['Pearson_1_99'] < 0.5
    error[0] = 10.0
    assert sparsification.correlations(error, variance)['Pearson'] < 0.1


def test_correlation_of_a_constant_is_undefined():
    error, _ = random_pairs(10)
    for count in (1, 10):
        constant = error[:count], np.ones(count)
        assert np.isnan(list(sparsification.correlations(*constant).values())).all()
        assert np.isnan(sparsification.spearman(*constant))


def test_ranks_of_ties_are_their_mean():
    x, y = np.array([1.0, 1, 2, 3, 3, 3]), np.array([2.0, 1, 2, 5, 4, 5])
    wanted = oracle.pearson([1.5, 1.5, 3, 5, 5, 5], [2.5, 1, 2.5, 5.5, 4, 5.5])
    assert oracle.ranks(x) == [1.5, 1.5, 3, 5, 5, 5]
    assert sparsification.spearman(x, y) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ('error', 'variance', 'words'),
    [
        ([], [], 'no joint with ground truth'),
        ([1.0, np.nan], [1.0, 2.0], 'an error is NaN'),
        ([1.0, 2.0], [1.0, np.inf], 'an uncertainty is NaN or infinite'),
        ([1.0, 2.0], [1.0], r'shape \(2,\) and uncertainties \(1,\)'),
    ],
)
def test_bad_pairs_are_refused(error, variance, words):
    with pytest.raises(ValueError, match=words):
        sparsification.standard_curves(np.array(error), np.array(variance))


def test_too_few_pairs_for_the_released_mode_are_refused():
    with pytest.raises(ValueError, match='has 49 joints, expected at least 50'):
        sparsification.released_curves(*random_pairs(49))
