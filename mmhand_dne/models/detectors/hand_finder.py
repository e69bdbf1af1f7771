"""Hands in an image or in the frames of a video."""

from collections.abc import Iterable, Sequence

import numpy as np
from mmengine.model import BaseModule
from mmpose.registry import MODELS

from mmhand_dne.conventions import OPENPOSE_JOINTS
from mmhand_dne.geometry.bounding_boxes import relative_distance
from mmhand_dne.geometry.hand_rois import roi_of_palm
from mmhand_dne.structures.hand_landmarks import LandmarkedHand, Palm

# The palm detector's seven points among the joints.
PALM_JOINTS = [
    OPENPOSE_JOINTS.index(name)
    for name in ('wrist', 'index1', 'middle1', 'ring1', 'pinky1', 'thumb1', 'thumb2')
]
SAME_PALM = 0.3  # of the larger palm's extent
HOPELESS = 0.1  # presence in a palm's square below which it is not read again


@MODELS.register_module()
class HandFinder(BaseModule):
    """Palms, then the landmarks of each; what is no hand, or another's double, is left.

    Args:
        palm_detector, landmarker: configs.
        presence_thr: the least presence of a hand; the original's is 0.5.
        search_thr: the same for palms of the detector's second pass.
        double_thr: two hands are one where their joints are closer than this on
            average, over the longer side of the larger one's box; where their sides
            differ, as those of clasped hands do, where they are closer than half.
        at_least: hands expected; where the first pass finds fewer, the second one,
            which costs several times as much, looks for more.
        most: palms that are read at most, the surest ones.
    """

    def __init__(
        self,
        palm_detector: dict = dict(type='PalmDetector'),
        landmarker: dict = dict(type='HandLandmarker'),
        presence_thr: float = 0.5,
        search_thr: float = 0.5,
        double_thr: float = 0.45,
        at_least: int = 1,
        most: int = 8,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.palm_detector = MODELS.build(palm_detector)
        self.landmarker = MODELS.build(landmarker)
        self.presence_thr, self.search_thr = presence_thr, search_thr
        self.double_thr, self.at_least, self.most = double_thr, at_least, most

    def find(
        self,
        image: np.ndarray,
        previous: Sequence[LandmarkedHand] = (),
        look: bool | None = None,
        score_thr: float | None = None,
    ) -> list[LandmarkedHand]:
        """Hands in an image, those of the frame before first, then the surest first.

        Args:
            image: (H, W, 3) uint8 RGB.
            previous: of the frame before; read again about their landmarks.
            look: for palms too; None: where a hand was lost or there was none. In a
                video look now and then, to find hands that come in.
            score_thr: of :meth:`PalmDetector.detect`.
        """
        hands = self.landmarker.about_landmarks(image, previous)
        hands = self.distinct(hands, self.presence_thr)
        if look is None:
            look = not previous or len(hands) < len(previous)
        if look:
            palms = self.palm_detector.detect(image, score_thr=score_thr)
            hands = self.distinct([*hands, *self.read(image, palms)], self.presence_thr)
        if len(hands) < self.at_least and not previous:
            palms = self.palm_detector.detect(image, True, score_thr)
            found = self.read(image, [p for p in palms if not is_of(p, hands)])
            hands = self.distinct([*hands, *found], self.search_thr)
        return hands

    def read(self, image: np.ndarray, palms: Sequence[Palm]) -> list[LandmarkedHand]:
        """The landmarks about the surest palms, the most present hand first."""
        squares = [(image, roi_of_palm(palm.corners, palm.points)) for palm in palms]
        hands = self.landmarker.read(squares[: self.most])
        # Palms of one hand lead to nearly the same square: it is read again once.
        hands = sorted(hands, key=lambda hand: -hand.presence)
        hands = self.landmarker.about_landmarks(image, self.distinct(hands, HOPELESS))
        return sorted(hands, key=lambda hand: -hand.presence)

    def distinct(
        self, hands: Iterable[LandmarkedHand], presence_thr: float
    ) -> list[LandmarkedHand]:
        """Those that are present and no double of an earlier one."""
        kept = []
        for hand in hands:
            if hand.presence > presence_thr and not any(
                self.doubles(hand, other) for other in kept
            ):
                kept.append(hand)
        return kept

    def doubles(self, hand: LandmarkedHand, other: LandmarkedHand) -> bool:
        """Whether two readings are of one hand."""
        threshold = self.double_thr * (1 if hand.side == other.side else 0.5)
        return relative_distance(hand.points, other.points) < threshold


def is_of(palm: Palm, hands: Iterable[LandmarkedHand]) -> bool:
    """Whether a palm is that of a hand which is found already."""
    return any(
        relative_distance(palm.points, h.points[PALM_JOINTS]) < SAME_PALM for h in hands
    )
