"""One image's hands out of all its crops'."""

import logging

import numpy as np
from mmengine.logging import print_log

from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.structures.hand_result import HandResult, ImageResult

from .batching import ImageJob
from .inputs.detectors import without_overlaps
from .read_predictions import PredictionReader

SAME_HAND = 0.5  # intersection over union of two meshes' boxes of one side [decided]


def result_of(
    job: ImageJob, reader: PredictionReader, presence_thr: float
) -> ImageResult:
    """The typed result of an image.

    Hands whose presence is below ``presence_thr`` are left out, unless their side was
    given. Where a detector's boxes overlap, the same hand can come out of two crops:
    of two hands of one side that cover each other by half the less present one is left
    out. An image without hands says why.
    """
    frame = job.frame
    size = (0, 0) if frame.image is None else frame.image.shape[1::-1]
    per_crop = reader.read(job.samples, job.crops, job.metric) if job.crops else []
    hands = [
        hand
        for crop, found in zip(job.crops, per_crop)
        for hand in found
        if crop.given or hand.presence >= presence_thr
    ]
    if job.detected:
        hands = without_doubles(hands)
    hands.sort(key=lambda hand: (SIDES.index(hand.side), -hand.presence))
    notes = '; '.join(job.notes)
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


def without_doubles(hands: list[HandResult]) -> list[HandResult]:
    """Each hand once, the more present of two."""
    kept: list[HandResult] = []
    for side in SIDES:
        same = [hand for hand in hands if hand.side == side]
        corners = [tight_corners(hand.vertices_2d) for hand in same]
        presence = [hand.presence for hand in same]
        kept += [same[i] for i in without_overlaps(corners, presence, SAME_HAND)]
    return kept


def maps_of(job: ImageJob) -> dict[str, np.ndarray] | None:
    """Auxiliary maps (C, h, w) of the image's first crop, if the model gave any."""
    for sample in job.samples:
        if 'pred_fields' in sample:
            return {name: value.numpy() for name, value in sample.pred_fields.items()}
    return None
