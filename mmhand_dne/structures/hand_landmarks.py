"""What the detectors say of hands: palms, landmarks in crops, landmarks in images."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from mmhand_dne.conventions import LEFT, RIGHT, SIDES
from mmhand_dne.geometry.hand_rois import HandRoi


class HandLandmarks(NamedTuple):
    """A landmark network's reading of B crops; joints in OpenPose order.

    Attributes:
        points: (B, 21, 3) x and y in pixels of the crop, centres at integers; z in the
            same unit, away from the camera, about 0 at the wrist.
        presence_logits: (B,) of a hand being in the crop.
        right_logits: (B,) positive: a right hand, in a picture that is not mirrored.
        world: (B, 21, 3) metres, x to the crop's right, y down, z away, about a point
            in the middle of the hand.
    """

    points: Tensor
    presence_logits: Tensor
    right_logits: Tensor
    world: Tensor


class Palm(NamedTuple):
    """A palm that was found in an image.

    Attributes:
        score: in [0, 1].
        corners: (4,) x0, y0, x1, y1 of the palm's box, image pixels.
        points: (7, 2) image pixels: wrist, knuckles of index, middle, ring and little
            finger, thumb's root and knuckle.
    """

    score: float
    corners: np.ndarray
    points: np.ndarray


class LandmarkedHand(NamedTuple):
    """One hand's landmarks in an image; joints in OpenPose order.

    Attributes:
        roi: the square that they were read from.
        points: (21, 2) image pixels.
        depth: (21,) image pixels, away from the camera, about 0 at the wrist.
        world: (21, 3) metres, in the image's axes: x right, y down, z away.
        presence: of a hand in the square, in [0, 1].
        right: of its being a right hand, in [0, 1].
    """

    roi: HandRoi
    points: np.ndarray
    depth: np.ndarray
    world: np.ndarray
    presence: float
    right: float

    @property
    def side(self) -> str:
        """'right' or 'left', the likelier one."""
        return SIDES[RIGHT if self.right >= 0.5 else LEFT]
