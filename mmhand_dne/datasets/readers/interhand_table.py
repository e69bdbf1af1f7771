"""All that InterHand2.6M's four files of a split say, as columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmhand_dne.errors import UserError

from .annotation_files import read_json
from .index_file import Table, Texts
from .interhand_annotations import (
    InterHandCamera,
    InterHandFrame,
    read_cameras,
    read_frames,
)
from .interhand_entries import read_entries

SCHEMA, VERSION = 'interhand', 2
OLD_FOLDERS = ('all', 'human_annot', 'machine_annot')  # of release v0.0
KINDS = ('data', 'camera', 'joint_3d', 'MANO_NeuralAnnot')


class InterHandFiles(NamedTuple):
    """Annotation files of one split."""

    data: Path  # ``*_data.json``
    camera: Path  # ``*_camera.json``
    joints: Path  # ``*_joint_3d.json``
    mano: Path | None  # ``*_MANO_NeuralAnnot.json``; None: no MANO

    def present(self) -> list[Path]:
        """Those that are read."""
        return [path for path in self if path is not None]

    @property
    def index(self) -> Path:
        """Where ``prepare_interhand.py`` writes the index: beside the data file."""
        return Path(self.data).with_suffix('.index')


class InterHandPart(NamedTuple):
    """One data file and what belongs to it."""

    name: str  # 'train', or 'all/train' of v0.0
    split: str
    files: InterHandFiles


def find_parts(root: Path, splits: Sequence[str]) -> list[InterHandPart]:
    """The data files that are there, of either release.

    Raises:
        ValueError: there is none.
    """
    parts = []
    for split in splits:
        for folder in (split, *OLD_FOLDERS):
            path = root / 'annotations' / folder
            data, camera, joints, mano = (
                path / f'InterHand2.6M_{split}_{kind}.json' for kind in KINDS
            )
            if data.is_file():
                files = InterHandFiles(
                    data, camera, joints, mano if mano.is_file() else None
                )
                name = split if folder == split else f'{folder}/{split}'
                parts.append(InterHandPart(name, split, files))
    if not parts:
        raise UserError(
            f'{root}: no annotations/<split>/InterHand2.6M_<split>_data.json for any '
            f'of {", ".join(splits)}; give the folder that holds annotations/ and '
            'images/'
        )
    return parts


def read_table(files: InterHandFiles) -> Table:
    """Read a split's annotation files.

    Columns: those of :func:`read_entries`, a row per annotation in the file's order;
    ``camera_*``, ``frame_*`` of :func:`read_cameras` and :func:`read_frames`, which
    the rows point to; ``frame_name`` 'capture/frame'.

    Raises:
        ValueError: a file is missing, damaged or of another version, or has no camera
            or no joints for an image of another file.
    """
    columns, cameras, frames, images = read_entries(files.data)
    if files.mano is None:
        manos = {}
    else:
        manos = _object(files.mano)
    columns.update(read_cameras(cameras, _object(files.camera), files.camera))
    columns.update(
        read_frames(frames, _object(files.joints), files.joints, manos, files.mano)
    )
    columns['frame_name'] = Texts.of('/'.join(key) for key in frames)
    return Table(columns, dict(images=images, mano=files.mano is not None))


def _object(path: str | Path) -> Mapping:
    table = read_json(path)
    if not isinstance(table, dict):
        raise UserError(
            f'{path}: holds a {type(table).__name__}, expected captures by name; it is '
            'another file, check the data config or download it again'
        )
    return table


def camera_of(table: Table, row: int) -> InterHandCamera:
    """The camera of an entry."""
    return _record(table, InterHandCamera, 'camera', row)


def frame_of(table: Table, row: int) -> InterHandFrame:
    """The frame of an entry, without copying."""
    return _record(table, InterHandFrame, 'frame', row)


def _record(table: Table, kind: type, name: str, row: int):
    index = table.columns[name][row]
    return kind(
        *(np.asarray(table.columns[f'{name}_{field}'][index]) for field in kind._fields)
    )
