"""HO-3D's files: frame lists, Python-2 pickles and released evaluation ground truth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.inert_pickle import read_inert, to_array

from .annotation_files import numbers, read_rows

REMEDY = 'unpack this sequence of HO-3D again'
IMAGE_SUFFIXES = ('.png', '.jpg')  # version 2, version 3
SCHEMA, VERSION = 'ho3d', 1
# What an index has of each frame besides its name: columns of HO3DFrame's fields.
PARAMETERS = dict(pose=48, betas=10, translation=3, bbox=4)


class HO3DFrame(NamedTuple):
    """One ``meta/*.pkl``; metres, in the file's OpenGL axes. None: not in the file."""

    joints: np.ndarray  # (21, 3) HO3D order; evaluation: zeros but for the wrist
    joints_valid: np.ndarray  # (21,) bool
    intrinsics: np.ndarray  # (3, 3) pixels, for points in camera axes
    pose: np.ndarray | None  # (48,) radians, absolute
    betas: np.ndarray | None  # (10,)
    translation: np.ndarray | None  # (3,)
    bbox: np.ndarray | None  # (4,) x, y, w, h


def read_frame_list(path: str | Path) -> list[tuple[str, str]]:
    """Sequence and frame, as text, of each line of ``train.txt`` or another list."""
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f'{path}: no such list of frames; check data_root and ann_file in the data '
            'config, or download HO-3D'
        )
    frames = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        parts = line.strip().split('/')
        if parts == ['']:
            continue
        if len(parts) != 2 or not all(parts) or '..' in parts:
            raise UserError(
                f'{path}: line {number} is {line.strip()!r}, expected SEQUENCE/FRAME; '
                'download it again'
            )
        frames.append((parts[0], parts[1]))
    return frames


def find_image(folder: Path, frame: str) -> Path:
    """The frame's image, png or jpg; the latter's path if there is neither."""
    paths = [folder / f'{frame}{suffix}' for suffix in IMAGE_SUFFIXES]
    return next((path for path in paths if path.is_file()), paths[-1])


def read_frame(path: str | Path) -> HO3DFrame:
    """One frame's annotation, without executing anything in it.

    Raises:
        ValueError: the file is missing, damaged, asks for anything but numpy arrays,
            or belongs to a frame without annotation.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f'{path}: no such annotation; check data_root in the data config, or '
            f'{REMEDY}'
        )
    table = read_inert(path, REMEDY, kind='HO-3D', arrays_only=True)
    if not isinstance(table, Mapping):
        raise UserError(
            f'{path}: holds a {type(table).__name__}, expected a dictionary; {REMEDY}'
        )
    joints, valid = _joints(table, path)
    parameters = [None] * 3
    if 'handPose' in table:
        parameters = [
            _value(table, path, key, size)
            for key, size in (('handPose', 48), ('handBeta', 10), ('handTrans', 3))
        ]
    box = None
    if table.get('handBoundingBox') is not None:
        box = _value(table, path, 'handBoundingBox', 4)
        box = np.concatenate([box[:2], box[2:] - box[:2]])
    intrinsics = _value(table, path, 'camMat', 9).reshape(3, 3)
    return HO3DFrame(joints, valid, intrinsics, *parameters, box)


def _joints(table: Mapping, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Joints (21, 3) of a frame and which are there."""
    joints = _value(table, path, 'handJoints3D', None)
    valid = np.ones(21, bool)
    if joints.size == 3:  # evaluation: the wrist alone
        valid = np.arange(21) == 0
        joints = np.concatenate([joints.ravel(), np.zeros(60)])
    joints = numbers(
        joints.reshape(-1, 3) if joints.size % 3 == 0 else joints,
        (21, 3),
        path,
        'handJoints3D',
    )
    return joints, valid


def frame_columns(frames: Sequence[HO3DFrame]) -> dict[str, np.ndarray]:
    """N frames as columns of an index; zeros where ``has_pose``, ``has_bbox`` is not.

    Returns: ``joints`` (N, 21, 3), ``joints_valid`` (N, 21), ``intrinsics`` (N, 3, 3),
        those in ``PARAMETERS``, ``has_pose`` and ``has_bbox`` (N,).
    """
    columns = {
        name: np.array([getattr(frame, name) for frame in frames]).reshape(-1, *shape)
        for name, shape in (
            ('joints', (21, 3)),
            ('joints_valid', (21,)),
            ('intrinsics', (3, 3)),
        )
    }
    for name, size in PARAMETERS.items():
        values = [getattr(frame, name) for frame in frames]
        known = [np.zeros(size) if value is None else value for value in values]
        columns[name] = np.array(known).reshape(-1, size)
        if name in ('pose', 'bbox'):
            columns[f'has_{name}'] = np.array([v is not None for v in values], bool)
    return columns


def frame_of(columns: Mapping[str, np.ndarray], row: int) -> HO3DFrame:
    """One frame of :func:`frame_columns`."""
    value = {name: columns[name][row].copy() for name in HO3DFrame._fields}
    for name, flag in (
        ('pose', 'has_pose'),
        ('betas', 'has_pose'),
        ('translation', 'has_pose'),
        ('bbox', 'has_bbox'),
    ):
        if not columns[flag][row]:
            value[name] = None
    return HO3DFrame(**value)


def _value(table: Mapping, path: Path, key: str, size: int | None) -> np.ndarray:
    """A numeric entry; flat where a size is given: some hold columns."""
    if key not in table:
        raise UserError(f'{path}: no entry {key!r}; {REMEDY}')
    if table[key] is None:
        raise UserError(
            f'{path}: {key} is None: this frame has no annotation; list only the '
            'frames of the official train.txt or evaluation.txt'
        )
    value = _as_array(table[key], path, key)
    if size is None:
        return value
    return numbers(value.ravel(), (size,), path, key)


def _as_array(value: Any, path: Path, key: str) -> np.ndarray:
    try:
        array = np.asarray(to_array(value))
        if array.dtype.kind not in 'fiu':
            raise UserError(f'type {array.dtype}')
    except ValueError as error:
        raise UserError(
            f'{path}: {key} is not a numeric array ({error}); {REMEDY}'
        ) from error
    return array.astype(np.float64)


def read_gt(
    path: str | Path, count: int, points: int, ann_file: str | Path
) -> np.ndarray:
    """``evaluation_xyz.json`` or ``evaluation_verts.json``: (count, points, 3).

    Args:
        count: lines of ``ann_file``; rows are in its order.
        points: 21 or 778.
    """
    rows = read_rows(path, (points, 3), np.float32)
    if len(rows) != count:
        raise UserError(
            f'{path}: has {len(rows)} rows, {ann_file} lists {count} frames; use the '
            'ground truth of the same HO-3D version'
        )
    return rows
