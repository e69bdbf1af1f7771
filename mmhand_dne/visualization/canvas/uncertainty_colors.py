"""Colours of standard deviations in millimetres, and the legend that explains them.

The colours are matplotlib's viridis: of even steps and told apart with and without
red-green blindness; bright is uncertain.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

from .lettering import INK, PAPER, letter_height, measure, write

COLOR_MAP = 'viridis'
LEAST_SPAN = 1.0  # millimetres; the legend's end where every joint is surer than that
LEVELS = 256  # of the colour map
NO_VALUE = (150, 150, 150)  # of what has no error bar


def color_span(deviations: Sequence[np.ndarray]) -> float:
    """Where the legend of these standard deviations ends, a round number of mm.

    It starts at zero. A deviation that is not finite counts for nothing.

    Args:
        deviations: arrays of any shape, millimetres.
    """
    values = np.concatenate([np.ravel(d) for d in deviations] + [[LEAST_SPAN]])
    largest = float(values[np.isfinite(values)].max())
    return float(ticks(largest)[-1])


def deviation_colors(deviation: np.ndarray, span: float) -> np.ndarray:
    """RGB (..., 3) uint8 of standard deviations (...), millimetres; grey if not finite.

    Args:
        deviation: millimetres.
        span: the legend's end, millimetres; larger values have its colour.
    """
    deviation = np.asarray(deviation, dtype=np.float64)
    known = np.isfinite(deviation)
    table = _color_table()
    level = (np.where(known, deviation, 0.0) / span * LEVELS).clip(0, LEVELS - 1)
    return table.take(np.where(known, level, LEVELS).astype(np.int64), axis=0)


@lru_cache(maxsize=1)
def _color_table() -> np.ndarray:
    """RGB (LEVELS + 1, 3) uint8 from certain to uncertain, then of no value."""
    colors = colormaps[COLOR_MAP](np.arange(LEVELS), bytes=True)[:, :3]
    return np.concatenate([colors, [np.array(NO_VALUE, np.uint8)]])


def color_scale(steps: int = 11) -> list[list]:
    """The colour map as [[0, '#rrggbb'], ..., [1, '#rrggbb']], for a web page."""
    shares = np.linspace(0, 1, steps)
    colors = colormaps[COLOR_MAP](shares, bytes=True)[:, :3].tolist()
    return [
        [round(float(share), 4), '#' + bytes(color).hex()]
        for share, color in zip(shares, colors)
    ]


def legend(width: int, span: float, title: str = 'standard deviation') -> np.ndarray:
    """Horizontal colour bar from 0 to ``span`` millimetres, (h, width, 3) uint8."""
    # Rows from the top: title, strip of colours, ticks and their numbers.
    height = letter_height(width)
    pad = max(3, height // 3)
    strip_top = pad + round(1.3 * height)
    strip_bottom = strip_top + round(0.9 * height)
    rows = strip_bottom + round(1.7 * height)
    picture = np.full((rows, width, 3), PAPER, np.uint8)
    picture = write(picture, f'{title} [mm]', (pad, pad // 2), height, bold=True)
    # The strip leaves room for half a number at each end.
    marks = ticks(span)
    label_room = measure(f'{marks[-1]:g}', height)[0] // 2
    left, right = pad + label_room, width - pad - label_room
    strip = deviation_colors(np.linspace(0, span, right - left), span)
    picture[strip_top:strip_bottom, left:right] = strip
    for tick in marks:
        x = left + round(tick / span * (right - left - 1))
        picture[strip_bottom : strip_bottom + pad, max(x - 1, 0) : x + 1] = INK
        at = (x, strip_bottom + pad)
        picture = write(picture, f'{tick:g}', at, height, anchor='mt')
    return picture


def ticks(largest: float) -> np.ndarray:
    """Round numbers from zero to the first that is not below ``largest``."""
    values = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, largest)
    return values[values >= 0]
