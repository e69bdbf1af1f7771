"""Where a hand is seen and how large: the camera of a track, smoothed.

In each frame the image of the mesh is u = M x + b, with x the vertices' x and y in
camera axes: b is the wrist's pixel, M pixels per metre. Smoothed are b and the
logarithm of M's scale; depth is inversely proportional to that scale.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mmhand_dne.structures.hand_result import HandResult


class Views(NamedTuple):
    """The cameras of T frames.

    Attributes:
        linear: (T, 2, 2) pixels per metre.
        wrist: (T, 2) pixels.
    """

    linear: np.ndarray
    wrist: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """(T, N, 3) metres to (T, N, 2) pixels."""
        return points[..., :2] @ np.swapaxes(self.linear, -1, -2) + self.wrist[:, None]

    @property
    def log_scale(self) -> np.ndarray:
        """(T,) logarithm of pixels per metre, mean of both axes."""
        return 0.5 * np.log(np.abs(np.linalg.det(self.linear)))

    def changed(self, wrist: np.ndarray, log_scale: np.ndarray) -> 'Views':
        """The same cameras with another wrist (T, 2) and scale (T,)."""
        ratio = np.exp(log_scale - self.log_scale)
        return Views(self.linear * ratio[:, None, None], wrist)


def views_of(points: np.ndarray, pixels: np.ndarray) -> Views:
    """The cameras that show points (T, N, 3) at pixels (T, N, 2), by least squares.

    Exact for scaled orthographic cameras, whatever the crop; what a perspective one
    does beyond that stays with the pixels in :func:`moved_pixels`.
    """
    design = np.concatenate([points[..., :2], np.ones_like(points[..., :1])], -1)
    found = np.linalg.pinv(design) @ pixels  # (T, 3, 2)
    return Views(np.swapaxes(found[:, :2], -1, -2), found[:, 2])


def moved_pixels(
    pixels: np.ndarray,
    before: tuple[Views, np.ndarray],
    after: tuple[Views, np.ndarray],
) -> np.ndarray:
    """Pixels (T, N, 2) after points and cameras have changed.

    Args:
        before, after: cameras, and points (T, N, 3) metres.
    """
    return pixels + after[0].project(after[1]) - before[0].project(before[1])


def moved_camera(hand: HandResult, before: Views, after: Views) -> HandResult:
    """A hand whose crop camera and translation follow its view's change.

    Args:
        before, after: cameras of this frame alone, T = 1.
    """
    ratio = float(np.exp(after.log_scale - before.log_scale)[0])
    shift = (after.wrist - before.wrist)[0]
    affine = hand.crop_affine[:, :2].astype(np.float64)
    scale = hand.crop_camera[:, 0].astype(np.float64)
    # affine M = half the crop's sides * diag(scale) * a rotation
    half = np.linalg.norm(affine @ before.linear[0], axis=1) / np.abs(scale)
    camera = hand.crop_camera.astype(np.float64)
    camera[:, 0] *= ratio
    camera[:, 1] += affine @ shift / half
    # A hand seen larger is nearer; its pixel then moves it along the image plane.
    nearer = hand.translation.astype(np.float64) / ratio
    ray = np.linalg.solve(hand.intrinsics.astype(np.float64), [*shift, 0.0])
    translation = nearer + ray * nearer[2]
    return replace(
        hand,
        crop_camera=camera.astype(np.float32),
        translation=translation.astype(np.float32),
    )


def one_frame(views: Views, frame: int) -> Views:
    """The camera of one frame."""
    return Views(*(value[frame : frame + 1] for value in views))


def stacked(hands: Sequence[HandResult], name: str) -> np.ndarray:
    """A field of several hands, (T, ...) float64."""
    return np.stack([getattr(hand, name) for hand in hands]).astype(np.float64)
