"""Reads MANO model files: the official pickle, without executing it, and ``.npz``.

The official ``MANO_RIGHT.pkl`` was written by Python 2 with numpy, scipy and chumpy
objects inside. None of these libraries builds anything here: :mod:`.inert_pickle` turns
the file into plain records, and refuses every name that a MANO file does not need.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmhand_dne.conventions import MANO_PARENTS, NUM_BETAS
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.inert_pickle import read_inert, to_array

# V vertices, F faces; a file with more betas than NUM_BETAS is cut.
MANO_SHAPES = {
    'v_template': ('V', 3),
    'f': ('F', 3),
    'shapedirs': ('V', 3, 'S'),
    'posedirs': ('V', 3, 135),
    'J_regressor': (16, 'V'),
    'weights': ('V', 16),
    'kintree_table': (2, 16),
    'hands_components': (45, 45),
    'hands_mean': (45,),
}
INTEGER_KEYS = ('f', 'kintree_table')
REMEDY = (
    'give MANO_RIGHT.pkl or MANO_LEFT.pkl of MANO v1.2 (https://mano.is.tue.mpg.de), '
    "or source='cc0'"
)


def read_mano(path: str | Path) -> dict[str, np.ndarray]:
    """The nine arrays of a MANO model.

    Args:
        path: the official ``.pkl``, or an ``.npz`` with the same names.
    Returns: ``v_template`` (V, 3) m, ``f`` (F, 3), ``shapedirs`` (V, 3, 10) m,
        ``posedirs`` (V, 3, 135) m, ``J_regressor`` (16, V) dense, ``weights`` (V, 16),
        ``kintree_table`` (2, 16) with the root's parent -1, ``hands_components``
        (45, 45) and ``hands_mean`` (45,) rad; float32, integers int64.
    Raises: ValueError, one sentence that starts with the path, for anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'{path}: no such MANO file; {REMEDY}')
    raw = _read_npz(path) if path.suffix == '.npz' else read_inert(path, REMEDY)
    if not isinstance(raw, Mapping):
        raise UserError(
            f'{path}: holds a {type(raw).__name__}, expected the dictionary of a MANO '
            f'file; {REMEDY}'
        )
    missing = [key for key in MANO_SHAPES if key not in raw]
    if missing:
        raise UserError(
            f'{path}: is not a MANO file, it lacks {", ".join(missing)}; {REMEDY}'
        )
    arrays = {key: _convert(path, key, raw[key]) for key in MANO_SHAPES}
    _check(path, arrays)
    arrays['shapedirs'] = arrays['shapedirs'][..., :NUM_BETAS]
    return arrays


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in MANO_SHAPES if key in file.files}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(
            f'{path}: cannot be read as an .npz of plain arrays ({error}); {REMEDY}'
        ) from error


def _convert(path: Path, key: str, value: Any) -> np.ndarray:
    try:
        array = np.asarray(to_array(value))
    except ValueError as error:
        raise UserError(
            f"{path}: '{key}' is not a numeric array ({error}); {REMEDY}"
        ) from error
    if array.dtype.kind not in 'fiu':
        raise UserError(
            f"{path}: '{key}' has type {array.dtype}, expected numbers; {REMEDY}"
        )
    if key in INTEGER_KEYS:
        return array.astype(np.int64)
    return np.array(array, np.float32, order='C')


def _check(path: Path, arrays: dict[str, np.ndarray]) -> None:
    sizes = {
        'V': arrays['weights'].shape[:1],
        'F': arrays['f'].shape[:1],
        'S': arrays['shapedirs'].shape[-1:],
    }
    for key, names in MANO_SHAPES.items():
        wanted = sum((sizes.get(name, (name,)) for name in names), ())
        found = arrays[key].shape
        if found != wanted or len(found) != len(names):
            expected = ', '.join(str(sizes[n][0] if sizes.get(n) else n) for n in names)
            raise UserError(
                f"{path}: '{key}' has shape {found}, expected ({expected}); {REMEDY}"
            )
        if not np.isfinite(arrays[key]).all():
            raise UserError(f"{path}: '{key}' has NaN or infinite values; {REMEDY}")
    (vertices,), (shapes,) = sizes['V'], sizes['S']
    if shapes < NUM_BETAS:
        raise UserError(
            f"{path}: 'shapedirs' has {shapes} directions, expected at least "
            f'{NUM_BETAS}; {REMEDY}'
        )
    if not 0 <= arrays['f'].min(initial=0) <= arrays['f'].max(initial=0) < vertices:
        raise UserError(
            f"{path}: 'f' names vertices outside 0..{vertices - 1}; {REMEDY}"
        )
    arrays['kintree_table'][0, 0] = -1  # the official root is 2**32 - 1
    if tuple(arrays['kintree_table'][0]) != MANO_PARENTS:
        raise UserError(
            f"{path}: 'kintree_table' is not the tree of a MANO hand; {REMEDY}"
        )
