"""One image's hands out of all its crops'."""

import logging

import numpy as np
from mmengine.logging import print_log

from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.bounding_boxes import relative_distance
from mmhand_dne.structures.hand_result import HandResult, ImageResult

from .batching import ImageJob
from .read_predictions import PredictionReader

SAME_HAND = 0.25  # distance of joints over the longer side of their box [decided]


def result_of(
    job: ImageJob, reader: PredictionReader, presence_thr: float
) -> ImageResult:
    """The typed result of an image.

    Hands whose presence is below ``presence_thr`` are left out, unless their side was
    given. Of a crop of one hand only the more present one is read. Where a detector's
    boxes, or several that name no side, overlap, the same hand can come out of two
    crops: of two hands of one side whose joints coincide the less present one is left
    out. An image without hands says why; given boxes in which the model sees no hand
    are named in a warning.
    """
    frame = job.frame
    size = (0, 0) if frame.image is None else frame.image.shape[1::-1]
    per_crop = reader.read(job.samples, job.crops, job.metric) if job.crops else []
    hands = [
        hand
        for crop, found in zip(job.crops, per_crop)
        for hand in (_most_present(found) if crop.one else found)
        if crop.given or hand.presence >= presence_thr
    ]
    if job.detected or any(crop.one for crop in job.crops):
        hands = without_doubles(hands)
    hands.sort(key=lambda hand: (SIDES.index(hand.side), -hand.presence))
    doubts = [
        f'{frame.source}: in the given box about {_middle(hand.box)} the model sees no '
        f'hand (presence {hand.presence:.2f}); what it draws there is a guess'
        for hand in hands
        if hand.presence < presence_thr
    ]
    notes = '; '.join([*job.notes, *doubts])
    if hands and notes:
        print_log(notes, 'current', level=logging.WARNING)
    problem = ''
    if not hands:
        problem = notes or _nobody(job, per_crop, presence_thr)
    return ImageResult(
        frame.source,
        frame.index,
        tuple(int(s) for s in size),
        tuple(hands),
        problem,
        maps_of(job),
        name=frame.name,
    )


def _nobody(
    job: ImageJob, per_crop: list[list[HandResult]], presence_thr: float
) -> str:
    """Why there is no hand where every crop was predicted."""
    most = max(hand.presence for found in per_crop for hand in found)
    return (
        f'{job.frame.source}: no hand found (highest presence {most:.2f}, below '
        f'presence_thr {presence_thr:g})'
    )


def _middle(box: np.ndarray) -> str:
    x, y = (box[:2] + box[2:]) / 2
    return f'x={x:.0f}, y={y:.0f}'


def _most_present(hands: list[HandResult]) -> list[HandResult]:
    return [max(hands, key=lambda hand: hand.presence)]


def without_doubles(hands: list[HandResult]) -> list[HandResult]:
    """Each hand once, the more present of two; right ones before left ones."""
    kept: list[HandResult] = []
    for hand in sorted(
        hands, key=lambda hand: (SIDES.index(hand.side), -hand.presence)
    ):
        if not any(is_double(hand, other) for other in kept):
            kept.append(hand)
    return kept


def is_double(hand: HandResult, other: HandResult) -> bool:
    """Whether two hands are of one side and their joints nearly coincide in the image.

    The boxes of two people's hands may cover each other, their joints hardly do.
    """
    apart = relative_distance(hand.joints_2d, other.joints_2d)
    return hand.side == other.side and apart < SAME_HAND


def maps_of(job: ImageJob) -> dict[str, np.ndarray] | None:
    """Auxiliary maps (C, h, w) of the image's first crop, if the model gave any."""
    for sample in job.samples:
        if 'pred_fields' in sample:
            return {name: value.numpy() for name, value in sample.pred_fields.items()}
    return None
