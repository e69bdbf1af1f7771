"""How much of a series' change is motion and how much is noise: maximum likelihood."""

from typing import NamedTuple

import numpy as np
import scipy

from mmhand_dne.errors import UserError

from .kalman import LOG_2PI, Motion, diffuse_prior, filter_steps

PRIOR_FACTOR = 1e6  # the diffuse prior's variance, in mean measurement variances
RATIOS = (1e-8, 1e4)  # process over measurement variance, searched in between
LONGEST = 200  # frames that the search reads; it costs time and memory in proportion
MIN_FRAMES = 8  # fewer tell nothing about their noise


class NoiseLevels(NamedTuple):
    """Two numbers for a whole series.

    Attributes:
        scale: multiplies the covariance that was given for the measurements.
        strength: variance of the process noise, as :func:`kalman_filter` multiplies it.
        nll: minus the log-likelihood of the innovations, nats per measured coordinate.
    """

    scale: float
    strength: float
    nll: float


def fit_noise(
    measured: np.ndarray,
    noise: np.ndarray,
    motion: Motion,
    seen: np.ndarray,
    rescale: bool = True,
) -> NoiseLevels:
    """The noise levels under which the innovations are most likely.

    With R_t = scale * noise_t and Q = scale * ratio * unit noise, the innovations'
    likelihood has its maximum over the scale in closed form: the mean squared
    Mahalanobis length per coordinate. One bounded search over log(ratio) remains. The
    first n frames seen only find the state and are not counted.

    Args:
        measured: (T, G, k).
        noise: (T, G or 1, k, k); its unit makes that of ``strength``.
        seen: (T,) bool.
        rescale: False keeps ``noise`` as it is given, scale 1.
    Raises:
        ValueError: fewer than MIN_FRAMES frames are seen.
    """
    if seen.sum() < MIN_FRAMES:
        raise UserError(
            f'{int(seen.sum())} frames are seen, expected at least {MIN_FRAMES} to '
            'tell motion from noise; give the noise levels'
        )
    measured, noise, seen = measured[:LONGEST], noise[:LONGEST], seen[:LONGEST]
    unit = mean_variance(noise[seen])
    prior = diffuse_prior(measured[seen][0], motion, PRIOR_FACTOR * unit)
    eye = np.eye(measured.shape[-1])[None]
    counted = seen & (np.cumsum(seen) > len(motion.transition))
    groups = measured.shape[1]
    coordinates = counted.sum() * groups * measured.shape[2]

    def levels(log_ratio: float) -> NoiseLevels:
        strength = np.exp(log_ratio) * unit
        passed = filter_steps(measured, noise, motion, strength * eye, seen, prior)
        surprise = log_det = 0.0
        for one, counts in zip(passed, counted):
            if counts:
                surprise += one.surprise.sum() / coordinates
                log_det += one.log_det.mean() * groups / coordinates
        scale = surprise if rescale else 1.0
        nll = 0.5 * (LOG_2PI + np.log(scale) + surprise / scale + log_det)
        return NoiseLevels(scale, scale * strength, nll)

    best = scipy.optimize.minimize_scalar(
        lambda value: levels(value).nll,
        bounds=np.log(RATIOS),
        method='bounded',
        options=dict(xatol=0.2),
    )
    return levels(best.x)


def mean_variance(noise: np.ndarray) -> float:
    """Mean of the variances in covariances (..., k, k)."""
    return float(np.diagonal(noise, axis1=-2, axis2=-1).mean())
