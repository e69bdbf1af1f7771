"""All frames of one hand as arrays, smoothed, and back as typed results."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.conventions import NUM_JOINTS
from mmhand_dne.geometry.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from mmhand_dne.structures.hand_result import HandResult

from .pose_fit import fit_pose
from .pose_jacobian import (
    joint_jacobian,
    mean_rotations,
    rotations_at,
    tangents_at,
)
from .posed_hand import Posed, PosedHand
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
        hands: one a frame.
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


def smooth_track(track: HandTrack, smoother: Callable, hand_model) -> list[HandResult]:
    """The hands of a track with one shape and smooth joints, pose, camera, mesh.

    The joints are smoothed with their covariance as noise; then the pose, smoothed in
    tangent space, is fitted to them, so that the mesh is the hand model's with the
    track's shape, plus the smoothed residual of models that refine their mesh. Joints
    are those of that mesh [decided].

    Args:
        smoother: see :mod:`series`.
        hand_model: of the model that made the results.
    Returns: one hand for each of T frames.
    """
    hands, seen = track
    pose = PosedHand(hand_model, hands[0].side)
    rotations = _rotations(hands)
    betas = np.stack([hand.mano.betas for hand in hands]).astype(np.float64)
    joints = stacked(hands, 'joints')
    points = np.concatenate([joints, stacked(hands, 'vertices')], 1)
    raw = pose(rotations, betas)
    shape = track_shape(betas, hands, seen)
    residual = _smooth_residual(points - _points(raw), seen, smoother)
    # A causal filter may not look at later frames, not even for its tangent space.
    centres = mean_rotations(rotations[seen]) if smoother.looks_ahead else rotations[0]
    tangents = tangents_at(centres, rotations)
    noise = joint_noise(hands)
    if noise is None:
        noise = equal_turns_noise(joint_jacobian(rotations, tangents, joints))
    targets = joints.copy()
    flat = smoother(joints[:, 1:].reshape(len(joints), -1), seen, 'points', noise)
    targets[:, 1:] = flat.reshape(len(joints), -1, 3)
    tangents = smoother(tangents, seen, 'turns')
    tangents = fit_pose(
        tangents,
        centres,
        targets - residual[:, :NUM_JOINTS],
        lambda turns: pose(turns, shape),
    )
    rotations = rotations_at(centres, tangents)
    posed = pose(rotations, shape)
    views = views_of(
        points,
        np.concatenate([stacked(hands, 'joints_2d'), stacked(hands, 'vertices_2d')], 1),
    )
    return _results(
        hands,
        (raw, posed),
        rotations,
        shape,
        _points(posed) + residual,
        (views, smooth_views(views, seen, smoother)),
    )


def joint_noise(hands: list[HandResult]) -> np.ndarray | None:
    """(T, 60, 60) m^2, the model's error bars; None where a frame has none."""
    if any(hand.joint_covariance_full is None for hand in hands):
        return None
    noise = stacked(hands, 'joint_covariance_full')
    mean = np.trace(noise, axis1=1, axis2=2) / noise.shape[-1]
    return noise + RIDGE * mean[:, None, None] * np.eye(noise.shape[-1])


def equal_turns_noise(jacobian: np.ndarray) -> np.ndarray:
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
    spread = np.stack([hand.joint_std for hand in kept]).astype(np.float64)
    return np.average(betas[seen], axis=0, weights=1 / (spread**2).sum(1))


def _smooth_residual(residual: np.ndarray, seen: np.ndarray, smoother) -> np.ndarray:
    """(T, N, 3) of what refining added to the hand model's mesh; zero if nothing."""
    if np.abs(residual[seen]).max() < EXACT:
        return np.zeros_like(residual)
    return smoother(residual, seen, 'residual')


def _points(posed: Posed) -> np.ndarray:
    """(T, 21 + V, 3) joints, then vertices."""
    return np.concatenate([posed.joints, posed.vertices], 1)


def _rotations(hands: list[HandResult]) -> np.ndarray:
    vectors = np.stack(
        [
            np.concatenate([hand.mano.global_orient, hand.mano.hand_pose])
            for hand in hands
        ]
    ).astype(np.float64)
    return matrix_from_axis_angle(torch.from_numpy(vectors.reshape(-1, 16, 3))).numpy()


def _results(
    hands,
    posed: tuple[Posed, Posed],
    rotations: np.ndarray,
    shape: np.ndarray,
    points: np.ndarray,
    views: tuple[Views, Views],
) -> list[HandResult]:
    """Typed results of smoothed arrays; what is seen moves with its points."""
    before, after = views
    points = points - points[:, :1]  # the wrist stays the origin
    pixels = {}
    changes = dict(
        joints_2d=('joints', points[:, :NUM_JOINTS]),
        vertices_2d=('vertices', points[:, NUM_JOINTS:]),
    )
    if hands[0].coarse_vertices is not None:
        changes['coarse_vertices_2d'] = ('coarse_vertices', posed[1].vertices)
    for name, (field, moved) in changes.items():
        pixels[name] = moved_pixels(
            stacked(hands, name), (before, stacked(hands, field)), (after, moved)
        )
    vectors = axis_angle_from_matrix(torch.from_numpy(rotations)).numpy()
    found = []
    for t, hand in enumerate(hands):
        new = moved_camera(hand, one_frame(before, t), one_frame(after, t))
        transl = (
            hand.mano.transl
            + new.translation
            - hand.translation
            + posed[0].root[t]
            - posed[1].root[t]
        )
        mano = replace(
            hand.mano,
            global_orient=_single(vectors[t, 0]),
            hand_pose=_single(vectors[t, 1:].ravel()),
            betas=_single(shape),
            transl=_single(transl),
        )
        fields = {name: _single(value[t]) for name, value in pixels.items()}
        if 'coarse_vertices_2d' in fields:
            fields['coarse_vertices'] = _single(posed[1].vertices[t])
        found.append(
            replace(
                new,
                mano=mano,
                joints=_single(points[t, :NUM_JOINTS]),
                vertices=_single(points[t, NUM_JOINTS:]),
                **fields,
            )
        )
    return found


def _single(value: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(value, np.float32)
