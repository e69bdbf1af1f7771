"""Calibration: are the error bars as wide as the errors are large?

Everything is float64. A level is the probability that a Gaussian puts inside the
ellipsoid on whose surface the ground truth lies; over many joints of an honest model
levels are uniform, so a share q of them is at most q.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy

from mmhand_dne.errors import UserError

LEVELS = np.arange(5, 100, 5) / 100  # of the reliability curve
COVERAGE_LEVELS = (50, 90, 95)  # percent, reported by name; all of them in LEVELS
NO_LEVEL = 255  # of a hidden joint; levels count up to len(LEVELS)
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class HandCalibration(NamedTuple):
    """What one hand says about its error bars."""

    nll: float  # nats, of all visible coordinates together
    coordinates: int  # visible ones
    level: int  # of the whole hand: index of LEVELS from which on it is covered
    joint_nll: np.ndarray  # (K) nats, marginal of each joint; NaN where hidden
    joint_level: np.ndarray  # (K) uint8 index as above; NO_LEVEL where hidden


def joint_variances(covariance: np.ndarray) -> np.ndarray:
    """Trace of each joint's 3x3 block: (3 K, 3 K) -> (K), the same unit squared."""
    return np.diagonal(covariance).reshape(-1, 3).sum(-1)


def calibrate_hand(
    residual: np.ndarray, covariance: np.ndarray, visible: np.ndarray
) -> HandCalibration:
    """Density and levels of one hand's ground truth; hidden joints are integrated out.

    Args:
        residual: (K, 3) ground truth minus prediction, in the covariance's unit.
        covariance: (3 K, 3 K) joint-major x, y, z.
        visible: (K) bool, at least one.

    Raises:
        ValueError: the visible joints' covariance is not positive definite.
    """
    residual = residual[visible].astype(np.float64)
    chosen = np.repeat(visible, 3)
    covariance = covariance[np.ix_(chosen, chosen)].astype(np.float64)
    factor = _cholesky(covariance)
    distance, nll = _gaussian(residual.reshape(1, -1), factor[None])
    diagonal = np.arange(len(residual))
    blocks = covariance.reshape(len(residual), 3, -1, 3)[diagonal, :, diagonal]
    joint_distance, joint_nll = _gaussian(residual, _cholesky(blocks))
    return HandCalibration(
        float(nll[0]),
        residual.size,
        int(level_index(distance, residual.size)[0]),
        _fill(visible, joint_nll, np.nan),
        _fill(visible, level_index(joint_distance, 3), NO_LEVEL),
    )


def level_index(distance: np.ndarray, dims: int) -> np.ndarray:
    """Index of the first of LEVELS whose ellipsoid holds the ground truth; uint8.

    Args:
        distance: (...) squared Mahalanobis distance.
        dims: coordinates it sums over.

    Returns: (...) 0 to len(LEVELS); the latter where no level covers it.
    """
    return np.searchsorted(LEVELS, scipy.special.chdtr(dims, distance)).astype(np.uint8)


def reliability(index: np.ndarray) -> np.ndarray:
    """Share covered at each of LEVELS; (M) indices -> (len(LEVELS)).

    An honest model gives LEVELS themselves; smaller shares mean that its error bars
    are too narrow.
    """
    counts = np.bincount(index, minlength=len(LEVELS) + 1)[: len(LEVELS)]
    return np.cumsum(counts) / len(index)


def coverage(index: np.ndarray, name: str = 'coverage') -> dict[str, float]:
    """Shares at COVERAGE_LEVELS, e.g. ``coverage_90``; from (M) level indices."""
    shares = dict(zip((100 * LEVELS).round().astype(int), reliability(index)))
    return {f'{name}_{q}': float(shares[q]) for q in COVERAGE_LEVELS}


def _cholesky(covariance: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh(covariance).min()
        raise UserError(
            'the covariance is not positive definite (smallest eigenvalue '
            f'{smallest:.3g}); check that the slot is predicted and that the mixing '
            'matrix is well conditioned, and predict in float32 or better'
        ) from None


def _gaussian(
    residual: np.ndarray, factor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared Mahalanobis distances (N) and NLL (N) of residual (N, D)."""
    whitened = np.linalg.solve(factor, residual[..., None])[..., 0]
    distance = np.square(whitened).sum(-1)
    log_det = np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    return distance, 0.5 * distance + log_det + residual.shape[-1] * HALF_LOG_2PI


def _fill(visible: np.ndarray, values: np.ndarray, absent: float) -> np.ndarray:
    filled = np.full(len(visible), absent, values.dtype)
    filled[visible] = values
    return filled
