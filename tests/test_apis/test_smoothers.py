"""Smoothing any series: long ones in parts, still ones, causal ones; One-Euro against
its paper's listing.
"""

import math

import numpy as np
import pytest

from mmhand_dne.apis.temporal import smoothers
from mmhand_dne.apis.temporal.smoothers import (
    KalmanSeries,
    OneEuro,
    OneEuroRun,
    OneEuroSeries,
    smooth_whole,
)


@pytest.fixture
def walk():
    rng = np.random.default_rng(0)
    path = np.sin(np.arange(150) / 9)[:, None] * [1.0, 2.0]
    noise = np.tile(0.04 * np.array([[1.0, 0.5], [0.5, 1.0]]), (150, 1, 1))
    seen = np.ones(150, bool)
    seen[60:65] = False
    return path, path + 0.2 * rng.normal(size=path.shape), noise, seen


def test_parts_are_the_whole(walk, monkeypatch):
    _, measured, noise, seen = walk
    monkeypatch.setattr(smoothers, 'PART', 150)
    whole = smooth_whole(KalmanSeries(), measured, seen, 'points', noise)
    monkeypatch.setattr(smoothers, 'PART', 40)
    monkeypatch.setattr(smoothers, 'AHEAD', 30)
    parts = smooth_whole(KalmanSeries(), measured, seen, 'points', noise)
    np.testing.assert_allclose(parts, whole, atol=1e-3)


@pytest.mark.parametrize(
    'smoother', [KalmanSeries(backward=False), OneEuroSeries(fps=30.0)]
)
def test_windows_of_a_causal_filter_are_exactly_the_whole(walk, smoother, monkeypatch):
    """Also across frames that are not seen: 60 to 64, and the first three."""
    _, measured, _, seen = walk
    seen[:3] = False
    found = {}
    for part in (62, 150):
        monkeypatch.setattr(smoothers, 'PART', part)
        found[part] = smooth_whole(smoother, measured, seen, 'points')
    np.testing.assert_allclose(found[62], found[150], atol=1e-12)


def test_the_past_alone_is_worse_than_past_and_future(walk):
    path, measured, noise, seen = walk
    errors = {
        backward: np.abs(
            smooth_whole(
                KalmanSeries(backward=backward), measured, seen, 'points', noise
            )
            - path
        ).mean()
        for backward in (True, False)
    }
    assert errors[True] < 0.8 * errors[False] < 0.8 * np.abs(measured - path).mean()


def test_a_still_series_stays(walk):
    still = np.ones((20, 3)) * [1.0, 2.0, 3.0]
    found = smooth_whole(KalmanSeries(), still, np.ones(20, bool), 'pixels')
    np.testing.assert_allclose(found, still, atol=1e-9)


def by_the_listing(values, rate, parameters):
    """Algorithm 1 and 2 of the paper, one number after the other."""

    def alpha(cutoff):
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau * rate)

    smooth, slope, before, found = None, 0.0, None, []
    for x in values:
        if smooth is None:
            smooth = x
        else:
            a = alpha(parameters.d_cutoff)
            slope = a * (x - before) * rate + (1 - a) * slope
            a = alpha(parameters.min_cutoff + parameters.beta * abs(slope))
            smooth = a * x + (1 - a) * smooth
        before = x
        found.append(smooth)
    return found


def test_every_coordinate_equals_the_listing():
    values = np.random.default_rng(0).normal(size=(30, 2, 3)).cumsum(0)
    parameters = OneEuro(0.7, 0.4, 1.3)
    found = OneEuroRun(25.0, parameters)(values, np.ones(30, bool))
    for i in range(2):
        for j in range(3):
            np.testing.assert_allclose(
                found[:, i, j], by_the_listing(values[:, i, j], 25.0, parameters)
            )


def test_later_frames_change_nothing():
    values = np.random.default_rng(1).normal(size=(20, 4))
    seen = np.ones(20, bool)
    whole = OneEuroRun(30.0, OneEuro())(values, seen)
    half = OneEuroRun(30.0, OneEuro())(values[:10], seen[:10])
    np.testing.assert_array_equal(whole[:10], half)


def test_a_missing_frame_repeats_and_the_next_step_is_longer():
    values = np.array([0.0, 99.0, 1.0])[:, None]
    found = OneEuroRun(30.0, OneEuro())(values, np.array([True, False, True]))
    assert found[1, 0] == 0
    alpha = 1 / (1 + 15.0 / (2 * math.pi))  # two frames at 30 per second
    assert found[2, 0] == alpha
