"""Typed results as estimates to be scored, before and after refinement."""

import numpy as np

from mmhand_dne.conventions import SIDES
from mmhand_dne.structures.hand_result import HandResult
from mmhand_dne.visualization.results.result_views import image_map

from .single_hand_errors import HandEstimate


def estimate_of_result(hand: HandResult) -> HandEstimate:
    """A hand as its model gives it, with error bars where it has them."""
    covariance, std = hand.joint_covariance, None
    if covariance is not None:
        std = projected_std(hand)
    return HandEstimate(
        hand.joints_2d, hand.side, hand.joints, hand.vertices, covariance, std
    )


def coarse_estimate(hand: HandResult, regressor: np.ndarray) -> HandEstimate | None:
    """The hand before refinement, which has no error bars; None without stages.

    Its joints in the image are regressed from the vertices there, since the coarse
    camera is affine.

    Args:
        hand: of a model with stages, whose ridge camera is scaled orthographic.
        regressor: (S, 21, V) of its hand model, rows sum to 1.
    """
    if hand.coarse_vertices is None:
        return None
    slot = SIDES.index(hand.side) if len(regressor) > 1 else 0
    return HandEstimate(
        regressor[slot] @ hand.coarse_vertices_2d,
        hand.side,
        regressor[slot] @ hand.coarse_vertices,
        hand.coarse_vertices,
    )


def projected_std(hand: HandResult) -> np.ndarray:
    """(21,) pixels: square root of the trace of each joint's covariance in the image.

    It is that of the joint seen from the wrist: the wrist's own place has no error bar.
    """
    to_pixels = image_map(hand)[:2].T  # (2, 2) pixels per metre
    across = np.asarray(hand.joint_covariance, float)[:, :2, :2]
    seen = to_pixels @ across @ to_pixels.T
    return np.sqrt(np.trace(seen, axis1=1, axis2=2))
