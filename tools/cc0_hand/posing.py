"""Flattening the source hands to one zero pose, and posing them from it."""

from dataclasses import dataclass

import numpy as np

from .layout import (
    BONES,
    FINGERS,
    FLAT,
    MANO_BONES,
    NUM_BONES,
    PALM,
    PARENTS,
    WRIST,
    WRIST_BONE,
)
from .rotations import best_fit, direction, from_axis_angle, shortest
from .source import skin


@dataclass
class FlatHands:
    """S source hands with the wrist at the origin, and what flattens them."""

    points: np.ndarray  # (S, N, 3) palm-aligned, fingers as in the source
    heads: np.ndarray  # (S, 21, 3) bone heads of ``points``
    rotations: np.ndarray  # (S, 21, 3, 3) of each bone to the flat pose
    positions: np.ndarray  # (S, 21, 3) bone heads in the flat pose

    @property
    def joints(self):
        """(S, 16, 3) joints in the flat pose, in the final frame."""
        return self.positions[:, MANO_BONES] + WRIST


def flatten(vertices, heads, weights, tips, scale):
    """Align the palms, then rotate each phalanx to its direction in ``FLAT``.

    Args:
        vertices: (S, N, 3); heads: (S, 21, 3); weights: (N, 21).
        tips: fingertip vertex of each finger; scale: one factor for all.
    Returns: the flat vertices (S, N, 3) in the final frame, and the ``FlatHands``.
    """
    rotation = _palm_rotation(heads)
    wrist = heads[:, WRIST_BONE : WRIST_BONE + 1]
    points = np.einsum('sij,svj->svi', rotation, vertices - wrist) * scale
    heads = np.einsum('sij,svj->svi', rotation, heads - wrist) * scale
    count = len(points)
    rotations = np.tile(np.eye(3), (count, NUM_BONES, 1, 1))
    positions = heads.copy()
    for finger in FINGERS:
        bones = BONES[finger]
        chain = [*(heads[:, bone] for bone in bones), points[:, tips[finger]]]
        rotation = np.tile(np.eye(3), (count, 1, 1))
        position = heads[:, bones[0]]
        for k, bone in enumerate(bones):
            phalanx = chain[k + 1] - chain[k]
            now = np.einsum('sij,sj->si', rotation, phalanx)
            rotation = shortest(now, direction(*FLAT[finger][k])) @ rotation
            rotations[:, bone], positions[:, bone] = rotation, position
            position = position + np.einsum('sij,sj->si', rotation, phalanx)
    flat = FlatHands(points, heads, rotations, positions)
    moves = positions - np.einsum('sbij,sbj->sbi', rotations, heads)
    return skin(points, weights, rotations, moves) + WRIST, flat


def _palm_rotation(heads):
    knuckles = ('index', 'middle', 'ring', 'pinky')
    target = np.array([PALM[name] for name in knuckles])
    target = target / np.linalg.norm(target[1])
    source = [heads[:, BONES[name][0]] - heads[:, WRIST_BONE] for name in knuckles]
    source = np.stack(source, 1)
    source = source / np.linalg.norm(source[:, 1:2], axis=2, keepdims=True)
    return best_fit(source, target)


def pose_source(flat, weights, poses):
    """Pose the first source hand in one step, from its own rest to pose after flat.

    Skinning twice would crease the thumb's base.

    Args:
        poses: (P, 15, 3) axis-angle of the MANO joints but the wrist.
    Returns: (P, N, 3) vertices in the final frame.
    """
    bends = from_axis_angle(poses)
    rotations = np.tile(flat.rotations[0], (len(bends), 1, 1, 1))
    positions = np.tile(flat.positions[0], (len(bends), 1, 1))
    for finger in FINGERS:
        total = np.tile(np.eye(3), (len(bends), 1, 1))
        position = positions[:, BONES[finger][0]].copy()
        for k, bone in enumerate(BONES[finger]):
            if k:
                step = flat.positions[0, bone] - flat.positions[0, BONES[finger][k - 1]]
                position = position + np.einsum('sij,j->si', total, step)
            total = total @ bends[:, MANO_BONES.index(bone) - 1]
            rotations[:, bone] = total @ flat.rotations[0, bone]
            positions[:, bone] = position
    moves = positions - np.einsum('sbij,bj->sbi', rotations, flat.heads[0])
    return skin(flat.points[:1], weights, rotations, moves) + WRIST


def joint_transforms(joints, rotations):
    """MANO's kinematic chain: (16, 3), (S, 16, 3, 3) -> transforms from rest."""
    world = rotations.copy()
    positions = np.empty(rotations.shape[:2] + (3,))
    positions[:, 0] = joints[0]
    for joint in range(1, 16):
        parent = PARENTS[joint]
        world[:, joint] = world[:, parent] @ rotations[:, joint]
        step = joints[joint] - joints[parent]
        positions[:, joint] = positions[:, parent] + np.einsum(
            'sij,j->si', world[:, parent], step
        )
    return world, positions - np.einsum('sjik,jk->sji', world, joints)


def linear_blend(vertices, weights, rotations, translations):
    """Linear blend skinning: vertices (S, V, 3) and their matrices (S, V, 3, 3)."""
    matrices = np.einsum('vb,sbij->svij', weights, rotations)
    points = np.broadcast_to(vertices, matrices.shape[:2] + (3,))
    moved = np.einsum('svij,svj->svi', matrices, points)
    return moved + np.einsum('vb,sbi->svi', weights, translations), matrices
