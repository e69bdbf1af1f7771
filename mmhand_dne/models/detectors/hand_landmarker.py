"""Landmarks of hands in rotated squares of an image."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.geometry.hand_rois import (
    HandRoi,
    roi_affine,
    roi_of_box,
    roi_of_landmarks,
    turned,
)
from mmhand_dne.models.backbones.mediapipe_hand_net import MediaPipeHandNet
from mmhand_dne.models.layers.landmark_readout import LandmarkReadout
from mmhand_dne.structures.hand_landmarks import HandLandmarks, LandmarkedHand

SIZE = 224  # pixels, of a crop
MOST_TIMES = 4  # as many pixels a side, that a crop is averaged from [decided]
LEAST_SIDE = 1.0  # pixels of the image, also where all landmarks coincide
ANGLES = 12  # rotations of the squares that are tried in a given box
ROUNDS = 2  # of reading again about what was read there
FOLLOWED = 4  # of the rotations tried there
WRONG_SIDE = 0.1  # what is left of a hand's fit if it is surely of the other side


@MODELS.register_module()
class HandLandmarker(BaseModule):
    """MediaPipe Hands' landmark network, on rotated squares of images.

    Args:
        batch_size: the most crops of one forward.
    """

    def __init__(self, batch_size: int = 16, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.batch_size = batch_size
        self.trunk = MediaPipeHandNet(frozen_levels=5)
        self.readout = LandmarkReadout().requires_grad_(False)

    def forward(self, crops: Tensor) -> HandLandmarks:
        """RGB crops in [0, 1], (B, 3, 224, 224) -> their landmarks."""
        return self.readout(self.trunk(crops)[-1].mean((-2, -1)))

    @torch.inference_mode()
    def read(
        self, squares: Sequence[tuple[np.ndarray, HandRoi]]
    ) -> list[LandmarkedHand]:
        """What is in each square, be it a hand or not.

        Args:
            squares: images (H, W, 3) uint8 RGB with a square of each.
        """
        hands, reductions = [], {}
        for first in range(0, len(squares), self.batch_size):
            batch = [
                (image, roi._replace(side=max(roi.side, LEAST_SIDE)))
                for image, roi in squares[first : first + self.batch_size]
            ]
            crops = np.stack([cut(*each, SIZE, reductions) for each in batch])
            device = next(self.parameters()).device
            inputs = torch.from_numpy(crops).to(device).permute(0, 3, 1, 2)
            read = self(inputs.float() / 255)
            hands += in_image(read, [roi for _, roi in batch])
        return hands

    def about_landmarks(
        self, image: np.ndarray, hands: Sequence[LandmarkedHand]
    ) -> list[LandmarkedHand]:
        """The hands, read again from the squares about their landmarks."""
        return self.read([(image, roi_of_landmarks(hand.points)) for hand in hands])

    def in_box(
        self,
        image: np.ndarray,
        corners: np.ndarray,
        angles: int = ANGLES,
        rounds: int = ROUNDS,
        side: str | None = None,
    ) -> LandmarkedHand:
        """The hand in a box that does not say how the hand is turned.

        Squares of several rotations are read. The best of them are read again about
        their landmarks, and the hand is returned that is most present and whose
        landmarks fill the box best: of two clasped hands the one that the box is of.

        Args:
            image: (H, W, 3) uint8 RGB.
            corners: (4,) x0, y0, x1, y1 of a tight box, pixels.
            angles: rotations to try.
            rounds: times to read again.
            side: 'right' or 'left', if known.
        """
        corners = np.asarray(corners, np.float64)
        turns = 2 * np.pi * np.arange(angles) / angles
        hands = self.read([(image, roi_of_box(corners, turn)) for turn in turns])

        def quality(hand: LandmarkedHand) -> float:
            return fit(hand, corners, side)

        hands = sorted(hands, key=quality, reverse=True)[:FOLLOWED]
        for _ in range(rounds):
            hands = self.about_landmarks(image, hands)
        return max(hands, key=quality)


def fit(hand: LandmarkedHand, corners: np.ndarray, side: str | None) -> float:
    """How well a hand agrees with a box (4,) and a side: in [0, 1.1].

    Its presence times the intersection over union of its landmarks' box and the box,
    times its being of the side.
    """
    found = tight_corners(hand.points)
    low, high = np.maximum(found[:2], corners[:2]), np.minimum(found[2:], corners[2:])
    common = (high - low).clip(0).prod()
    areas = sum((box[2:] - box[:2]).prod() for box in (found, corners))
    agreement = hand.presence * common / max(areas - common, 1e-9)
    if side is None:
        return float(agreement)
    right_side = hand.right if side == 'right' else 1 - hand.right
    return float(agreement * (WRONG_SIDE + right_side))


def cut(
    image: np.ndarray,
    roi: HandRoi,
    size: int,
    reductions: dict[tuple[int, int], np.ndarray] | None = None,
) -> np.ndarray:
    """The square as (size, size, 3) uint8, black outside of the image.

    A square of more than twice as many pixels is averaged, not only sampled; of many
    times as many the image is reduced first, so that no square costs much.

    Args:
        reductions: keeps reduced images, by the identity of an image and how often.
    """
    reductions = {} if reductions is None else reductions
    often = min(int(roi.side // (size * MOST_TIMES)), max(image.shape[:2]))
    if often > 1:
        key = id(image), often
        if key not in reductions:
            reductions[key] = reduced(image, often)
        centre = (np.asarray(roi.centre) + 0.5) / often - 0.5
        image, roi = reductions[key], HandRoi(centre, roi.side / often, roi.angle)
    times = min(max(int(roi.side // size), 1), 2 * MOST_TIMES)
    affine = roi_affine(roi, size * times)
    fine = cv2.warpAffine(image, affine, (size * times, size * times))
    if times == 1:
        return fine
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA)


def reduced(image: np.ndarray, times: int) -> np.ndarray:
    """An image (H, W, 3) whose pixels are means of ``times`` x ``times`` ones, black
    outside."""
    below, right = (-side % times for side in image.shape[:2])
    whole = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT)
    height, width = (side // times for side in whole.shape[:2])
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def in_image(read: HandLandmarks, rois: Sequence[HandRoi]) -> list[LandmarkedHand]:
    """The landmarks of B crops, each cut from a square, in the squares' images."""
    points, presence, right, world = (
        part.double().cpu().numpy()
        for part in (
            read.points,
            read.presence_logits.sigmoid(),
            read.right_logits.sigmoid(),
            read.world,
        )
    )
    hands = []
    for i, roi in enumerate(rois):
        axes, pixel = turned(roi.angle), roi.side / SIZE
        offset = (points[i, :, :2] - (SIZE - 1) / 2) * pixel
        metres = np.concatenate([world[i, :, :2] @ axes.T, world[i, :, 2:]], 1)
        hands.append(
            LandmarkedHand(
                roi,
                roi.centre + offset @ axes.T,
                points[i, :, 2] * pixel,
                metres,
                float(presence[i]),
                float(right[i]),
            )
        )
    return hands
