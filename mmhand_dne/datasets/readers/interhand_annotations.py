"""Cameras and frames of InterHand2.6M's annotation files, checked when read."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmhand_dne.conventions import (
    MILLIMETRES,
    OPENPOSE_FROM_INTERHAND,
    SIDES,
)

from .annotation_files import lookup, numbers

PLACEHOLDER = 1.0  # mm: all three coordinates of a joint without annotation
CAMERA_SHAPES = dict(campos=(3,), camrot=(3, 3), focal=(2,), princpt=(2,))


class InterHandCamera(NamedTuple):
    """A pinhole camera without distortion: X_cam = rotation (X - position)."""

    rotation: np.ndarray  # (3, 3) world -> camera
    position: np.ndarray  # (3,) metres, world
    intrinsics: np.ndarray  # (3, 3) pixels


class InterHandFrame(NamedTuple):
    """Both hands at a time step, in the world; zeros where unknown.

    Many cameras see one frame: it has as many images.
    """

    joints: np.ndarray  # (2, 21, 3) metres, OpenPose order
    joints_valid: np.ndarray  # (2, 21) bool
    pose: np.ndarray  # (2, 48) radians, fingers relative to the mean pose
    betas: np.ndarray  # (2, 10)
    translation: np.ndarray  # (2, 3) metres
    mano_valid: np.ndarray  # (2,) bool


def two_hands(values: np.ndarray) -> np.ndarray:
    """(42, ...) of InterHand's order to (2, 21, ...) of OpenPose's."""
    return values.reshape(2, 21, *values.shape[1:])[:, OPENPOSE_FROM_INTERHAND]


def read_cameras(
    keys: Sequence[tuple], table: dict, path: str | Path
) -> dict[str, np.ndarray]:
    """The cameras of some (capture, name) pairs of a ``*_camera.json`` table.

    Returns: columns ``camera_*`` of :class:`InterHandCamera`'s fields, a row per pair.
    """
    return _columns(
        'camera',
        InterHandCamera,
        [_camera(table, path, *key) for key in keys],
        [(3, 3), (3,), (3, 3)],
        [np.float64] * 3,
    )


def read_frames(
    keys: Sequence[tuple],
    joints: dict,
    joint_file: str | Path,
    manos: dict,
    mano_file: str | Path | None,
) -> dict[str, np.ndarray]:
    """The frames of some (capture, frame) pairs.

    Args:
        keys: of strings.
        joints, manos: tables of ``*_joint_3d.json`` and ``*_MANO_NeuralAnnot.json``.
        joint_file, mano_file: their paths, for errors.
    Returns: columns ``frame_*`` of :class:`InterHandFrame`'s fields, a row per pair.
    """
    frames = [
        InterHandFrame(
            *_joints(joints, joint_file, *key), *_parameters(manos, mano_file, *key)
        )
        for key in keys
    ]
    number = np.float64
    return _columns(
        'frame',
        InterHandFrame,
        frames,
        [(2, 21, 3), (2, 21), (2, 48), (2, 10), (2, 3), (2,)],
        [number, bool, number, number, number, bool],
    )


def _columns(name: str, kind: type, rows: list, shapes: list, dtypes: list) -> dict:
    return {
        f'{name}_{field}': np.array([row[i] for row in rows], dtype).reshape(
            len(rows), *shape
        )
        for i, (field, shape, dtype) in enumerate(zip(kind._fields, shapes, dtypes))
    }


def _camera(table: dict, path: str | Path, capture: str, name: str) -> InterHandCamera:
    value = {
        key: numbers(
            lookup(table, path, capture, key, name),
            shape,
            path,
            f'{key} of capture {capture}, camera {name}',
        )
        for key, shape in CAMERA_SHAPES.items()
    }
    intrinsics = np.eye(3)
    intrinsics[[0, 1], [0, 1]] = value['focal']
    intrinsics[:2, 2] = value['princpt']
    return InterHandCamera(value['camrot'], value['campos'] / MILLIMETRES, intrinsics)


def _joints(table: dict, path: str | Path, capture: str, frame: str) -> tuple:
    entry, label = lookup(table, path, capture, frame), f'{capture}/{frame}'
    if isinstance(entry, dict):
        world = lookup(entry, f'{path}, frame {label}', 'world_coord')
        world = numbers(world, (42, 3), path, f'world_coord of {label}')
        # joint_valid is 42 x 1 in the files.
        valid = np.ravel(entry.get('joint_valid', np.ones(42)))
        valid = numbers(valid, (42,), path, f'joint_valid of {label}') > 0
    else:  # v0.0: a bare list; only the placeholder tells what is not annotated
        world = numbers(entry, (42, 3), path, f'the joints of {label}')
        valid = (world != PLACEHOLDER).any(-1)
    # The placeholder is finite and has a depth: nothing but the mask tells it.
    world = np.where(valid[:, None], world / MILLIMETRES, 0)
    return two_hands(world), two_hands(valid)


def _parameters(table: dict, path: str | Path, capture: str, frame: str) -> tuple:
    """Pose (2, 48), shape, translation and validity; any level may be absent."""
    hands = (table.get(capture) or {}).get(frame) or {}
    pose, shape, trans = np.zeros((2, 48)), np.zeros((2, 10)), np.zeros((2, 3))
    valid = np.zeros(2, bool)
    for slot, side in enumerate(SIDES):
        hand = hands.get(side)
        if hand is None:
            continue
        name = f'{capture}/{frame}/{side}'
        for target, key in ((pose, 'pose'), (shape, 'shape'), (trans, 'trans')):
            value = lookup(hand, f'{path}, {name}', key)
            target[slot] = numbers(value, target.shape[1:], path, f'{key} of {name}')
        valid[slot] = True
    return pose, shape, trans, valid
