"""Which boxes of an image are read: given ones, found ones, or the whole image."""

from typing import TYPE_CHECKING

import numpy as np

from mmhand_dne.conventions import SIDES

from .detectors import Detector
from .given_boxes import GivenBoxes, HandBox, check_box, whole_image
from .palm_hands import PalmHands

if TYPE_CHECKING:
    from .sources import InputFrame


class BoxChoice:
    """The boxes of each frame of an input, called with one after the other.

    Args:
        given: boxes that a user gives, which come before a detector's.
        detector: see :func:`build_detector`; None takes the whole image.
        side: of boxes that name none. 'right' or 'left' also overrules a detector.
        bbox_thr, nms_thr: of the detector.
        turner: what turns boxes that have no direction, for models that know only
            crops in which the hand points up; None for others.
        in_time: the frames follow each other in time, so a detector that can may look
            where the hands last were.
    """

    def __init__(
        self,
        given: GivenBoxes | None = None,
        detector: Detector | None = None,
        side: str | None = None,
        bbox_thr: float = 0.3,
        nms_thr: float = 0.3,
        turner: PalmHands | None = None,
        in_time: bool = False,
    ) -> None:
        if in_time and hasattr(detector, 'following'):
            detector = detector.following()
        self.given, self.detector, self.side = given, detector, side
        self.bbox_thr, self.nms_thr, self.turner = bbox_thr, nms_thr, turner

    @property
    def detects(self) -> bool:
        """Whether the boxes are a detector's, which may show one hand twice."""
        return self.given is None and self.detector is not None

    def __call__(self, frame: 'InputFrame') -> tuple[list[HandBox], str]:
        """The boxes of a frame whose image was decoded, and why there are none."""
        if self.given is not None:
            boxes = self.given.of(frame.index, frame.source) or []
            why = '' if boxes else self.given.why_none(frame.index, frame.source)
        elif self.detector is None:
            boxes, why = [whole_image(frame.image.shape[1::-1], self.side)], ''
        else:
            boxes = self.detector(frame.image, self.bbox_thr, self.nms_thr)
            boxes, why = self._with_side(boxes), 'the detector found no hand'
        note = '' if boxes else f'{frame.source}: {why}'
        return self._turned(frame.image, boxes), note

    def _with_side(self, boxes: list[HandBox]) -> list[HandBox]:
        overrules = self.side in SIDES
        return [
            box._replace(side=self.side) if overrules or box.side is None else box
            for box in boxes
        ]

    def _turned(self, image: np.ndarray, boxes: list[HandBox]) -> list[HandBox]:
        """Upright squares for models that need them; boxes that cannot be cut stay."""
        if self.turner is None:
            return boxes
        return [self._turned_box(image, box) for box in boxes]

    def _turned_box(self, image: np.ndarray, box: HandBox) -> HandBox:
        if box.kind == 'roi' or check_box(box, image.shape[1::-1]):
            return box
        [turned] = self.turner.turned(image, [box])
        # A user who gives a box, or a side, says that a hand is there.
        if self.given is not None or box.kind == 'whole' and box.side is not None:
            return turned._replace(presence=None)
        return turned
