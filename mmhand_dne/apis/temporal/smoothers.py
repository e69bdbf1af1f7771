"""One way to smooth every series of a track: Kalman and RTS, or One-Euro.

A series is smoothed as its frames come, in windows: what smooths it keeps the filter's
state from window to window, so that a video of any length needs the memory of one.
"""

from dataclasses import dataclass, field
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
    LONGEST,
    MIN_FRAMES,
    PRIOR_FACTOR,
    NoiseLevels,
    fit_noise,
    mean_variance,
)

DEFAULT_RATIO = 0.01  # process over measurement variance of tracks too short to tell
# Frames that are smoothed at once, and those after them that are read with them: what
# comes later than that no longer matters.
PART, AHEAD = 60, 45


class Series(Protocol):
    """What smooths one series, window after window."""

    def __call__(
        self,
        measured: np.ndarray,
        seen: np.ndarray,
        noise: np.ndarray | None = None,
        count: int | None = None,
    ) -> np.ndarray:
        """The smooth values of the next frames, (count, ...).

        Args:
            measured: (T, ...) the next frames, and those after them that are known; a
                frame that is not seen may hold anything.
            seen: (T,) bool.
            noise: (T, k, k) covariance of the measurements (T, k); None: all equal.
            count: how many are smoothed; the next window begins after them. None: all.
        """


class Smoother(Protocol):
    """What smooths the series of a track.

    Attributes:
        looks_ahead: whether a frame's result depends on later frames.
    """

    looks_ahead: bool

    def begin(
        self,
        kind: str,
        measured: np.ndarray,
        seen: np.ndarray,
        noise: np.ndarray | None = None,
    ) -> Series:
        """What smooths a series from its first frame on.

        Args:
            kind: of the series, one of ONE_EURO's.
            measured, seen, noise: the beginning of the series, from which noise levels
                are found; LONGEST frames are enough.
        """


def smooth_whole(
    smoother: Smoother,
    measured: np.ndarray,
    seen: np.ndarray,
    kind: str,
    noise: np.ndarray | None = None,
) -> np.ndarray:
    """A series that is known from its first to its last frame, smoothed, (T, ...)."""
    series = smoother.begin(kind, measured, seen, noise)
    parts = []
    for start in range(0, len(measured), PART):
        window = slice(start, start + PART + AHEAD)
        bars = None if noise is None else noise[window]
        parts.append(series(measured[window], seen[window], bars, PART))
    return np.concatenate(parts)


@dataclass(frozen=True)
class KalmanSeries:
    """Constant velocity, driven by white acceleration; noise levels from the series.

    Attributes:
        motion: of every coordinate.
        backward: also use later frames (RTS); False is causal, but for the two noise
            levels, which always come from the series' beginning.
    """

    motion: Motion = CONSTANT_VELOCITY
    backward: bool = True
    looks_ahead = True

    def begin(
        self,
        kind: str,
        measured: np.ndarray,
        seen: np.ndarray,
        noise: np.ndarray | None = None,
    ) -> 'KalmanRun':
        """See :class:`Smoother`; all kinds are smoothed alike."""
        flat, noise = _grouped(measured[:LONGEST], noise)
        levels = self.levels(flat, noise[: len(flat)], seen[:LONGEST])
        return KalmanRun(self, levels)

    def levels(
        self, flat: np.ndarray, noise: np.ndarray, seen: np.ndarray
    ) -> NoiseLevels:
        """Of maximum likelihood, or the default for a short or a still series."""
        unit = mean_variance(noise[seen])
        if seen.sum() < MIN_FRAMES or np.ptp(flat[seen], axis=0).max() == 0:
            return NoiseLevels(1.0, DEFAULT_RATIO * unit, np.nan)
        return fit_noise(flat, noise, self.motion, seen)


@dataclass
class KalmanRun:
    """One series on its way, see :class:`Series`.

    Attributes:
        state: mean and covariance before the next frame's measurement.
    """

    smoother: KalmanSeries
    levels: NoiseLevels
    state: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    def __call__(
        self,
        measured: np.ndarray,
        seen: np.ndarray,
        noise: np.ndarray | None = None,
        count: int | None = None,
    ) -> np.ndarray:
        """See :class:`Series`."""
        count = min(len(measured), count or len(measured))
        motion = self.smoother.motion
        flat, noise = _grouped(measured, noise)
        noise = self.levels.scale * noise
        if self.state is None:
            self.state = diffuse_prior(
                flat[np.argmax(seen)], motion, PRIOR_FACTOR * mean_variance(noise)
            )
        strength = self.levels.strength * np.eye(flat.shape[-1])[None]
        passed = kalman_filter(flat, noise, motion, strength, seen, self.state)
        self.state = passed.before(motion, count)
        if self.smoother.backward:
            smooth = rts_smoother(passed, motion)[0]
        else:
            smooth = passed.means[:, :, 0]
        return smooth[:count].reshape(count, *measured.shape[1:])


def _grouped(
    measured: np.ndarray, noise: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """A series as :func:`kalman_filter` takes it: (T, G, k), (T, 1, k, k)."""
    frames = len(measured)
    flat = measured.reshape(frames, -1).astype(np.float64)
    if noise is None:  # k series of one coordinate, which share their covariances
        return flat[..., None], np.ones((frames, 1, 1, 1))
    return flat[:, None], noise[:, None]


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

    def begin(
        self,
        kind: str,
        measured: np.ndarray,
        seen: np.ndarray,
        noise: np.ndarray | None = None,
    ) -> 'OneEuroRun':
        """See :class:`Smoother`; it has no use for noise."""
        return OneEuroRun(self.fps, ONE_EURO[kind])


@dataclass
class OneEuroRun:
    """A low-pass whose cut-off follows the speed (Casiez, Roussel, Vogel, CHI 2012).

    Each coordinate is filtered alone, causally. A frame that is not seen repeats the
    one before; the next step is then longer, as the paper's time stamps have it. Before
    the first frame seen it is that frame's values.

    Attributes:
        fps: frames per second.
        value, raw, speed: of the last frame seen.
        age: frames since then.
    """

    fps: float
    parameters: OneEuro
    value: np.ndarray | None = None
    raw: np.ndarray | None = None
    speed: np.ndarray | None = None
    age: int = 0

    def __call__(
        self,
        measured: np.ndarray,
        seen: np.ndarray,
        noise: np.ndarray | None = None,
        count: int | None = None,
    ) -> np.ndarray:
        """See :class:`Series`."""
        count = min(len(measured), count or len(measured))
        if self.value is None:
            self.value = self.raw = measured[np.argmax(seen)].astype(np.float64)
            self.speed, self.age = np.zeros_like(self.value), -int(np.argmax(seen))
        filtered = np.empty((count, *measured.shape[1:]))
        for t in range(count):
            if self.age > 0 and seen[t]:
                self._step(measured[t], self.fps / self.age)
            self.age += 1
            filtered[t] = self.value
        return filtered

    def _step(self, measured: np.ndarray, rate: float) -> None:
        """A frame that is seen, ``rate`` of them per second."""
        parameters = self.parameters
        slope = (measured - self.raw) * rate
        self.speed = self.speed + _alpha(parameters.d_cutoff, rate) * (
            slope - self.speed
        )
        cutoff = parameters.min_cutoff + parameters.beta * np.abs(self.speed)
        self.value = self.value + _alpha(cutoff, rate) * (measured - self.value)
        self.raw, self.age = measured.copy(), 0


def _alpha(cutoff: np.ndarray | float, rate: float) -> np.ndarray | float:
    """Weight of a new value for a cut-off in Hz at a rate in Hz."""
    return 1 / (1 + rate / (2 * np.pi * cutoff))
