"""Finding hands: by our own networks, or MMDetection or MediaPipe where installed."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from mmpose.evaluation.functional import nms_torch

from mmhand_dne.geometry.bounding_boxes import tight_corners

from .given_boxes import HandBox
from .palm_hands import PalmHands

WHOLE_IMAGE = ('whole_image', 'whole-image')
PALM, MEDIAPIPE = 'palm', 'mediapipe'
LEAST_CONFIDENCE = 0.3  # of MediaPipe's own search
Detector = Callable[[np.ndarray, float, float], list[HandBox]]


def build_detector(
    det_model: None | str | Path | dict,
    det_weights: str | Path | None = None,
    det_cat_ids: None | int | Sequence[int] = None,
    device: str | None = None,
    upright: bool = False,
) -> Detector | None:
    """What finds boxes in an image; None: the whole image is the box.

    It is called with an image (H, W, 3) BGR, the lowest score of a box (palm: of a
    palm, MediaPipe: of its side), and the intersection over union above which two
    boxes are one. One that has ``following()`` gives a detector of successive frames.

    Args:
        det_model: None or 'whole_image'; 'palm', our own (:class:`PalmHands`), or the
            package 'mediapipe', which tell sides too; or a config or name of
            MMDetection, such as MMPose's ``rtmdet_nano_320-8xb32_hand.py``.
        det_weights: checkpoint of MMDetection's model, or the palm detector's file.
        det_cat_ids: categories that are hands; None takes category 0.
        upright: 'palm' gives squares in which the hand points up, others know none.
    Raises:
        ValueError: the palm detector's file cannot be used.
        ImportError: the package is not installed; says how to install it.
    """
    det_model = str(det_model) if isinstance(det_model, Path) else det_model
    det_weights = None if det_weights is None else str(det_weights)
    if det_model is None or det_model in WHOLE_IMAGE:
        return None
    if det_model == PALM:
        return PalmHands(det_weights, device, upright)
    if det_model == MEDIAPIPE:
        return MediaPipeDetector()
    return MMDetDetector(det_model, det_weights, det_cat_ids, device)


def turner_beside(detector: Detector | None, device: str | None) -> PalmHands:
    """What turns boxes for a model that knows only upright crops: the detector, if it
    can, else our own networks."""
    if isinstance(detector, PalmHands):
        return detector
    return PalmHands(None, device, upright=True)


class MMDetDetector:
    """Boxes of MMDetection's ``DetInferencer``; arguments: :func:`build_detector`."""

    def __init__(
        self,
        model: str | dict,
        weights: str | None,
        cat_ids: int | Sequence[int] | None,
        device: str | None,
    ) -> None:
        try:
            from mmdet.apis import DetInferencer
        except ImportError as error:
            raise ImportError(
                f'the detector {model} needs MMDetection, which is not installed '
                f'({error}); pip install mmcv and "mmdet>=3.0.0,<3.3.0", or give '
                'boxes'
            ) from error
        options = dict(model=model, weights=weights, device=device, scope='mmdet')
        if 'show_progress' in inspect.signature(DetInferencer).parameters:
            options['show_progress'] = False
        self.inferencer = DetInferencer(**options)
        cat_ids = 0 if cat_ids is None else cat_ids
        self.cat_ids = np.atleast_1d(np.asarray(cat_ids))

    def __call__(
        self, image: np.ndarray, bbox_thr: float, nms_thr: float
    ) -> list[HandBox]:
        [sample] = self.inferencer(image, return_datasamples=True)['predictions']
        found = sample.pred_instances
        boxes, scores, labels = (
            np.asarray(found[name].cpu()) for name in ('bboxes', 'scores', 'labels')
        )
        kept = np.isin(labels, self.cat_ids) & (scores > bbox_thr)
        boxes, scores = boxes[kept], scores[kept]
        return [
            HandBox(boxes[i].astype(np.float64), kind='tight')
            for i in without_overlaps(boxes, scores, nms_thr)
        ]


class MediaPipeDetector:
    """Boxes about MediaPipe's 21 landmarks, with sides."""

    def __init__(self, max_hands: int = 8) -> None:
        try:
            from mediapipe.python.solutions.hands import Hands
        except ImportError as error:
            raise ImportError(
                'the detector mediapipe needs the package mediapipe with its '
                f'"solutions", which is not installed ({error}); take the detector '
                'palm, which has the same networks and needs no package, or install '
                '"mediapipe<0.10.22" in an environment of its own: its protobuf 4 '
                'breaks onnx and TensorBoard'
            ) from error
        self.hands = Hands(
            static_image_mode=True,
            max_num_hands=max_hands,
            min_detection_confidence=LEAST_CONFIDENCE,
        )

    def __call__(
        self, image: np.ndarray, bbox_thr: float, nms_thr: float
    ) -> list[HandBox]:
        height, width = image.shape[:2]
        found = self.hands.process(np.ascontiguousarray(image[..., ::-1]))
        boxes, scores = [], []
        for landmarks, handedness in zip(
            found.multi_hand_landmarks or (), found.multi_handedness or ()
        ):
            shares = np.array([[mark.x, mark.y] for mark in landmarks.landmark])
            corners = tight_corners(shares * [width, height] - 0.5)
            # MediaPipe names the side as in a mirror, as a front camera shows it.
            guess = handedness.classification[0]
            side = 'left' if guess.label == 'Right' else 'right'
            if guess.score > bbox_thr:
                boxes.append(HandBox(corners, side, kind='tight'))
                scores.append(guess.score)
        kept = without_overlaps([box.corners for box in boxes], scores, nms_thr)
        return [boxes[i] for i in kept]


def without_overlaps(
    boxes: Sequence[np.ndarray], scores: Sequence[float], threshold: float
) -> list[int]:
    """Indices of the boxes to keep, best first: no two overlap by more.

    The overlap is :func:`mmpose.structures.bbox.bbox_overlaps`, of continuous
    coordinates; MMPose's ``nms`` counts a box of whole pixels one pixel larger.

    Args:
        boxes: (N, 4) corners x0, y0, x1, y1.
        scores: (N,); of equal ones the earlier box comes first.
        threshold: intersection over union.
    """
    if not len(boxes):
        return []
    order = np.argsort(-np.asarray(scores), kind='stable')
    corners = torch.from_numpy(np.asarray(boxes, np.float64)[order])
    ranks = -torch.arange(len(order))
    return order[nms_torch(corners, ranks, threshold).numpy()].tolist()
