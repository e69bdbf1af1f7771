"""Palms in an image."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_landmarks import Palm

from .palm_net import COARSE_ANCHORS, FINE_ANCHORS, PalmNet

SIZE = 192  # pixels; the network's own, to which its boxes are relative
STRIDES = ((8, FINE_ANCHORS), (16, COARSE_ANCHORS))
MULTIPLE = 32


@MODELS.register_module()
class PalmDetector(BaseModule):
    """MediaPipe Hands' palm detector, at one size of the image or at several.

    The network reads the whole image in a square. It takes a square of any size:
    enlarged it finds smaller palms, reduced it finds larger ones. What it finds at all
    sizes goes through one weighted non-maximum suppression.

    Args:
        size: side of the first pass's square, pixels; 192 is the original's.
        score_thr: the least score of a palm of the first pass; the original's is 0.5.
        second_pass: sides of the second pass's squares, read with the first one's.
        second_thr: the least score of a palm then. It is low: each palm has to be
            confirmed by a landmark network.
        nms_thr: intersection over union from which two boxes are one palm.
    """

    def __init__(
        self,
        size: int = 192,
        score_thr: float = 0.3,
        second_pass: Sequence[int] = (128, 160, 224, 288),
        second_thr: float = 0.05,
        nms_thr: float = 0.3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for side in (size, *second_pass):
            if side % MULTIPLE or side <= 0:
                raise UserError(
                    f'PalmDetector: a square has {side} pixels a side, expected a '
                    f"multiple of {MULTIPLE}; 192 is the original's"
                )
        self.size, self.second_pass = size, tuple(second_pass)
        self.score_thr, self.second_thr = score_thr, second_thr
        self.nms_thr = nms_thr
        self.net = PalmNet().requires_grad_(False)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`PalmNet`; of squares of any of the sizes."""
        return self.net(inputs)

    @torch.inference_mode()
    def detect(
        self, image: np.ndarray, second: bool = False, score_thr: float | None = None
    ) -> list[Palm]:
        """Palms in an image, the surest first.

        Args:
            image: (H, W, 3) uint8 RGB.
            second: read it at the second pass's sizes too, with its threshold.
            score_thr: in place of the first pass's threshold; a higher one than that
                holds in the second pass too.
        """
        sizes = (self.size, *(self.second_pass if second else ()))
        threshold = self.score_thr if score_thr is None else score_thr
        if second and threshold <= self.score_thr:
            threshold = min(threshold, self.second_thr)
        found = [self.candidates(image, size, threshold) for size in sizes]
        scores, boxes = (np.concatenate(parts) for parts in zip(*found))
        return weighted_nms(scores, boxes, self.nms_thr)

    def candidates(
        self, image: np.ndarray, size: int, threshold: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (N,) above the threshold and boxes (N, 9, 2), image pixels.

        A box is its first and last corner, then the seven points.
        """
        square, scale, shift = letterbox(image, size)
        device = next(self.parameters()).device
        inputs = torch.from_numpy(square).to(device)[None].permute(0, 3, 1, 2)
        boxes, logits = self(inputs.float() / 255)
        scores = logits[0].sigmoid().cpu().numpy()
        kept = scores > threshold
        pixels = decode(boxes[0].cpu().numpy()[kept], anchors(size)[kept])
        return scores[kept], (pixels - shift) / scale - 0.5


def letterbox(image: np.ndarray, size: int) -> tuple[np.ndarray, float, np.ndarray]:
    """The whole image in the middle of a black square.

    Args:
        image: (H, W, 3) uint8.
        size: the square's side, pixels.
    Returns: the square; the scale and the (2,) shift from the image to it, of
        coordinates that begin at the edge.
    """
    height, width = image.shape[:2]
    scale = size / max(height, width)
    inner = np.maximum(np.rint(np.array([width, height]) * scale), 1).astype(int)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    left, top = (size - inner) // 2
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        image, inner.tolist(), interpolation=method
    )
    return square, scale, np.array([left, top])


def anchors(size: int) -> np.ndarray:
    """(N, 2) pixels from the edge of a square of that size: the centres of its cells,
    as often as each has anchors, in the network's order."""
    parts = []
    for stride, count in STRIDES:
        centres = (np.arange(size // stride) + 0.5) * stride
        grid = np.stack(np.meshgrid(centres, centres), -1).reshape(-1, 2)
        parts.append(grid.repeat(count, 0))
    return np.concatenate(parts)


def decode(values: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """The network's (N, 18) about anchors (N, 2) -> (N, 9, 2) as of ``candidates``."""
    pairs = values.reshape(-1, 9, 2).astype(np.float64)
    centre, half = pairs[:, 0] + anchor, pairs[:, 1] / 2
    points = pairs[:, 2:] + anchor[:, None]
    return np.concatenate(
        [(centre - half)[:, None], (centre + half)[:, None], points], 1
    )


def weighted_nms(scores: np.ndarray, boxes: np.ndarray, threshold: float) -> list[Palm]:
    """Boxes that overlap become one, their mean weighted by score.

    Args:
        scores: (N,).
        boxes: (N, 9, 2) as of ``candidates``.
        threshold: intersection over union with the surest of them.
    """
    order = np.argsort(-scores, kind='stable')
    scores, boxes, palms = scores[order], boxes[order], []
    while len(scores):
        same = overlaps(boxes[0], boxes) > threshold
        same[0] = True
        mean = np.average(boxes[same], axis=0, weights=scores[same])
        palms.append(Palm(float(scores[0]), mean[:2].reshape(4), mean[2:]))
        scores, boxes = scores[~same], boxes[~same]
    return palms


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (>= 2, 2) with each of (N, >= 2, 2)."""
    low, high = boxes[:, 0], boxes[:, 1]
    common = (np.minimum(box[1], high) - np.maximum(box[0], low)).clip(0).prod(-1)
    total = (box[1] - box[0]).prod() + (high - low).prod(-1) - common
    return common / np.maximum(total, 1e-9)
