"""One picture's hands out of all its crops'."""

import numpy as np
from mmengine.logging import print_log

from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.structures.hand_result import HandResult, ImageResult

from .batching import Job
from .inputs.detectors import overlap
from .read_predictions import HandReader

SAME_HAND = 0.5  # intersection over union of two meshes' boxes of one side [decided]


def result_of(job: Job, reader: HandReader, presence_thr: float) -> ImageResult:
    """The typed result of a picture.

    Hands whose presence is below ``presence_thr`` are left out, unless their side was
    given. Where a detector's boxes overlap, the same hand can come out of two crops:
    of two hands of one side that cover each other by half the less present one is left
    out. A picture without hands says why.
    """
    frame = job.frame
    size = (0, 0) if frame.image is None else frame.image.shape[1::-1]
    found, most = [], None
    if job.crops:
        per_crop = reader.read(job.samples, job.crops, job.metric)
        for crop, hands in zip(job.crops, per_crop):
            best = max(hand.presence for hand in hands)
            most = best if most is None else max(most, best)
            found += [
                hand for hand in hands if crop.given or hand.presence >= presence_thr
            ]
    if job.detected:
        found = without_doubles(found)
    found.sort(key=lambda hand: (SIDES.index(hand.side), -hand.presence))
    problem = '' if found else '; '.join(job.notes)
    if found and job.notes:
        print_log('; '.join(job.notes), 'current', level=30)
    if not found and not problem:
        problem = (
            f'{frame.source}: no hand found (highest presence {most:.2f}, below '
            f'presence_thr {presence_thr:g})'
        )
    return ImageResult(
        frame.source,
        frame.index,
        tuple(int(s) for s in size),
        tuple(found),
        problem,
        maps_of(job),
    )


def without_doubles(hands: list[HandResult]) -> list[HandResult]:
    """Each hand once, the more present of two."""
    kept: list[HandResult] = []
    for hand in sorted(hands, key=lambda hand: -hand.presence):
        if all(
            hand.side != other.side
            or overlap(_extent(hand), _extent(other)) <= SAME_HAND
            for other in kept
        ):
            kept.append(hand)
    return kept


def _extent(hand: HandResult) -> np.ndarray:
    return tight_corners(hand.vertices_2d)


def maps_of(job: Job) -> dict | None:
    """Auxiliary maps (C, h, w) of the picture's first crop, if the model gave any."""
    for sample in job.samples:
        if 'pred_fields' in sample:
            return {name: value.numpy() for name, value in sample.pred_fields.items()}
    return None
