"""All that InterHand2.6M's four files of a split say, as columns."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmhand_dne.errors import UserError

from .annotation_files import read_json
from .index_file import Table, Texts
from .interhand_annotations import Camera, Moment, read_cameras, read_moments
from .interhand_entries import read_entries

SCHEMA, VERSION = 'interhand', 1


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


def read_table(files: InterHandFiles) -> Table:
    """Read a split's annotation files.

    Columns: those of :func:`read_entries`, a row an annotation in the file's order;
    ``camera_*``, ``moment_*`` of :func:`read_cameras` and :func:`read_moments`, which
    the rows point to; ``moment_name`` 'capture/frame'.

    Raises:
        ValueError: a file is missing, damaged or of another version, or has no camera
            or no joints for an image of another file.
    """
    columns, cameras, moments, images = read_entries(files.data)
    if files.mano is None:
        manos = {}
    else:
        manos = _object(files.mano)
    columns.update(read_cameras(cameras, _object(files.camera), files.camera))
    columns.update(
        read_moments(moments, _object(files.joints), files.joints, manos, files.mano)
    )
    columns['moment_name'] = Texts.of('/'.join(key) for key in moments)
    return Table(columns, dict(images=images, mano=files.mano is not None))


def _object(path) -> Mapping:
    table = read_json(path)
    if not isinstance(table, dict):
        raise UserError(
            f'{path}: holds a {type(table).__name__}, expected captures by name; it is '
            'another file, check the data config or download it again'
        )
    return table


def camera_of(table: Table, row: int) -> Camera:
    """The camera of an entry."""
    return _record(table, Camera, 'camera', row)


def moment_of(table: Table, row: int) -> Moment:
    """The moment of an entry, without copying."""
    return _record(table, Moment, 'moment', row)


def _record(table: Table, kind: type, name: str, row: int):
    place = table.columns[name][row]
    return kind(
        *(np.asarray(table.columns[f'{name}_{field}'][place]) for field in kind._fields)
    )
