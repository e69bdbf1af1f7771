"""A pose as tangent vectors, and how the joints move with it.

A pose is kept as one tangent vector per joint: R_k = M_k exp(v_k), M_k fixed for the
whole track. Rotating joint k by a small d in its own frame moves everything further
out on its chain about joint k: dx = (G_k J(v_k) dv_k) x (x - p_k), with G_k the joint's
rotation in camera axes, p_k its position and J the right Jacobian of the exponential
map. That is the whole Jacobian but for the pose-dependent corrections of the skin,
which change that of regressed joints by up to a sixth of a joint's motion.
"""

import numpy as np
import scipy

from mmhand_dne.conventions import (
    MANO_JOINTS,
    MANO_PARENTS,
    OPENPOSE_JOINTS,
    WRIST,
    reorder,
)

SMALL_ANGLE = 1e-4  # radians; below it series replace quotients
# The joint about which each rotation is.
PIVOTS = np.array(reorder(src=OPENPOSE_JOINTS, dst=MANO_JOINTS))


def moves_joint() -> np.ndarray:
    """(16, 21) bool: which OpenPose joints each MANO rotation moves."""
    table = np.zeros((len(MANO_JOINTS), len(OPENPOSE_JOINTS)), bool)
    for k, name in enumerate(MANO_JOINTS):
        for i, joint in enumerate(OPENPOSE_JOINTS):
            same_finger = joint[:-1] == name[:-1] and joint[-1] > name[-1]
            table[k, i] = joint != 'wrist' if name == 'wrist' else same_finger
    return table


MOVES = moves_joint()


def joint_jacobian(
    rotations: np.ndarray, tangents: np.ndarray, joints: np.ndarray
) -> np.ndarray:
    """How joints 1 to 20 move with the tangent vectors.

    Args:
        rotations: (T, 16, 3, 3) of each joint to its parent, MANO order, the first one
            in camera axes.
        tangents: (T, 16, 3) radians.
        joints: (T, 21, 3) metres, OpenPose order, camera axes.
    Returns: (T, 60, 48) metres per radian.
    """
    frames = len(rotations)
    chained = np.empty_like(rotations)  # G_k
    for k, parent in enumerate(MANO_PARENTS):
        chained[:, k] = (
            rotations[:, k] if parent < 0 else (chained[:, parent] @ rotations[:, k])
        )
    axes = chained @ right_jacobian(tangents)  # G_k J, columns in camera axes
    arms = joints[:, None] - joints[:, PIVOTS][:, :, None]  # x - p_k: (T, 16, 21, 3)
    moved = np.cross(axes[:, :, None].swapaxes(-1, -2), arms[:, :, :, None, :])
    moved = moved * MOVES[None, :, :, None, None]  # (T, 16, 21, tangent, xyz)
    order = np.delete(np.arange(len(OPENPOSE_JOINTS)), WRIST)
    moved = moved[:, :, order].transpose(0, 2, 4, 1, 3)
    return moved.reshape(frames, 3 * len(order), -1)


def right_jacobian(tangents: np.ndarray) -> np.ndarray:
    """(..., 3, 3) with exp(v + d) = exp(v) exp(J d) for small d."""
    angle = np.linalg.norm(tangents, axis=-1)[..., None, None]
    safe = np.maximum(angle, SMALL_ANGLE)
    first = np.where(angle < SMALL_ANGLE, 0.5, (1 - np.cos(safe)) / safe**2)
    second = np.where(angle < SMALL_ANGLE, 1 / 6, (safe - np.sin(safe)) / safe**3)
    cross = skew(tangents)
    return np.eye(3) - first * cross + second * cross @ cross


def skew(vectors: np.ndarray) -> np.ndarray:
    """(..., 3) to the matrices (..., 3, 3) of the cross product with them."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    rows = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    return rows.reshape(*vectors.shape, 3)


def tangents_at(
    centres: np.ndarray, rotations: np.ndarray, before: np.ndarray | None = None
) -> np.ndarray:
    """Tangent vectors (T, 16, 3) at (16, 3, 3), continuous over the frames.

    Past half a turn from the centre, the vector goes on rather than to the other side.

    Args:
        before: (16, 3) tangent vectors of the frame before the first, if there is one.
    """
    relative = np.swapaxes(centres, -1, -2) @ rotations
    turns = scipy.spatial.transform.Rotation.from_matrix(relative.reshape(-1, 3, 3))
    vectors = turns.as_rotvec().reshape(*rotations.shape[:-2], 3)
    for t in range(len(vectors)):
        if before is not None:
            vectors[t] = _nearest_equal(vectors[t], before)
        before = vectors[t]
    return vectors


def rotations_at(centres: np.ndarray, tangents: np.ndarray) -> np.ndarray:
    """Inverse of :func:`tangents_at`, (T, 16, 3) -> (T, 16, 3, 3)."""
    turns = scipy.spatial.transform.Rotation.from_rotvec(tangents.reshape(-1, 3))
    return centres @ turns.as_matrix().reshape(*tangents.shape, 3)


def _nearest_equal(vectors: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Of the vectors of the same rotations, those nearest to the ones before."""
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    axis = np.divide(vectors, angle, out=np.zeros_like(vectors), where=angle > 0)
    along = (axis * before).sum(-1, keepdims=True)
    cycles = np.round((along - angle) / (2 * np.pi))
    return vectors + 2 * np.pi * cycles * axis
