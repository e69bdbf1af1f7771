"""One hand's frames as arrays, smoothed window by window, and back as typed results."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import scipy
import torch

from mmhand_dne.conventions import MANO_JOINTS, NUM_JOINTS
from mmhand_dne.geometry.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from mmhand_dne.hand_model import HandPair, SingleHand
from mmhand_dne.structures.hand_result import HandResult

from .pose_jacobian import joint_jacobian, rotations_at, tangents_at
from .posed_hand import Posed, PosedHand, fit_pose
from .smoothers import AHEAD, PART, Smoother
from .track_camera import (
    Views,
    moved_camera,
    moved_pixels,
    one_frame,
    stacked,
    views_of,
)

EXACT = 1e-5  # metres; meshes that differ less are the hand model's own
# Variances below this share of the mean one are not believed: a network's covariance is
# nearly singular, and a tiny error of rounding would weigh as much as a joint.
RIDGE = 1e-4
JOINT_SHARE = 0.01  # metres a joint errs by itself where rotations err by a radian


Found = Mapping[int, HandResult]  # a track's hands by the time of their frame


class HandTrack(NamedTuple):
    """One hand over T frames; a frame without it repeats the nearest with it, with the
    smaller presence of the frames around.

    Attributes:
        hands: one per frame.
        seen: (T,) bool, whether it was predicted in that frame.
    """

    hands: list[HandResult]
    seen: np.ndarray

    @classmethod
    def of(
        cls, found: Found, span: range, before: tuple[int, HandResult] | None = None
    ) -> 'HandTrack':
        """The frames of ``span``.

        Args:
            found: holds one of them at least, unless ``before`` is given.
            before: time and hand of the last frame with it before the span.
        """
        known = {time: found[time] for time in span if time in found}
        if before is not None:
            known[before[0]] = before[1]
        times = np.array(sorted(known))
        hands = []
        for t in span:
            earlier, later = times[times <= t][-1:], times[times >= t][:1]
            around = [int(time) for time in (*earlier, *later)]
            nearest = min(around, key=lambda time: abs(time - t))
            presence = min(known[time].presence for time in around)
            hands.append(replace(known[nearest], presence=presence))
        return cls(hands, np.array([t in found for t in span]))


@dataclass
class TrackSurvey:
    """What all frames of a track say together.

    Attributes:
        first, last: times of its frames.
        start: the hand in the first.
        betas: (10,) of each frame.
        weights: of each frame, of the joints' precision; None where a frame lacks it.
        turns: (16, 4, 4) sums of the rotations' quaternions' outer products.
    """

    first: int
    start: HandResult
    last: int = -1
    betas: list[np.ndarray] = field(default_factory=list)
    weights: list[float] | None = field(default_factory=list)
    turns: np.ndarray = field(
        default_factory=lambda: np.zeros((len(MANO_JOINTS), 4, 4))
    )

    def add(self, time: int, hand: HandResult) -> None:
        """One frame more, later than those before."""
        self.last = time
        self.betas.append(np.array(hand.mano.betas))
        if hand.joint_std is None:
            self.weights = None
        elif self.weights is not None:
            self.weights.append(
                float(1 / (hand.joint_std.astype(np.float64) ** 2).sum())
            )
        rotation = scipy.spatial.transform.Rotation.from_rotvec(_vectors([hand])[0])
        quaternions = rotation.as_quat()
        self.turns += quaternions[:, :, None] * quaternions[:, None]

    def shape(self) -> np.ndarray:
        """One shape for all frames, (10,).

        The mean weighted by the joints' precision where the model tells it, else the
        median of each coefficient, which single bad frames do not move.
        """
        betas = np.stack(self.betas).astype(np.float64)
        if self.weights is None:
            return np.median(betas, axis=0)
        return np.average(betas, axis=0, weights=self.weights)

    def centres(self) -> np.ndarray:
        """The mean rotation of each joint, (16, 3, 3): that of the largest sum of
        squared scalar products with the frames' quaternions.
        """
        quaternions = np.linalg.eigh(self.turns)[1][..., -1]
        return scipy.spatial.transform.Rotation.from_quat(quaternions).as_matrix()


class TrackArrays(NamedTuple):
    """A hand over T frames as arrays, float64; once as predicted, once smoothed.

    Attributes:
        rotations: (T, 16, 3, 3) of each joint to its parent, MANO order.
        betas: (T, 10).
        posed: the hand model's mesh with these.
        points: (T, 21 + V, 3) metres: joints, then vertices, of the mesh with what a
            refinement adds to it.
        views: the cameras that show these points.
    """

    rotations: np.ndarray
    betas: np.ndarray
    posed: Posed
    points: np.ndarray
    views: Views

    def first(self, count: int) -> 'TrackArrays':
        """Those of the first frames."""
        posed = Posed(*(value[:count] for value in self.posed))
        views = Views(*(value[:count] for value in self.views))
        rotations, betas, points = (
            value[:count] for value in (self.rotations, self.betas, self.points)
        )
        return TrackArrays(rotations, betas, posed, points, views)


class TrackSmoother:
    """Smooths a track window by window, in the memory of one.

    The joints are smoothed with their covariance as noise; then the pose, smoothed in
    tangent space, is fitted to them, so that the mesh is the hand model's with the
    track's shape, plus the smoothed residual of models that refine their mesh. Joints
    are those of that mesh [decided].

    Args:
        smoother: of all series.
        hand_model: of the model that made the results.
        survey: of the whole track.
        beginning: the track's first frames, from which noise levels are found.
    """

    def __init__(
        self,
        smoother: Smoother,
        hand_model: HandPair | SingleHand,
        survey: TrackSurvey,
        beginning: HandTrack,
    ) -> None:
        self.survey = survey
        self.pose = PosedHand(hand_model, survey.start.side)
        self.shape = survey.shape()
        # A causal filter may not look at later frames, not even for the tangents'
        # centre.
        self.centres = (
            survey.centres() if smoother.looks_ahead else _rotations([survey.start])[0]
        )
        self.last_tangents: np.ndarray | None = None
        self.last_seen: tuple[int, HandResult] | None = None
        arrays = _arrays(beginning.hands, self.pose)
        tangents = tangents_at(self.centres, arrays.rotations)
        self.series = {
            kind: smoother.begin(kind, measured, beginning.seen, noise)
            for kind, (measured, noise) in _series(
                beginning.hands, arrays, tangents
            ).items()
            if kind != 'residual' or _refined(measured[beginning.seen])
        }

    def window(self, found: Found, start: int) -> list[tuple[int, HandResult, bool]]:
        """The smooth hands of PART frames: time, hand, whether it was seen there.

        Args:
            found: the track's hands in these frames and the AHEAD frames after them.
            start: time of the first of them.
        """
        first = max(start, self.survey.first)
        span = range(first, min(start + PART + AHEAD, self.survey.last + 1))
        count = min(start + PART, span.stop) - first
        track = HandTrack.of(found, span, self.last_seen)
        for time in span[:count]:
            if time in found:
                self.last_seen = time, found[time]
        smooth = self._smoothed(track, count)
        return list(zip(span, smooth, track.seen))

    def _smoothed(self, track: HandTrack, count: int) -> list[HandResult]:
        hands, seen = track
        before = _arrays(hands, self.pose)
        tangents = tangents_at(self.centres, before.rotations, self.last_tangents)
        self.last_tangents = tangents[count - 1].copy()
        smooth = {
            kind: self.series[kind](measured, seen, noise, count)
            for kind, (measured, noise) in _series(hands, before, tangents).items()
            if kind in self.series
        }
        before = before.first(count)
        # What the pose cannot express: the shape, one for the track, and the
        # refinement; zero where there is none.
        residual = smooth.get('residual', np.zeros_like(before.points))
        # The hand model's pose that brings the joints there; the smooth pose to start
        # from decides the twists that no joint shows. The wrist stays.
        targets = before.points[:, :NUM_JOINTS].copy()
        targets[:, 1:] = smooth['points'].reshape(count, -1, 3)
        targets -= residual[:, :NUM_JOINTS]
        fitted = fit_pose(
            smooth['rotations'],
            self.centres,
            targets,
            lambda rotations: self.pose(rotations, self.shape),
        )
        # The mesh of that pose, and the camera before which it stands.
        rotations = rotations_at(self.centres, fitted)
        posed = self.pose(rotations, self.shape)
        betas = np.broadcast_to(self.shape, before.betas.shape)
        views = before.views.changed(smooth['pixels'], smooth['log_scale'])
        after = TrackArrays(rotations, betas, posed, _points(posed) + residual, views)
        return _results(hands[:count], before, after)


def _series(
    hands: list[HandResult], arrays: TrackArrays, tangents: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """What is smoothed of a track's frames: values and their noise, by kind.

    Args:
        tangents: (T, 16, 3) radians, the pose where it can be averaged.
    """
    joints = arrays.points[:, :NUM_JOINTS]
    noise = error_bars(hands)
    if noise is None:
        noise = equal_angles_noise(joint_jacobian(arrays.rotations, tangents, joints))
    return dict(
        residual=(arrays.points - _points(arrays.posed), None),
        rotations=(tangents, None),
        points=(joints[:, 1:].reshape(len(joints), -1), noise),
        pixels=(arrays.views.wrist, None),
        log_scale=(arrays.views.log_scale, None),
    )


def _refined(residual: np.ndarray) -> bool:
    """Whether something was added to the hand model's mesh, by (T, N, 3) of it."""
    return np.abs(residual).max() >= EXACT


def _arrays(hands: list[HandResult], pose: PosedHand) -> TrackArrays:
    """A track as it was predicted."""
    rotations = _rotations(hands)
    betas = np.stack([hand.mano.betas for hand in hands]).astype(np.float64)
    points = np.concatenate([stacked(hands, 'joints'), stacked(hands, 'vertices')], 1)
    pixels = np.concatenate(
        [stacked(hands, 'joints_2d'), stacked(hands, 'vertices_2d')], 1
    )
    return TrackArrays(
        rotations, betas, pose(rotations, betas), points, views_of(points, pixels)
    )


def _vectors(hands: list[HandResult]) -> np.ndarray:
    """(T, 16, 3) axis-angle of each joint to its parent, MANO order, float64."""
    vectors = np.stack(
        [
            np.concatenate([hand.mano.global_orient, hand.mano.hand_pose])
            for hand in hands
        ]
    )
    return vectors.astype(np.float64).reshape(len(hands), -1, 3)


def _rotations(hands: list[HandResult]) -> np.ndarray:
    """(T, 16, 3, 3) likewise."""
    return matrix_from_axis_angle(torch.from_numpy(_vectors(hands))).numpy()


def error_bars(hands: list[HandResult]) -> np.ndarray | None:
    """(T, 60, 60) m^2, the model's error bars; None where a frame has none."""
    if any(hand.joint_covariance_full is None for hand in hands):
        return None
    noise = stacked(hands, 'joint_covariance_full')
    mean = np.trace(noise, axis1=1, axis2=2) / noise.shape[-1]
    return noise + RIDGE * mean[:, None, None] * np.eye(noise.shape[-1])


def equal_angles_noise(jacobian: np.ndarray) -> np.ndarray:
    """Covariance of the joints when all rotations err by one radian, (T, 60, 60) m^2.

    The stand-in for error bars: errors travel along the fingers, and one factor, to be
    estimated, tells how large they are. JOINT_SHARE of a joint's own comes on top. On
    rendered clips this smooths better than one variance for all [decided].

    Args:
        jacobian: (T, 60, 48), of :func:`joint_jacobian`.
    """
    own = JOINT_SHARE**2 * np.eye(jacobian.shape[1])
    return jacobian @ np.swapaxes(jacobian, -1, -2) + own


def _points(posed: Posed) -> np.ndarray:
    """(T, 21 + V, 3) joints, then vertices."""
    return np.concatenate([posed.joints, posed.vertices], 1)


def _results(
    hands: list[HandResult], before: TrackArrays, after: TrackArrays
) -> list[HandResult]:
    """Typed results of smoothed arrays; what is seen moves with its points."""
    # The wrist stays the origin.
    after = after._replace(points=after.points - after.points[:, :1])
    pixels = _moved_pixels(hands, before, after)
    vectors = axis_angle_from_matrix(torch.from_numpy(after.rotations)).numpy()
    results = []
    for t, hand in enumerate(hands):
        new = moved_camera(hand, one_frame(before.views, t), one_frame(after.views, t))
        # The mesh keeps its wrist at the translation, though its root has moved.
        transl = (
            hand.mano.transl
            + new.translation
            - hand.translation
            + before.posed.root[t]
            - after.posed.root[t]
        )
        mano = replace(
            hand.mano,
            global_orient=_single(vectors[t, 0]),
            hand_pose=_single(vectors[t, 1:].ravel()),
            betas=_single(after.betas[t]),
            transl=_single(transl),
        )
        fields = {name: _single(value[t]) for name, value in pixels.items()}
        if 'coarse_vertices_2d' in fields:
            fields['coarse_vertices'] = _single(after.posed.vertices[t])
        fields['joints'] = _single(after.points[t, :NUM_JOINTS])
        fields['vertices'] = _single(after.points[t, NUM_JOINTS:])
        results.append(replace(new, mano=mano, **fields))
    return results


def _moved_pixels(
    hands: list[HandResult], before: TrackArrays, after: TrackArrays
) -> dict[str, np.ndarray]:
    """The fields in pixels, (T, N, 2) each, by name."""
    moved = dict(
        joints=after.points[:, :NUM_JOINTS], vertices=after.points[:, NUM_JOINTS:]
    )
    if hands[0].coarse_vertices is not None:
        moved['coarse_vertices'] = after.posed.vertices
    return {
        f'{name}_2d': moved_pixels(
            stacked(hands, f'{name}_2d'),
            (before.views, stacked(hands, name)),
            (after.views, points),
        )
        for name, points in moved.items()
    }


def _single(value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value, np.float32)
