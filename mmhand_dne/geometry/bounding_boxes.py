"""Boxes around points, pixels: a box is (x, y, w, h), corners are (x0, y0, x1, y1).

A sample's ``bbox`` are corners with a leading dimension of 1, as MMPose has them.
"""

import numpy as np

from .camera import mirror_pixels


def tight_corners(points: np.ndarray) -> np.ndarray:
    """Corners (4,) of the smallest box that holds points (N, 2), N at least 1."""
    return np.concatenate([points.min(0), points.max(0)])


def tight_box(points: np.ndarray) -> np.ndarray:
    """The smallest box (4,) that holds points (N, 2), N at least 1."""
    low, high = points.min(0), points.max(0)
    return np.concatenate([low, high - low])


def relative_distance(points: np.ndarray, others: np.ndarray) -> float:
    """Mean distance of (N, 2) points over the longer side of the larger box."""
    extent = max(np.ptp(each, axis=0).max() for each in (points, others))
    apart = np.linalg.norm(points - others, axis=1).mean()
    return float(apart / max(extent, 1e-9))


def corners_of(box: np.ndarray) -> np.ndarray:
    """A box (4,), x, y, w, h, as a sample's corners (1, 4)."""
    x, y, w, h = box
    return np.array([[x, y, x + w, y + h]])


def mirror_corners(corners: np.ndarray, width: int) -> np.ndarray:
    """Corners (1, 4) in the mirror image of an image of that width."""
    x0, y0, x1, y1 = corners[0]
    return np.array([[mirror_pixels(x1, width), y0, mirror_pixels(x0, width), y1]])
