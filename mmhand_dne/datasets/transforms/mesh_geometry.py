"""Changing the camera frame of all of a sample's 3D ground truth at once."""

import numpy as np

from mmhand_dne.conventions import MIRROR_POINTS

POINTS = ('joints_cam', 'mesh_vertices', 'mesh_joints', 'mesh_root')
PER_HAND = (
    *POINTS,
    'joints_valid',
    'joint_in_image',
    'mano_rotations',
    'mano_betas',
    'mano_valid',
    'mesh_valid',
    'hand_presence',
    'hand_presence_valid',
)


def turn_camera(results: dict, rotation: np.ndarray) -> None:
    """X' = R X for all points and global rotations; R (3, 3)."""
    for name in POINTS:
        results[name] = results[name] @ rotation.T
    rotations = results['mano_rotations'].copy()
    known = results['mano_valid'] > 0
    rotations[known, 0] = rotation @ rotations[known, 0]
    results['mano_rotations'] = rotations


def box_turn(results: dict) -> float:
    """Degrees by which the box is turned clockwise in the (mirrored) image, mostly 0.

    A mirrored image (``flip``) has been mirrored with its box.
    """
    turn = float(results.get('box_angle', 0.0))
    return -turn if results.get('flip', False) else turn


def mirror_hands(results: dict) -> None:
    """X' = (-x, y, z), right and left change places; shapes stay.

    Rotations become M R M with M = diag(-1, 1, 1).
    """
    for name in POINTS:
        results[name] = results[name] * MIRROR_POINTS
    results['mano_rotations'] = (
        results['mano_rotations'] * MIRROR_POINTS[:, None] * MIRROR_POINTS
    )
    for name in PER_HAND:
        results[name] = results[name][::-1].copy()
    results['hand_type'] = results['hand_type'][:, ::-1].copy()
