"""Smoothing any series: long ones in parts, still ones, causal ones."""

import numpy as np
import pytest

from mmhand_dne.apis.temporal import smoothers as series
from mmhand_dne.apis.temporal.smoothers import KalmanSeries


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
    whole = KalmanSeries()(measured, seen, 'points', noise)
    monkeypatch.setattr(series, 'PART', 40)
    monkeypatch.setattr(series, 'OVERLAP', 30)
    parts = KalmanSeries()(measured, seen, 'points', noise)
    np.testing.assert_allclose(parts, whole, atol=1e-3)


def test_the_past_alone_is_worse_than_past_and_future(walk):
    path, measured, noise, seen = walk
    errors = {
        backward: np.abs(
            KalmanSeries(backward=backward)(measured, seen, 'points', noise) - path
        ).mean()
        for backward in (True, False)
    }
    assert errors[True] < 0.8 * errors[False] < 0.8 * np.abs(measured - path).mean()


def test_a_still_series_stays(walk):
    still = np.ones((20, 3)) * [1.0, 2.0, 3.0]
    found = KalmanSeries()(still, np.ones(20, bool), 'pixels')
    np.testing.assert_allclose(found, still, atol=1e-9)
