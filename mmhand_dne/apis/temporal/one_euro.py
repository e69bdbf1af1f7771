"""The One-Euro filter: a low-pass whose cut-off follows the speed."""

from typing import NamedTuple

import numpy as np


class OneEuro(NamedTuple):
    """Parameters, with the paper's names.

    Attributes:
        min_cutoff: Hz, of a coordinate at rest; lower is smoother.
        beta: Hz by unit a second: how much speed opens the filter; more lags less.
        d_cutoff: Hz, of the speed itself.
    """

    min_cutoff: float = 1.0
    beta: float = 0.0
    d_cutoff: float = 1.0


def one_euro_filter(
    measured: np.ndarray, seen: np.ndarray, fps: float, parameters: OneEuro
) -> np.ndarray:
    """Filter each coordinate alone, causally (Casiez, Roussel, Vogel, CHI 2012).

    Args:
        measured: (T, ...) any unit.
        seen: (T,) bool. A frame that is not seen repeats the one before; the next step
            is then longer, as the paper's time stamps have it.
        fps: frames a second.
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


def _alpha(cutoff, rate: float):
    """Weight of a new value for a cut-off in Hz at a rate in Hz."""
    return 1 / (1 + rate / (2 * np.pi * cutoff))
