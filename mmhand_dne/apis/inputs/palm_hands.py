"""Hands by the two networks of the package: found in images, upright in boxes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.device import get_device

from mmhand_dne.apis.shipped_model import (
    FINDERS,
    SHIPPED_WEIGHTS,
    load_part,
    read_parts,
)
from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.geometry.hand_rois import HandRoi, roi_of_box, roi_of_landmarks
from mmhand_dne.models.detectors import HandFinder
from mmhand_dne.structures.hand_landmarks import LandmarkedHand

from .given_boxes import HandBox

READABLE = 0.5  # presence from which landmarks are trusted to place a square [decided]
LOOK_EVERY = 10  # frames: how often a new hand is looked for beside known ones


class PalmHands:
    """Finds hands with their sides, and turns boxes so that the hand points up.

    It is a detector (:func:`build_detector`), whose ``bbox_thr`` is the least score of
    a palm; the second look at an image without a hand takes less sure ones, unless it
    is higher than 0.3. Two boxes of different hands may overlap, so ``nms_thr`` is not
    used.

    Args:
        weights: file with both networks; None takes the shipped one.
        device: such as 'cuda:0'; None takes what there is.
        upright: give the squares that models trained on upright crops read; otherwise
            tight boxes about the landmarks.

    Raises:
        ValueError: the file is missing, damaged or of other networks.
    """

    def __init__(
        self,
        weights: str | Path | None = None,
        device: str | None = None,
        upright: bool = False,
    ) -> None:
        path = weights or SHIPPED_WEIGHTS
        states = read_parts(path, FINDERS)
        self.finder = HandFinder()
        self.landmarker = self.finder.landmarker
        for name, module in zip(FINDERS, (self.finder.palm_detector, self.landmarker)):
            load_part(module, states[name], path)
        self.finder.to(device or get_device()).eval()
        self.upright = upright

    def __call__(
        self, image: np.ndarray, bbox_thr: float, nms_thr: float
    ) -> list[HandBox]:
        return self.boxes(self.find(image, bbox_thr))

    def find(
        self,
        image: np.ndarray,
        bbox_thr: float,
        previous: Sequence[LandmarkedHand] = (),
        look: bool | None = None,
    ) -> list[LandmarkedHand]:
        """Hands in an image (H, W, 3) uint8 BGR; see :meth:`HandFinder.find`."""
        return self.finder.find(rgb(image), previous, look, bbox_thr)

    def following(self) -> 'FollowedHands':
        """A detector of a video's frames, called with one after the other."""
        return FollowedHands(self)

    def boxes(self, hands: Sequence[LandmarkedHand]) -> list[HandBox]:
        """A box about each hand."""
        return [self._box(hand) for hand in hands]

    def _box(self, hand: LandmarkedHand) -> HandBox:
        if self.upright:
            return box_of_square(upright_square(hand), hand.side, hand.presence)
        corners = tight_corners(hand.points)
        return HandBox(corners, hand.side, kind='tight', presence=hand.presence)

    def turned(self, image: np.ndarray, boxes: Sequence[HandBox]) -> list[HandBox]:
        """Upright squares about the hands in boxes that name no direction.

        A side and an angle that a box names are kept. ``presence`` is the landmark
        network's, also where a box gave none.

        Args:
            image: (H, W, 3) uint8 BGR.
        """
        image = rgb(image) if boxes else image
        return [self._turned(image, box) for box in boxes]

    def _turned(self, image: np.ndarray, box: HandBox) -> HandBox:
        if box.angle is None:
            side = box.side if box.side in SIDES else None
            hand = self.landmarker.in_box(image, box.corners, side=side)
            square = upright_square(hand)
        else:
            angle = np.deg2rad(box.angle)
            square = roi_of_box(np.asarray(box.corners, np.float64), angle)
            [hand] = self.landmarker.read([(image, square)])
            square = upright_square(hand)._replace(angle=angle)
        return box_of_square(square, box.side or hand.side, hand.presence)


class FollowedHands:
    """The hands of a video: each frame's are first looked for where they last were.

    Frames are given in order; what it finds depends on all of them before.
    """

    def __init__(self, hands: PalmHands) -> None:
        self.hands, self.count = hands, 0
        self.previous: list[LandmarkedHand] = []

    def __call__(
        self, image: np.ndarray, bbox_thr: float, nms_thr: float
    ) -> list[HandBox]:
        look = True if self.count % LOOK_EVERY == 0 else None
        self.previous = self.hands.find(image, bbox_thr, self.previous, look)
        self.count += 1
        return self.hands.boxes(self.previous)


def rgb(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) BGR as the networks read it."""
    return np.ascontiguousarray(image[..., ::-1])


def upright_square(hand: LandmarkedHand) -> HandRoi:
    """The square about a hand's landmarks; that they were read from, if unsure."""
    return roi_of_landmarks(hand.points) if hand.presence >= READABLE else hand.roi


def box_of_square(
    square: HandRoi, side: str | None, presence: float | None = None
) -> HandBox:
    """A square as the box that a crop is cut from."""
    half = square.side / 2
    corners = np.concatenate([square.centre - half, square.centre + half])
    return HandBox(corners, side, float(np.degrees(square.angle)), 'roi', presence)
