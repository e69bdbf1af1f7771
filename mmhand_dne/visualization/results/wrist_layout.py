"""Where hands stand to each other in views that are not the camera's."""

from collections.abc import Sequence

import numpy as np

from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.structures.hand_result import HandResult
from mmhand_dne.visualization.panel.mesh_views import WIDEST_GAP


def place_wrists(hands: Sequence[HandResult]) -> tuple[np.ndarray, str]:
    """Positions of the wrists relative to the first, and what has to be said of them.

    Wrists farther apart in depth than ``WIDEST_GAP`` are put that far apart: the depth
    of a scale that is wrong by a tenth is off by a hand's length.

    Args:
        hands: of one image.
    Returns: (N, 3) metres, camera axes, and a sentence, '' where the distances are
        metric and drawn as they are.
    """
    wrists = np.array([hand.translation for hand in hands], dtype=np.float64)
    if len(hands) == 1:
        return np.zeros((1, 3)), ''
    if not np.isfinite(wrists).all():
        return _side_by_side(hands), 'distance unknown, drawn side by side'
    wrists = wrists - wrists[0]
    gaps = wrists[:, 2].copy()
    wrists[:, 2] = gaps.clip(-WIDEST_GAP, WIDEST_GAP)
    if (gaps != wrists[:, 2]).any():
        far = MILLIMETRES * np.abs(gaps).max()
        return (
            wrists,
            f'depth gap {far:.0f} mm, drawn as {MILLIMETRES * WIDEST_GAP:.0f} mm',
        )
    metric = all(hand.metric for hand in hands)
    return wrists, '' if metric else 'distance not to scale'


def _side_by_side(hands: Sequence[HandResult]) -> np.ndarray:
    """Wrists in a row, in the order in which the image shows them."""
    order = np.argsort([hand.joints_2d[0, 0] for hand in hands])
    wrists = np.zeros((len(hands), 3))
    wrists[order, 0] = WIDEST_GAP * np.arange(len(hands))
    return wrists - wrists[0]
