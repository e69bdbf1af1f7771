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

A video is gone through twice, once for what a track has as a whole (shape, mean pose,
noise levels), then in windows. So results that are read from a disk as they are asked
for need the memory of one window, however many they are.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mmhand_dne.conventions import SIDES
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.portable import give_back_memory
from mmhand_dne.hand_model import HandPair, SingleHand
from mmhand_dne.structures.hand_result import HandResult, ImageResult

from .hand_track import HandTrack, TrackSmoother, TrackSurvey
from .process_noise import LONGEST
from .smoothers import AHEAD, PART, KalmanSeries, OneEuroSeries, Smoother
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
    return list(smooth_frames(list(results), method, fps, hand_model=hand_model))


def smooth_frames(
    results: Sequence[ImageResult],
    method: str = 'kalman',
    fps: float = 30.0,
    *,
    hand_model: HandPair | SingleHand | None = None,
) -> Iterator[ImageResult]:
    """:func:`smooth` of results that need not be in memory: read as they are asked for,
    some twice, and given one by one.
    """
    if method not in METHODS:
        raise UserError(f'smoothing method {method!r}; choose from {list(METHODS)}')
    if method == 'none':
        return in_order(results)
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
) -> Iterator[ImageResult]:
    """:func:`smooth_frames` by any smoother.

    Args:
        fill: whether frames that lack a track's hand get it.
    """
    surveys, times = _survey(results)
    frames = Frames(results, times)
    running: dict[int, TrackSmoother] = {}
    for start in range(times[0], times[-1] + 1, PART) if len(times) else ():
        window = frames.between(start, start + PART + AHEAD)
        hands: dict[int, list[tuple[int, HandResult]]] = defaultdict(list)
        for number, survey in list(surveys.items()):
            if survey.last < start:  # over
                running.pop(number), surveys.pop(number)
            elif survey.first < start + PART:
                if number not in running:
                    beginning = frames.beginning(number, survey)
                    running[number] = TrackSmoother(
                        smoother, hand_model, survey, beginning
                    )
                found = _hands_of(number, window)
                for time, hand, seen in running[number].window(found, start):
                    if seen or fill:
                        hands[time].append((number, hand))
        give_back_memory()  # smoothing a window takes more than the window
        for time in [time for time in window if time < start + PART]:
            yield _with_hands(window.pop(time), hands.pop(time, []))


class Frames:
    """Results by the time of their frame, read again only where they were let go.

    Args:
        times: (N,) of the results.
    """

    def __init__(self, results: Sequence[ImageResult], times: np.ndarray) -> None:
        self.results, self.times = results, times
        self.window: dict[int, ImageResult] = {}

    def between(self, start: int, stop: int) -> dict[int, ImageResult]:
        """Those of a span of time, which are kept for the next span but for what the
        caller takes out.
        """
        self.window = self._read(start, stop)
        return self.window

    def beginning(self, number: int, survey: TrackSurvey) -> HandTrack:
        """The first frames of a track."""
        stop = min(survey.first + LONGEST, survey.last + 1)
        frames = self._read(survey.first, stop)
        return HandTrack.of(_hands_of(number, frames), range(survey.first, stop))

    def _read(self, start: int, stop: int) -> dict[int, ImageResult]:
        first, last = np.searchsorted(self.times, (start, stop))
        return {
            int(self.times[i]): (self.window.get(int(self.times[i])) or self.results[i])
            for i in range(first, last)
        }


def _survey(
    results: Sequence[ImageResult],
) -> tuple[dict[int, TrackSurvey], np.ndarray]:
    """What every track is as a whole, by its number, and the times of the results."""
    surveys: dict[int, TrackSurvey] = {}
    times = []
    for result in in_order(results):
        _check_tracked(result)
        times.append(result.index)
        for number, hand in zip(result.track_ids, result.hands):
            if number not in surveys:
                surveys[number] = TrackSurvey(result.index, hand)
            surveys[number].add(result.index, hand)
    return surveys, np.array(times, np.int64)


def _hands_of(number: int, frames: dict[int, ImageResult]) -> dict[int, HandResult]:
    """A track's hands by the time of their frame."""
    return {
        time: hand
        for time, result in frames.items()
        for track, hand in zip(result.track_ids, result.hands)
        if track == number
    }


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
