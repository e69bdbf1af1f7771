"""Rotated squares about hands, as MediaPipe Hands cuts them: the hand points up.

Pixels are of the image, with centres at integers; an angle is in radians, clockwise as
the image is seen, and 0 where the hand already points up.
"""

from typing import NamedTuple

import numpy as np

from mmhand_dne.conventions import MIDDLE, OPENPOSE_JOINTS, WRIST

from .camera import mirror_pixels

# MediaPipe's graphs (hand_landmark_tracking, hand_landmark_landmarks_to_roi).
PALM_SCALE, PALM_SHIFT = 2.6, -0.5
LANDMARK_SCALE, LANDMARK_SHIFT = 2.0, -0.1
BOX_SCALE = 1.6  # of the first square about a given box [decided]
PALM_WRIST, PALM_MIDDLE = 0, 2  # of the palm detector's seven points
INDEX, RING = (OPENPOSE_JOINTS.index(name) for name in ('index1', 'ring1'))
# Joints that move little when fingers bend.
STEADY = [
    i for i, name in enumerate(OPENPOSE_JOINTS) if name[-1] in 't12' or name == 'thumb3'
]


class HandRoi(NamedTuple):
    """A square about a hand.

    Attributes:
        centre: (2,) pixels.
        side: pixels.
        angle: radians; the square's upward direction is the hand's.
    """

    centre: np.ndarray
    side: float
    angle: float


def upright_angle(wrist: np.ndarray, ahead: np.ndarray) -> float:
    """The clockwise angle (radians) from "up" to the direction wrist -> ahead, (2,)."""
    x, y = ahead - wrist
    return float(np.arctan2(x, -y))


def turned(angle: float) -> np.ndarray:
    """(2, 2) from a square's axes to the image's."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def roi_of_box(corners: np.ndarray, angle: float = 0.0) -> HandRoi:
    """The first square about a box whose hand is turned by an angle.

    Args:
        corners: (4,) of a tight box about the hand.
    """
    extent = float((corners[2:] - corners[:2]).max())
    return HandRoi((corners[:2] + corners[2:]) / 2, BOX_SCALE * extent, angle)


def roi_of_palm(corners: np.ndarray, points: np.ndarray) -> HandRoi:
    """The square of a palm detection: the whole hand is expected in it.

    Args:
        corners: (4,) of the palm's box.
        points: (7, 2), the wrist first, the middle finger's knuckle third.
    """
    angle = upright_angle(points[PALM_WRIST], points[PALM_MIDDLE])
    extent = corners[2:] - corners[:2]
    ahead = turned(angle) @ np.array([0.0, PALM_SHIFT * extent[1]])
    centre = (corners[:2] + corners[2:]) / 2 + ahead
    return HandRoi(centre, PALM_SCALE * float(extent.max()), angle)


def roi_of_landmarks(joints: np.ndarray) -> HandRoi:
    """The square of a hand whose joints are known, without the outer joints and tips of
    its fingers.

    Args:
        joints: (21, 2) OpenPose order.
    """
    knuckles = ((joints[INDEX] + joints[RING]) / 2 + joints[MIDDLE]) / 2
    angle = upright_angle(joints[WRIST], knuckles)
    axes = turned(angle)
    steady = joints[STEADY] @ axes  # in the square's axes
    low, high = steady.min(0), steady.max(0)
    extent = high - low
    centre = (low + high) / 2 + np.array([0.0, LANDMARK_SHIFT * extent[1]])
    return HandRoi(axes @ centre, LANDMARK_SCALE * float(extent.max()), angle)


def mirror_roi(roi: HandRoi, width: int) -> HandRoi:
    """The square in the mirror image of an image of that width."""
    x, y = roi.centre
    return HandRoi(np.array([mirror_pixels(x, width), y]), roi.side, -roi.angle)


def roi_affine(roi: HandRoi, size: int) -> np.ndarray:
    """(2, 3) image pixels to the pixels of a crop of ``size``, centres at integers."""
    linear = turned(roi.angle).T * (size / roi.side)
    return np.column_stack([linear, (size - 1) / 2 - linear @ roi.centre])
