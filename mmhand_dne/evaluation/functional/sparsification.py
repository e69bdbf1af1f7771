"""Sparsification: does the error fall when the least certain joints are left out?

Pairs (error, uncertainty) are sorted by uncertainty and the most certain ones are kept;
their mean error against the share kept is the model's curve. The oracle sorts by the
error itself, random shuffles. AUSC is the area under the model's curve, AUSE what it
has above the oracle's (CAU Sec. 4).

Two protocols. ``standard``: errors in mm, shares 1 % to 100 %, a trapezoid divided by
its width, so that AUSC is a mean error in mm [decided]. ``released``: the authors'
evaluation script to the digit: errors are metres times ten, shares 2 % to 100 % in
steps of 2, Simpson's rule over the percentage, not divided by anything.

Uncertainty is the trace of a joint's 3x3 covariance block; only Pearson's correlation
depends on its scale being a variance.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from mmhand_dne.errors import UserError

STANDARD_PERCENT = np.arange(1, 101)
RELEASED_PERCENT = np.arange(2, 101, 2)
RELEASED_SCALE = 10.0  # the authors' factor on metres
RELEASED_MIN_PAIRS = 50  # below, 2 % of the pairs are none
CLIPS = {'Pearson': None, 'Pearson_1_99': (1, 99), 'Pearson_5_95': (5, 95)}


class SparsificationCurves(NamedTuple):
    """Mean error of the pairs kept, each (N)."""

    percent: np.ndarray  # kept, of all pairs
    model: np.ndarray  # sorted by uncertainty; unit of the error
    oracle: np.ndarray  # sorted by error
    random: np.ndarray  # shuffled, seeded


def standard_curves(
    error: np.ndarray, uncertainty: np.ndarray, seed: int = 0
) -> SparsificationCurves:
    """Curves at 1 % to 100 %: max(1, round(k M / 100)) pairs, ties in their order.

    Args:
        error: (M) any unit.
        uncertainty: (M) larger is less certain.
        seed: of the shuffle.

    Raises:
        ValueError: no pairs, another shape, or not finite.
    """
    error, uncertainty = _checked(error, uncertainty)
    counts = np.rint(STANDARD_PERCENT * len(error) / 100).astype(int)
    return _curves(error, uncertainty, STANDARD_PERCENT, np.maximum(counts, 1), seed)


def released_curves(
    error: np.ndarray, uncertainty: np.ndarray, seed: int = 0
) -> SparsificationCurves:
    """Curves of the authors' script: int(M * (p / 100)) pairs at p = 2, 4, ..., 100.

    Args:
        error: (M) metres.
        uncertainty: (M) larger is less certain.
        seed: of the shuffle.

    Returns: curves in metres times ten.

    Raises:
        ValueError: fewer than 50 pairs, another shape, or not finite.
    """
    error, uncertainty = _checked(error, uncertainty)
    if len(error) < RELEASED_MIN_PAIRS:
        raise UserError(
            f'released sparsification has {len(error)} joints, expected at least '
            f"{RELEASED_MIN_PAIRS}; evaluate more images or use mode 'standard'"
        )
    counts = np.array([int(len(error) * (p / 100)) for p in RELEASED_PERCENT])
    scaled = RELEASED_SCALE * error
    return _curves(scaled, uncertainty, RELEASED_PERCENT, counts, seed)


def standard_areas(curves: SparsificationCurves) -> dict[str, float]:
    """AUSC, AUSE and the oracle's AUSC as mean errors, in the curves' unit."""
    width = (STANDARD_PERCENT[-1] - STANDARD_PERCENT[0]) / 100

    def area(values: np.ndarray) -> float:
        steps = np.diff(curves.percent / 100)
        return float((steps * (values[1:] + values[:-1]) / 2).sum() / width)

    model, oracle = area(curves.model), area(curves.oracle)
    return dict(AUSC=model, AUSE=model - oracle, AUSC_oracle=oracle)


def released_areas(curves: SparsificationCurves) -> dict[str, float]:
    """AUSC, AUSE and the oracle's AUSC by Simpson's rule over the percentage."""
    step = float(RELEASED_PERCENT[1] - RELEASED_PERCENT[0])
    return dict(
        AUSC=simpson(curves.model, step),
        AUSE=simpson(curves.model - curves.oracle, step),
        AUSC_oracle=simpson(curves.oracle, step),
    )


# Not SciPy's: its versions before 1.11 give other digits than the authors' numbers.
def simpson(values: np.ndarray, step: float) -> float:
    """Simpson's rule on equally spaced values, as SciPy computes it from 1.11 on.

    With an odd number of intervals the last one is integrated under the parabola
    through the last three values (Cartwright's correction); older versions of SciPy
    averaged two rules instead.

    Args:
        values: (N), N >= 3.
        step: between neighbours.
    """
    if len(values) < 3:
        raise UserError(f"Simpson's rule has {len(values)} values, expected 3 or more")
    last = 0.0
    if len(values) % 2 == 0:
        last = (5 * values[-1] + 8 * values[-2] - values[-3]) * step / 12
        values = values[:-1]
    ends = values[0] + values[-1]
    inner = 4 * values[1:-1:2].sum() + 2 * values[2:-1:2].sum()
    return float((ends + inner) * step / 3 + last)


def correlations(error: np.ndarray, uncertainty: np.ndarray) -> dict[str, float]:
    """Pearson's correlation, plain and with the uncertainty clipped to percentiles.

    The error is never clipped. NaN where one of the two is constant.

    Args:
        error: (M) any unit.
        uncertainty: (M).
    """
    error, uncertainty = _checked(error, uncertainty)
    found = {}
    for name, clip in CLIPS.items():
        clipped = uncertainty
        if clip is not None:
            clipped = np.clip(uncertainty, *np.percentile(uncertainty, clip))
        found[name] = _correlation(scipy.stats.pearsonr, error, clipped)
    return found


def spearman(error: np.ndarray, uncertainty: np.ndarray) -> float:
    """Spearman's rank correlation; arguments and NaN as of :func:`correlations`."""
    return _correlation(scipy.stats.spearmanr, *_checked(error, uncertainty))


def _correlation(
    measure: Callable[[np.ndarray, np.ndarray], tuple], x: np.ndarray, y: np.ndarray
) -> float:
    """SciPy's coefficient; NaN without its warning where x or y (M) is constant."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float('nan')
    return float(measure(x, y)[0])


def _curves(
    error: np.ndarray,
    uncertainty: np.ndarray,
    percent: np.ndarray,
    counts: np.ndarray,
    seed: int,
) -> SparsificationCurves:
    shuffled = np.random.default_rng(seed).permutation(len(error))
    # Stable, so that ties do not depend on the machine's sorting instructions.
    orders = (
        np.argsort(uncertainty, kind='stable'),
        np.argsort(error, kind='stable'),
        shuffled,
    )
    means = [np.cumsum(error[order])[counts - 1] / counts for order in orders]
    return SparsificationCurves(percent, *means)


def _checked(error: ArrayLike, uncertainty: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    error = np.asarray(error, np.float64)
    uncertainty = np.asarray(uncertainty, np.float64)
    if error.shape != uncertainty.shape or error.ndim != 1:
        raise UserError(
            f'errors have shape {error.shape} and uncertainties {uncertainty.shape}, '
            'expected (M) both; pool the joints first'
        )
    if not len(error):
        raise UserError(
            'sparsification has no joint with ground truth; check hand_joints_valid of '
            'the evaluated split'
        )
    for name, values in (('error', error), ('uncertainty', uncertainty)):
        if not np.isfinite(values).all():
            raise UserError(
                f'sparsification: an {name} is NaN or infinite; look for the first '
                'bad training loss, or evaluate in float32'
            )
    return error, uncertainty
