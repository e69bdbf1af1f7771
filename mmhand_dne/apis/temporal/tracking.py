"""Which hand of a frame is which hand of the frame before."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_result import HandResult, ImageResult

MAX_GAP = 15  # frames; a track unseen for longer is over
REACH = 1.0  # hand sizes that a hand moves at most between two frames
REACH_PER_FRAME = 0.1  # more for each frame it was not seen
DEPTH_REACH = 0.35  # largest change of log(depth), likewise
FORBIDDEN = 1e6  # cost of a pair that the gate refuses


@dataclass
class Track:
    """A hand that was seen lately: its number, and how it was seen last."""

    number: int
    hand: HandResult
    last: int  # index of that frame


def track(
    results: Iterable[ImageResult], max_gap: int = MAX_GAP
) -> Iterator[ImageResult]:
    """Number the hands of a video: the same hand keeps its number.

    Each frame's hands are assigned to the tracks by the least sum of distances
    (Hungarian method). A hand joins only a track of its side, no farther in the image
    than about its own size and no nearer or farther from the camera than a third; both
    allowances grow while a track is not seen. What joins none starts a track. Numbers
    are not used twice.

    Args:
        results: in the order of the frames; ``index`` tells frames that are left out.
        max_gap: frames after which an unseen track is over.
    Yields: the results with ``track_ids``.
    Raises:
        ValueError: a result's ``index`` is not above the one before.
    """
    tracks: list[Track] = []
    count = 0
    for result in in_order(results):
        tracks = [one for one in tracks if result.index - one.last <= max_gap]
        found = assign(tracks, result)
        numbers = []
        for i, hand in enumerate(result.hands):
            joined = found.get(i)
            if joined is None:
                joined = Track(count, hand, result.index)
                tracks.append(joined)
                count += 1
            joined.hand, joined.last = hand, result.index
            numbers.append(joined.number)
        yield replace(result, track_ids=tuple(numbers))


def in_order(results: Iterable[ImageResult]) -> Iterator[ImageResult]:
    """The same results, whose ``index`` has to grow from frame to frame.

    Raises:
        ValueError: it does not, as of results of single calls, all of which have 0.
    """
    before = None
    for result in results:
        if before is not None and result.index <= before:
            raise UserError(
                f'{result.source}: frame {result.index} comes after frame {before}; '
                "give each frame's result its number, as by "
                'dataclasses.replace(result, index=number)'
            )
        before = result.index
        yield result


def assign(tracks: list[Track], result: ImageResult) -> dict[int, Track]:
    """The track of each hand that joins one, by the hand's index in the result."""
    if not tracks or not result.hands:
        return {}
    cost = np.array(
        [[distance(one, hand, result.index) for one in tracks] for hand in result.hands]
    )
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    return {
        int(row): tracks[column]
        for row, column in zip(rows, columns)
        if cost[row, column] < FORBIDDEN
    }


def distance(before: Track, hand: HandResult, index: int) -> float:
    """How far a hand is from a track: hand sizes in the image plus log(depth).

    FORBIDDEN where it cannot be the same hand.
    """
    if before.hand.side != hand.side:
        return FORBIDDEN
    patience = 1 + REACH_PER_FRAME * (index - before.last - 1)
    centres = [_centre(one) for one in (before.hand, hand)]
    sizes = [_size(one) for one in (before.hand, hand)]
    aside = float(np.linalg.norm(centres[1] - centres[0]) / max(sizes))
    depths = [float(one.translation[2]) for one in (before.hand, hand)]
    # A depth may be unknown (NaN); the image alone decides then.
    known = all(np.isfinite(depth) and depth > 0 for depth in depths)
    deeper = abs(np.log(depths[1] / depths[0])) if known else 0.0
    if aside > REACH * patience or deeper > DEPTH_REACH * patience:
        return FORBIDDEN
    return aside + deeper


def _centre(hand: HandResult) -> np.ndarray:
    return hand.joints_2d.mean(0).astype(np.float64)


def _size(hand: HandResult) -> float:
    """Larger side of the joints' box, at least one pixel."""
    return float(max(np.ptp(hand.joints_2d, axis=0).max(), 1.0))
