"""Where hands stand to each other in views that are not the camera's."""

from collections.abc import Sequence

import numpy as np

from mmhand_dne.conventions import MILLIMETRES

WIDEST_GAP = 0.2  # metres between the wrists' depths


def place_wrists(
    wrists: np.ndarray,
    columns: Sequence[float] | None = None,
    metric: bool = True,
) -> tuple[np.ndarray, str]:
    """Positions of the wrists relative to the first, and what has to be said of them.

    Wrists farther apart in depth than ``WIDEST_GAP`` are put that far apart: the depth
    of a scale that is wrong by a tenth is off by a hand's length.

    Args:
        wrists: (N, 3) metres, camera axes; not finite where they are not known.
        columns: (N,) of the wrists in the image, in any unit. Hands whose distances are
            not known stand side by side in their order; without columns they are put
            together.
        metric: whether the distances are to scale.
    Returns: (N, 3) metres, camera axes, and a sentence, '' where the distances are
        metric and drawn as they are.
    """
    wrists = np.asarray(wrists, dtype=np.float64)
    if len(wrists) < 2:
        return np.zeros_like(wrists), ''
    if not np.isfinite(wrists).all():
        if columns is None:
            return np.zeros_like(wrists), 'distance unknown, wrists put together'
        return _side_by_side(columns), 'distance unknown, drawn side by side'
    wrists = wrists - wrists[0]
    gaps = wrists[:, 2].copy()
    wrists[:, 2] = gaps.clip(-WIDEST_GAP, WIDEST_GAP)
    if (gaps != wrists[:, 2]).any():
        far, drawn = MILLIMETRES * np.abs(gaps).max(), MILLIMETRES * WIDEST_GAP
        return wrists, f'depth gap {far:.0f} mm, drawn as {drawn:.0f} mm'
    return wrists, '' if metric else 'distance not to scale'


def _side_by_side(columns: Sequence[float]) -> np.ndarray:
    """Wrists in a row, in the order in which the image shows them."""
    wrists = np.zeros((len(columns), 3))
    wrists[np.argsort(columns), 0] = WIDEST_GAP * np.arange(len(columns))
    return wrists - wrists[0]
