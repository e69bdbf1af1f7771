"""FreiHAND's and HO-3D's submissions: ``pred.json``, and ``pred.zip`` with it alone.

The file is ``[xyz, verts]``: N x 21 x 3 and N x 778 x 3 numbers in metres, rows in the
order of the evaluation set, joint order and axes the data set's own.
"""

import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import whole_file

NAME = 'pred.json'
SHAPES = dict(joints=(21, 3), vertices=(778, 3))


def read_submission(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Joints (N, 21, 3) and vertices (N, M, 3), metres, from a JSON or zip file.

    M is 778, or the number of another topology's.

    Raises:
        ValueError: the file is missing, damaged, or of another shape.
    """
    table = _read_json(Path(path))
    if not isinstance(table, list) or len(table) != 2:
        size = f'{len(table)} entries' if isinstance(table, (list, dict)) else 'no list'
        raise UserError(
            f'{path}: has {size}, expected the list [xyz, verts]; write it with '
            'tools/analysis_tools/export_submission.py'
        )
    joints, vertices = (
        _points(rows, name, path, any_mesh=True) for rows, name in zip(table, SHAPES)
    )
    if len(joints) != len(vertices):
        raise UserError(
            f'{path}: has {len(joints)} rows of joints and {len(vertices)} of vertices,'
            ' expected one of each per image'
        )
    return joints, vertices


def read_points(path: str | Path, name: str) -> np.ndarray:
    """A released ground truth file, e.g. ``evaluation_xyz.json``.

    Args:
        name: 'joints' (N, 21, 3) or 'vertices' (N, 778, 3).

    Raises:
        ValueError: as :func:`read_submission`.
    """
    return _points(_read_json(Path(path)), name, path)


def write_submission(
    folder: str | Path, rows: Callable[[str], Iterable[np.ndarray]]
) -> Path:
    """Write ``pred.json`` and ``pred.zip``, each under its name only when whole.

    Args:
        rows: for 'joints' and for 'vertices' the images' points (21, 3), (778, 3);
            asked once each, so that no list of all is needed.

    Returns: the zip's path.
    """
    folder = Path(folder)
    path, packed = folder / NAME, folder / 'pred.zip'
    with whole_file(path) as partial, open(partial, 'w') as file:
        for name, opening in zip(SHAPES, ('[[', ', [')):
            file.write(opening)
            for i, points in enumerate(rows(name)):
                # repr of a double: reading it back gives the same bits.
                file.write(', ' * (i > 0) + json.dumps(points.tolist()))
            file.write(']')
        file.write(']')
    with whole_file(packed) as partial:
        with zipfile.ZipFile(partial, 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, NAME)
    return packed


def _read_json(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f'{path}: no such file; check the path')
    try:
        if path.suffix == '.zip':
            return json.loads(_member(path))
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise UserError(
            f'{path}: is damaged or no JSON ({error}); write or download it again'
        ) from error


def _member(path: Path) -> bytes:
    """The one JSON file of a zip."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith('.json')]
        chosen = NAME if NAME in names else names[0] if len(names) == 1 else None
        if chosen is None:
            raise UserError(
                f'{path}: holds {len(names)} JSON files {names}, expected {NAME}; zip '
                f'it with zip -j pred.zip {NAME}'
            )
        return archive.read(chosen)


def _points(
    rows: Any, name: str, path: str | Path, any_mesh: bool = False
) -> np.ndarray:
    """Checked (N, P, 3) of parsed JSON; P is free for vertices with ``any_mesh``."""
    wanted = SHAPES[name]
    try:
        array = np.asarray(rows, np.float64)
    except (TypeError, ValueError):
        array = None
    if any_mesh and name == 'vertices' and array is not None and array.ndim == 3:
        wanted = (max(array.shape[1], 1), 3)
    if array is None or array.shape[1:] != wanted or array.ndim != 3:
        found = 'rows of unequal length' if array is None else f'shape {array.shape}'
        raise UserError(
            f'{path}: {name} have {found}, expected (N, {wanted[0]}, {wanted[1]})'
        )
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise UserError(
            f'{path}: {name} of row {row} hold NaN or infinity; every image needs '
            'finite numbers'
        )
    return array
