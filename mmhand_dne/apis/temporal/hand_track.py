"""All frames of one hand as arrays, smoothed, and back as typed results."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.conventions import NUM_JOINTS
from mmhand_dne.geometry.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from mmhand_dne.hand_model import HandPair, SingleHand
from mmhand_dne.structures.hand_result import HandResult

from .pose_jacobian import (
    joint_jacobian,
    mean_rotations,
    rotations_at,
    tangents_at,
)
from .posed_hand import Posed, PosedHand, fit_pose
from .smoothers import Smoother
from .track_camera import (
    Views,
    moved_camera,
    moved_pixels,
    one_frame,
    smooth_views,
    stacked,
    views_of,
)

EXACT = 1e-5  # metres; meshes that differ less are the hand model's own
# Variances below this share of the mean one are not believed: a network's covariance is
# nearly singular, and a tiny error of rounding would weigh as much as a joint.
RIDGE = 1e-4
JOINT_SHARE = 0.01  # metres a joint errs by itself where rotations err by a radian


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
    def of(cls, found: dict[int, HandResult]) -> 'HandTrack':
        """From the hand by frame number; frames in between are not seen."""
        first, last = min(found), max(found)
        numbers = np.array(sorted(found))
        hands = []
        for t in range(first, last + 1):
            before, after = numbers[numbers <= t][-1], numbers[numbers >= t][0]
            nearest = found[int(before if t - before <= after - t else after)]
            presence = min(found[int(one)].presence for one in (before, after))
            hands.append(replace(nearest, presence=presence))
        return cls(hands, np.isin(np.arange(first, last + 1), numbers))


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


def smooth_track(
    track: HandTrack, smoother: Smoother, hand_model: HandPair | SingleHand
) -> list[HandResult]:
    """The hands of a track with one shape and smooth joints, pose, camera, mesh.

    The joints are smoothed with their covariance as noise; then the pose, smoothed in
    tangent space, is fitted to them, so that the mesh is the hand model's with the
    track's shape, plus the smoothed residual of models that refine their mesh. Joints
    are those of that mesh [decided].

    Args:
        hand_model: of the model that made the results.

    Returns: one hand for each of T frames.
    """
    hands, seen = track
    pose = PosedHand(hand_model, hands[0].side)
    before = _arrays(hands, pose)

    # What the pose cannot express: the shape, one for the track, and the refinement.
    shape = track_shape(before.betas, hands, seen)
    residual = _smooth_residual(before.points - _points(before.posed), seen, smoother)

    # The pose as tangent vectors at one centre, where it can be averaged. A causal
    # filter may not look at later frames, not even for that centre.
    first = before.rotations[0]
    centres = mean_rotations(before.rotations[seen]) if smoother.looks_ahead else first
    tangents = tangents_at(centres, before.rotations)

    # Where the joints should be: each frame counts as much as the model is sure of it.
    joints = before.points[:, :NUM_JOINTS]
    noise = error_bars(hands)
    if noise is None:
        noise = equal_angles_noise(joint_jacobian(before.rotations, tangents, joints))
    targets = smooth_joints(joints, noise, seen, smoother)

    # The hand model's pose that brings the joints there; the smooth pose to start from
    # decides the twists that no joint shows.
    start = smoother(tangents, seen, 'rotations')
    mesh_targets = targets - residual[:, :NUM_JOINTS]
    fitted = fit_pose(start, centres, mesh_targets, lambda r: pose(r, shape))

    # The mesh of that pose, and the camera before which it stands.
    rotations = rotations_at(centres, fitted)
    posed, betas = pose(rotations, shape), np.broadcast_to(shape, before.betas.shape)
    points = _points(posed) + residual
    views = smooth_views(before.views, seen, smoother)
    after = TrackArrays(rotations, betas, posed, points, views)
    return _results(hands, before, after)


def _arrays(hands: list[HandResult], pose: PosedHand) -> TrackArrays:
    """A track as it was predicted."""
    vectors = np.stack(
        [
            np.concatenate([hand.mano.global_orient, hand.mano.hand_pose])
            for hand in hands
        ]
    ).astype(np.float64)
    rotations = matrix_from_axis_angle(
        torch.from_numpy(vectors.reshape(-1, 16, 3))
    ).numpy()
    betas = np.stack([hand.mano.betas for hand in hands]).astype(np.float64)
    points = np.concatenate([stacked(hands, 'joints'), stacked(hands, 'vertices')], 1)
    pixels = np.concatenate(
        [stacked(hands, 'joints_2d'), stacked(hands, 'vertices_2d')], 1
    )
    return TrackArrays(
        rotations, betas, pose(rotations, betas), points, views_of(points, pixels)
    )


def smooth_joints(
    joints: np.ndarray, noise: np.ndarray, seen: np.ndarray, smoother: Smoother
) -> np.ndarray:
    """Joints (T, 21, 3) smoothed with noise (T, 60, 60); the wrist stays."""
    smooth = joints.copy()
    flat = smoother(joints[:, 1:].reshape(len(joints), -1), seen, 'points', noise)
    smooth[:, 1:] = flat.reshape(len(joints), -1, 3)
    return smooth


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


def track_shape(
    betas: np.ndarray, hands: list[HandResult], seen: np.ndarray
) -> np.ndarray:
    """One shape for all frames, (10,).

    The mean weighted by the joints' precision where the model tells it, else the median
    of each coefficient, which single bad frames do not move.

    Args:
        betas: (T, 10).
    """
    kept = [hand for hand, shown in zip(hands, seen) if shown]
    if any(hand.joint_std is None for hand in kept):
        return np.median(betas[seen], axis=0)
    std = np.stack([hand.joint_std for hand in kept]).astype(np.float64)
    return np.average(betas[seen], axis=0, weights=1 / (std**2).sum(1))


def _smooth_residual(
    residual: np.ndarray, seen: np.ndarray, smoother: Smoother
) -> np.ndarray:
    """(T, N, 3) of what refining added to the hand model's mesh; zero if nothing."""
    if np.abs(residual[seen]).max() < EXACT:
        return np.zeros_like(residual)
    return smoother(residual, seen, 'residual')


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
