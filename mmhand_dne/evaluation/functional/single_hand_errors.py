"""Errors of single hands in photos: sides, pixels in per cent of the hand, millimetres.

For pictures whose annotation may be of a few joints, in the image alone, and whose
hand a model may see as the other one. NumPy arrays of one hand each; NaN where the
annotation or the estimate does not tell. Joints in OpenPose order, camera axes x right,
y down, z away; pixels of the whole image, centres at integers.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
import torch

from mmhand_dne.conventions import (
    FINGER_JOINTS,
    MILLIMETRES,
    NUM_JOINTS,
    OPENPOSE_JOINTS,
    WRIST,
)
from mmhand_dne.gaussian.calibration import NO_LEVEL, coverage, level_index
from mmhand_dne.geometry.alignment import similarity_align

from .sparsification import spearman

PERCENT = 100.0
SAME_PLACE = 50.0  # per cent of the box: a found hand further away is another [decided]
NOT_TIPS = np.array([not name.endswith('4') for name in OPENPOSE_JOINTS])


class TrueHand(NamedTuple):
    """What is known of a hand.

    Attributes:
        corners: (4,) x0, y0, x1, y1 pixels: the tight box of its joints.
        joints_2d: (21, 2) pixels.
        valid: (21,) which joints count.
        side: 'right', 'left', or None where it is not known.
        joints: (21, 3) metres, or None.
        vertices: (V, 3) metres, in the joints' frame, or None.
    """

    corners: np.ndarray
    joints_2d: np.ndarray
    valid: np.ndarray
    side: str | None = None
    joints: np.ndarray | None = None
    vertices: np.ndarray | None = None

    @property
    def size(self) -> float:
        """The longer side of the box, pixels."""
        return float((self.corners[2:] - self.corners[:2]).max())


class HandEstimate(NamedTuple):
    """What a model says of a hand.

    Attributes:
        joints_2d: (21, 2) pixels.
        side: 'right' or 'left'; None for a model that is told it.
        joints: (21, 3) metres.
        vertices: (V, 3) metres, in the joints' frame, or None.
        covariance: (21, 3, 3) m^2 of each joint from the wrist, or None.
        std_2d: (21,) pixels, square root of the trace of each joint's covariance in
            the image, or None.
    """

    joints_2d: np.ndarray
    side: str | None
    joints: np.ndarray
    vertices: np.ndarray | None = None
    covariance: np.ndarray | None = None
    std_2d: np.ndarray | None = None


class SingleHandErrors(NamedTuple):
    """How far an estimate is from a hand.

    Attributes:
        side_right: 1 or 0.
        error_2d: mean over the valid joints, per cent of the longer side of the box.
        mpjpe, mpvpe: millimetres, both wrists at the origin; the wrist itself, whose
            error is 0, is not in the mean [decided].
        pa_mpjpe: millimetres after the best similarity of the valid joints.
        levels: (21,) uint8, see :func:`level_index`; NO_LEVEL where not known.
        joint_errors, joint_stds: (21,) per cent of the box, in the image.
    """

    side_right: float
    error_2d: float
    mpjpe: float
    mpvpe: float
    pa_mpjpe: float
    levels: np.ndarray
    joint_errors: np.ndarray
    joint_stds: np.ndarray


def single_hand_errors(found: HandEstimate, true: TrueHand) -> SingleHandErrors:
    """The errors of one estimate."""
    off = np.where(true.valid, _distance_2d(found, true), np.nan)
    stds = np.full(NUM_JOINTS, np.nan)
    if found.std_2d is not None:
        stds = PERCENT * found.std_2d / true.size
    told = None not in (found.side, true.side)
    return SingleHandErrors(
        float(found.side == true.side) if told else np.nan,
        float(np.nanmean(off)),
        _mean_error(found.joints, true.joints, _rooted(true), found, true),
        _mean_error(found.vertices, true.vertices, slice(None), found, true),
        _aligned_error(found, true),
        _levels(found, true),
        off,
        stds,
    )


def summarize_hands(errors: Sequence[SingleHandErrors]) -> dict[str, float]:
    """Means over hands, coverage and rank correlation over joints and hands.

    Returns: ``hands`` and, NaN where no hand tells, ``side_right`` and ``side_known``
        (counts), ``2D_mean`` and ``2D_median`` (per cent of the box), ``MPJPE``,
        ``MPVPE``, ``PA-MPJPE`` (mm), ``coverage_90`` (share of joints),
        ``spearman_joints`` and ``spearman_hands`` of 2D uncertainty and error, and over
        how many, ``joints_ranked``, ``hands_ranked``.
    """
    columns = {
        name: np.array([getattr(e, name) for e in errors], float)
        for name in ('side_right', 'error_2d', 'mpjpe', 'mpvpe', 'pa_mpjpe')
    }
    sides = columns['side_right']
    return {
        'hands': len(errors),
        'side_right': float(np.nansum(sides)),
        'side_known': int(np.isfinite(sides).sum()),
        '2D_mean': _mean(columns['error_2d']),
        '2D_median': _mean(columns['error_2d'], np.median),
        'MPJPE': _mean(columns['mpjpe']),
        'MPVPE': _mean(columns['mpvpe']),
        'PA-MPJPE': _mean(columns['pa_mpjpe']),
        'coverage_90': _coverage(errors),
        **_ranking(errors),
    }


def match_hands(
    found: Sequence[HandEstimate], true: Sequence[TrueHand]
) -> list[int | None]:
    """Which estimate is of which true hand: the least distance in the image in sum.

    Returns: for each true hand an index into ``found``, None where no estimate is as
        near as ``SAME_PLACE``, whatever its side.
    """
    matched: list[int | None] = [None] * len(true)
    if not found or not true:
        return matched
    cost = np.array([[distance_2d(f, t) for f in found] for t in true])
    near = cost <= SAME_PLACE
    far = 1e3 * SAME_PLACE
    pairs = scipy.optimize.linear_sum_assignment(np.where(near, cost, far))
    for row, column in zip(*pairs):
        if near[row, column]:
            matched[row] = int(column)
    return matched


def nearest_hand(found: HandEstimate, true: Sequence[TrueHand]) -> int:
    """Index of the true hand of an image that an estimate lies closest to."""
    return int(np.argmin([distance_2d(found, hand) for hand in true]))


def distance_2d(found: HandEstimate, true: TrueHand) -> float:
    """Mean distance of the valid joints in the image, per cent of the box."""
    return float(_distance_2d(found, true)[true.valid].mean())


def _distance_2d(found: HandEstimate, true: TrueHand) -> np.ndarray:
    gaps = np.asarray(found.joints_2d, float) - true.joints_2d
    return PERCENT * np.linalg.norm(gaps, axis=-1) / true.size


def _rooted(true: TrueHand) -> np.ndarray:
    """The joints that count from the wrist; none without it."""
    return true.valid & FINGER_JOINTS & true.valid[WRIST]


def _mean_error(
    points: np.ndarray | None,
    truth: np.ndarray | None,
    chosen: np.ndarray | slice,
    found: HandEstimate,
    true: TrueHand,
) -> float:
    """Mean distance (mm) of some points (N, 3) from the two wrists."""
    if points is None or truth is None or not true.valid[WRIST]:
        return np.nan
    gaps = (points - found.joints[WRIST]) - (truth - true.joints[WRIST])
    return _mean(MILLIMETRES * np.linalg.norm(gaps, axis=-1)[chosen])


def _aligned_error(found: HandEstimate, true: TrueHand) -> float:
    if true.joints is None or true.valid.sum() < 3:
        return np.nan
    points, truth = (
        torch.from_numpy(np.asarray(hand.joints, float)[true.valid])
        for hand in (found, true)
    )
    gaps = (similarity_align(points, truth) - truth).norm(dim=-1)
    return MILLIMETRES * float(gaps.mean())


def _levels(found: HandEstimate, true: TrueHand) -> np.ndarray:
    """Of each joint (21,) the first level whose ellipsoid holds the true one."""
    levels = np.full(NUM_JOINTS, NO_LEVEL, np.uint8)
    known = _rooted(true)
    if found.covariance is None or true.joints is None or not known.any():
        return levels
    gaps = (true.joints - true.joints[WRIST]) - (found.joints - found.joints[WRIST])
    gaps = gaps[known].astype(float)
    scaled = np.linalg.solve(found.covariance[known].astype(float), gaps[..., None])
    levels[known] = level_index((gaps * scaled[..., 0]).sum(-1), 3)
    return levels


def _coverage(errors: Sequence[SingleHandErrors]) -> float:
    levels = np.concatenate([e.levels for e in errors] or [np.zeros(0, np.uint8)])
    levels = levels[levels != NO_LEVEL]
    return coverage(levels)['coverage_90'] if len(levels) else np.nan


def _ranking(errors: Sequence[SingleHandErrors]) -> dict[str, float]:
    """Spearman's coefficient over all finger joints, and over the hands' means."""
    pairs = np.array([[e.joint_errors, e.joint_stds] for e in errors], float)
    pairs = pairs.reshape(-1, 2, NUM_JOINTS)[..., FINGER_JOINTS]
    known = np.isfinite(pairs).all(1)
    hands = [pair[:, seen].mean(1) for pair, seen in zip(pairs, known) if seen.any()]
    hands = np.array(hands).reshape(-1, 2)
    joints = pairs.transpose(0, 2, 1)[known]
    return dict(
        spearman_joints=_spearman(joints),
        joints_ranked=len(joints),
        spearman_hands=_spearman(hands),
        hands_ranked=len(hands),
    )


def _spearman(pairs: np.ndarray) -> float:
    return spearman(*pairs.T) if len(pairs) > 2 else np.nan


def _mean(values: np.ndarray, average=np.mean) -> float:
    """Over what is known of (N,); NaN if nothing is."""
    values = values[np.isfinite(values)]
    return float(average(values)) if len(values) else np.nan
