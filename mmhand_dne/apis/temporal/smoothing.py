"""Hands of a video made smooth in time, using what the model knows of its errors.

``kalman`` is a Kalman filter with a Rauch-Tung-Striebel smoother. A model's joint
covariance is the measurement noise, all 60 x 60 of it: a frame in which the model is
unsure counts less, and joints that err together are corrected together. Where the model
has no error bars, all rotations of the pose are taken to err by one angle, which is
estimated from the track; the joints' errors follow from that.

Two numbers per track are found by maximum likelihood of the innovations: the strength
of the process noise, and a factor on the covariance. The factor is there because a
model's error has a part that is the same in all frames, which no smoother can see or
remove, and the innovations hold the other part alone.

``one_euro`` is the One-Euro filter, for comparison: causal, without error bars.

Both give a track one shape. A result stays consistent: the mesh is the hand model's,
with the smoothed pose and the track's shape, plus the smoothed residual of models that
refine; joints, pixel coordinates, camera and translation belong to it. Error bars
remain the model's own: smoothing removes the part of an error that changes from frame
to frame, so they bound what is left from above.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from mmhand_dne.conventions import SIDES
from mmhand_dne.errors import UserError
from mmhand_dne.hand_model import HandPair, SingleHand
from mmhand_dne.structures.hand_result import HandResult, ImageResult

from .hand_track import HandTrack, smooth_track
from .smoothers import KalmanSeries, OneEuroSeries, Smoother
from .tracking import in_order

METHODS = ('kalman', 'one_euro', 'none')


def smooth(
    results: Sequence[ImageResult],
    method: str = 'kalman',
    fps: float = 30.0,
    *,
    hand_model: HandPair | SingleHand | None = None,
) -> list[ImageResult]:
    """Smooth the tracked hands of a video.

    A frame between two frames of a track that lacks the hand gets it by prediction with
    ``kalman`` (with the smaller presence of the frames beside it, and their error
    bars); frames that did not decode stay empty. ``one_euro`` fills no frame.

    Args:
        results: of :func:`track`; ``index`` is the time.
        method: 'kalman', 'one_euro', or 'none': the results as they are.
        fps: frames per second, for One-Euro's cut-off frequencies.
        hand_model: of the model that made the results, ``inferencer.model.hand_model``.
    Raises:
        ValueError: the method is unknown, hands have no track, frames are not in
            order, or the hand model is not given.
    """
    results = list(in_order(results))
    if method not in METHODS:
        raise UserError(f'smoothing method {method!r}; choose from {list(METHODS)}')
    if method == 'none':
        return results
    if not fps > 0:
        raise UserError(f'fps is {fps}, expected frames per second above 0')
    if hand_model is None:
        raise UserError(
            'smooth() needs hand_model to pose the mesh; give '
            'inferencer.model.hand_model'
        )
    kalman = method == 'kalman'
    smoother = KalmanSeries() if kalman else OneEuroSeries(fps)
    return smooth_with(results, smoother, hand_model, fill=kalman)


def smooth_with(
    results: Sequence[ImageResult],
    smoother: Smoother,
    hand_model: HandPair | SingleHand,
    fill: bool,
) -> list[ImageResult]:
    """:func:`smooth` by any smoother.

    Args:
        fill: whether frames that lack a track's hand get it.
    """
    found: dict[int, dict[int, HandResult]] = defaultdict(dict)
    for result in results:
        _check_tracked(result)
        for number, hand in zip(result.track_ids, result.hands):
            found[number][result.index] = hand
    hands: dict[int, list[tuple[int, HandResult]]] = defaultdict(list)
    for number, frames in found.items():
        track = HandTrack.of(frames)
        smoothed = smooth_track(track, smoother, hand_model)
        for t, (hand, seen) in enumerate(zip(smoothed, track.seen), start=min(frames)):
            if seen or fill:
                hands[t].append((number, hand))
    return [_with_hands(result, hands[result.index]) for result in results]


def _check_tracked(result: ImageResult) -> None:
    if len(result.track_ids) != len(result.hands):
        raise UserError(
            f'{result.source}: {len(result.hands)} hands but {len(result.track_ids)} '
            'track_ids; pass the results through '
            'mmhand_dne.apis.temporal.tracking.track first'
        )


def _with_hands(
    result: ImageResult, found: list[tuple[int, HandResult]]
) -> ImageResult:
    if result.size == (0, 0):  # nothing decoded: there is no image to have hands
        return result
    found = sorted(
        found, key=lambda pair: (SIDES.index(pair[1].side), -pair[1].presence)
    )
    return replace(
        result,
        hands=tuple(hand for _, hand in found),
        track_ids=tuple(number for number, _ in found),
        problem='' if found else result.problem,
    )
