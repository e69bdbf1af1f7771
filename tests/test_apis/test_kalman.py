"""The smoother against the dense posterior, and laws of the filter."""

import numpy as np
import pytest

from mmhand_dne.apis.temporal.kalman import (
    CONSTANT_ACCELERATION,
    CONSTANT_VELOCITY,
    diffuse_prior,
    kalman_filter,
    rts_smoother,
)
from mmhand_dne.apis.temporal.process_noise import fit_noise
from tests.oracles.gaussian_path import posterior

MOTIONS = pytest.mark.parametrize(
    'motion', [CONSTANT_VELOCITY, CONSTANT_ACCELERATION], ids=['velocity', 'jerk']
)


def random_covariances(rng, *shape):
    root = rng.normal(size=(*shape, shape[-1]))
    return root @ np.swapaxes(root, -1, -2) + 0.1 * np.eye(shape[-1])


def series(rng, frames=12, groups=2, width=4):
    measured = rng.normal(size=(frames, groups, width)).cumsum(0)
    noise = random_covariances(rng, frames, groups, width)
    strength = random_covariances(rng, groups, width)
    seen = np.ones(frames, bool)
    seen[[0, 4, 5]] = False
    return measured, noise, strength, seen


@MOTIONS
def test_smoother_equals_one_dense_linear_system(motion):
    measured, noise, strength, seen = series(np.random.default_rng(0))
    prior = diffuse_prior(measured[1], motion, 100.0)
    passed = kalman_filter(measured, noise, motion, strength, seen, prior)
    means, covariances = rts_smoother(passed, motion)
    eye = np.eye(4)
    for group in range(2):
        expected = posterior(
            measured[:, group],
            noise[:, group],
            np.kron(motion.transition, eye),
            np.kron(motion.noise, strength[group]),
            prior[0][group].ravel(),
            prior[1][0],
            seen,
        )
        np.testing.assert_allclose(means[:, group], expected[0], atol=1e-9)
        np.testing.assert_allclose(covariances[:, group], expected[1], atol=1e-9)


@MOTIONS
def test_shared_covariances_give_the_same_as_repeated_ones(motion):
    measured, noise, strength, seen = series(np.random.default_rng(1))
    noise, strength = noise[:, :1], strength[:1]
    prior = diffuse_prior(measured[1], motion, 100.0)
    shared = kalman_filter(measured, noise, motion, strength, seen, prior)
    repeated = kalman_filter(
        measured,
        noise.repeat(2, 1),
        motion,
        strength.repeat(2, 0),
        seen,
        (prior[0], prior[1].repeat(2, 0)),
    )
    assert shared.covariances.shape[1] == 1
    for a, b in zip(rts_smoother(shared, motion), rts_smoother(repeated, motion)):
        np.testing.assert_allclose(np.broadcast_to(a, b.shape), b, atol=1e-10)
    np.testing.assert_allclose(shared.surprise, repeated.surprise, atol=1e-10)


@MOTIONS
def test_what_moves_as_assumed_is_left_as_it_is(motion):
    times = np.arange(20.0)[:, None, None]
    path = 1 + 2 * times + 0.3 * (len(motion.transition) - 2) * times**2
    noise = np.full((20, 1, 1, 1), 4.0)
    prior = diffuse_prior(path[0], motion, 1e8)
    passed = kalman_filter(
        path, noise, motion, np.full((1, 1, 1), 1e-9), np.ones(20, bool), prior
    )
    np.testing.assert_allclose(rts_smoother(passed, motion)[0], path, atol=1e-4)


def test_noise_levels_of_a_simulated_series_are_found():
    rng = np.random.default_rng(2)
    scale, strength = 2.5, 0.04
    shapes = random_covariances(rng, 300, 1, 3)
    state = np.zeros((2, 3))
    measured = np.empty((300, 1, 3))
    root = np.linalg.cholesky(strength * CONSTANT_VELOCITY.noise)
    for t in range(300):
        error = np.linalg.cholesky(scale * shapes[t, 0]) @ rng.normal(size=3)
        measured[t, 0] = state[0] + error
        state = CONSTANT_VELOCITY.transition @ state + root @ rng.normal(size=(2, 3))
    found = fit_noise(measured, shapes, CONSTANT_VELOCITY, np.ones(300, bool))
    assert found.scale == pytest.approx(scale, rel=0.15)
    assert found.strength == pytest.approx(strength, rel=0.5)
    # Given the right covariances there is nothing to rescale.
    given = fit_noise(
        measured, scale * shapes, CONSTANT_VELOCITY, np.ones(300, bool), rescale=False
    )
    assert given.nll == pytest.approx(found.nll, abs=1e-3)


def test_few_frames_are_refused():
    with pytest.raises(ValueError, match='7 frames are seen, expected at least 8'):
        fit_noise(
            np.zeros((9, 1, 3)),
            np.ones((9, 1, 1, 1)),
            CONSTANT_VELOCITY,
            np.arange(9) < 7,
        )
