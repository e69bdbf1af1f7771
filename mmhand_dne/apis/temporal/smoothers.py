"""One way to smooth every series of a track: Kalman and RTS, or One-Euro."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from .kalman import (
    CONSTANT_VELOCITY,
    Motion,
    diffuse_prior,
    kalman_filter,
    rts_smoother,
)
from .process_noise import (
    MIN_FRAMES,
    PRIOR_FACTOR,
    NoiseLevels,
    fit_noise,
    mean_variance,
)

DEFAULT_RATIO = 0.01  # process over measurement variance of tracks too short to tell
# A long track is smoothed in parts, whose covariances fit into memory; frames farther
# away than the overlap no longer matter.
PART, OVERLAP = 600, 90  # frames


class Smoother(Protocol):
    """What smooths one series of a track.

    Attributes:
        looks_ahead: whether a frame's result depends on later frames.
    """

    looks_ahead: bool

    def __call__(
        self,
        measured: np.ndarray,
        seen: np.ndarray,
        kind: str,
        noise: np.ndarray | None = None,
    ) -> np.ndarray:
        """The smooth series, (T, ...) like ``measured``.

        Args:
            measured: (T, ...); a frame that is not seen may hold anything.
            seen: (T,) bool.
            kind: of the series, one of ONE_EURO's.
            noise: (T, k, k) covariance of the measurements (T, k); None: all equal.
        """


@dataclass(frozen=True)
class KalmanSeries:
    """Constant velocity, driven by white acceleration; noise levels from the series.

    Attributes:
        motion: of every coordinate.
        backward: also use later frames (RTS); False is causal, but for the two noise
            levels, which always come from the whole series.
    """

    motion: Motion = CONSTANT_VELOCITY
    backward: bool = True
    looks_ahead = True

    def __call__(
        self,
        measured: np.ndarray,
        seen: np.ndarray,
        kind: str,
        noise: np.ndarray | None = None,
    ) -> np.ndarray:
        """See :class:`Smoother`; all kinds are smoothed alike."""
        frames = len(measured)
        flat = measured.reshape(frames, -1).astype(np.float64)
        if noise is None:  # k series of one coordinate, which share their covariances
            flat, noise = flat[..., None], np.ones((frames, 1, 1, 1))
        else:
            flat, noise = flat[:, None], noise[:, None]
        levels = self.levels(flat, noise, seen)
        smooth = np.empty(flat.shape)
        for start in range(0, frames, PART):
            first, stop = max(start - OVERLAP, 0), start + PART + OVERLAP
            part = self._part(*(a[first:stop] for a in (flat, noise, seen)), levels)
            smooth[start : start + PART] = part[start - first :][:PART]
        return smooth.reshape(measured.shape)

    def _part(
        self, flat: np.ndarray, noise: np.ndarray, seen: np.ndarray, levels: NoiseLevels
    ) -> np.ndarray:
        """Smooth (T, G, k) with known levels; without a frame seen, any values."""
        noise = levels.scale * noise
        prior = diffuse_prior(
            flat[np.argmax(seen)], self.motion, PRIOR_FACTOR * mean_variance(noise)
        )
        strength = levels.strength * np.eye(flat.shape[-1])[None]
        passed = kalman_filter(flat, noise, self.motion, strength, seen, prior)
        if self.backward:
            return rts_smoother(passed, self.motion)[0]
        return passed.means[:, :, 0]

    def levels(
        self, flat: np.ndarray, noise: np.ndarray, seen: np.ndarray
    ) -> NoiseLevels:
        """Of maximum likelihood, or the default for a short or a still series."""
        unit = mean_variance(noise[seen])
        if seen.sum() < MIN_FRAMES or np.ptp(flat[seen], axis=0).max() == 0:
            return NoiseLevels(1.0, DEFAULT_RATIO * unit, np.nan)
        return fit_noise(flat, noise, self.motion, seen)


class OneEuro(NamedTuple):
    """Parameters of the One-Euro filter, with the paper's names.

    Attributes:
        min_cutoff: Hz, of a coordinate at rest; lower is smoother.
        beta: Hz by unit per second: how much speed opens the filter; more lags less.
        d_cutoff: Hz, of the speed itself.
    """

    min_cutoff: float = 1.0
    beta: float = 0.0
    d_cutoff: float = 1.0


# Metres, radians, pixels and a logarithm move by different numbers per second. The
# cut-off and beta are those of least joint error over 0.3, 0.6, 1.0, 1.7 Hz and beta 0,
# 1, 5 on four rendered clips (seed 101 of tools/analysis_tools/smooth_benchmark.py).
ONE_EURO = {
    'points': OneEuro(min_cutoff=1.7, beta=1.0),
    # Without beta the filter is linear: joints stay those of the mesh.
    'residual': OneEuro(min_cutoff=1.7, beta=0.0),
    'rotations': OneEuro(min_cutoff=1.7, beta=0.1),
    'pixels': OneEuro(min_cutoff=1.7, beta=0.001),
    'log_scale': OneEuro(min_cutoff=1.7, beta=0.1),
}


@dataclass(frozen=True)
class OneEuroSeries:
    """The One-Euro filter with parameters for each kind of series; causal."""

    fps: float
    looks_ahead = False

    def __call__(
        self,
        measured: np.ndarray,
        seen: np.ndarray,
        kind: str,
        noise: np.ndarray | None = None,
    ) -> np.ndarray:
        """See :class:`Smoother`; it has no use for noise."""
        return one_euro_filter(measured, seen, self.fps, ONE_EURO[kind])


def one_euro_filter(
    measured: np.ndarray, seen: np.ndarray, fps: float, parameters: OneEuro
) -> np.ndarray:
    """A low-pass whose cut-off follows the speed (Casiez, Roussel, Vogel, CHI 2012).

    Each coordinate is filtered alone, causally.

    Args:
        measured: (T, ...) any unit.
        seen: (T,) bool. A frame that is not seen repeats the one before; the next step
            is then longer, as the paper's time stamps have it.
        fps: frames per second.

    Returns: (T, ...); before the first frame seen, that frame's values.
    """
    first = int(np.flatnonzero(seen)[0])
    value = measured[first].astype(np.float64)
    raw, speed, last = value, np.zeros_like(value), first
    filtered = np.empty(measured.shape)
    for t in range(len(measured)):
        if t > first and seen[t]:
            rate = fps / (t - last)
            slope = (measured[t] - raw) * rate
            speed = speed + _alpha(parameters.d_cutoff, rate) * (slope - speed)
            cutoff = parameters.min_cutoff + parameters.beta * np.abs(speed)
            value = value + _alpha(cutoff, rate) * (measured[t] - value)
            raw, last = measured[t], t
        filtered[t] = value
    return filtered


def _alpha(cutoff: np.ndarray | float, rate: float) -> np.ndarray | float:
    """Weight of a new value for a cut-off in Hz at a rate in Hz."""
    return 1 / (1 + rate / (2 * np.pi * cutoff))
