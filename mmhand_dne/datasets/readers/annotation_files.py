"""Reading annotation files with errors that name file, key and remedy."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.json_stream import stream_arrays

BLOCK = 1024  # rows that are Python numbers at a time


def read_json(path: str | Path) -> Any:
    """Parse a JSON file.

    Raises:
        ValueError: it is missing, empty, truncated or no JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f'{path}: no such annotation file; check data_root and ann_file in the '
            'data config, or download the annotations'
        )
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f'{path}: not valid JSON ({error}); the file is truncated or damaged, '
            'download it again'
        ) from error


def lookup(table: Any, path: str | Path, *keys: str) -> Any:
    """``table[k1][k2]...``; a missing key is named with its file."""
    for depth, key in enumerate(keys):
        if not isinstance(table, dict) or key not in table:
            entry = '/'.join(map(str, keys[: depth + 1]))
            raise UserError(
                f'{path}: no entry {entry!r}; the annotation files belong to '
                'different splits or versions, or one is incomplete'
            )
        table = table[key]
    return table


def numbers(value: Any, shape: tuple, path: str | Path, name: str) -> np.ndarray:
    """A float64 array of the shape, finite; -1 in the shape takes any size."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.empty(0)
    fits = array.ndim == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, array.shape)
    )
    if not fits:
        raise UserError(
            f'{path}: {name} has shape {array.shape}, expected {shape}; the file is '
            'damaged or of another version'
        )
    if not np.isfinite(array).all():
        raise UserError(
            f'{path}: {name} holds a number that is not finite; correct or remove '
            'this entry'
        )
    return array


def read_rows(path: str | Path, shape: tuple, dtype: type = np.float64) -> np.ndarray:
    """All rows of a JSON file that is one list, never held in memory as text.

    Args:
        path: of a JSON list.
        shape: of a row; (): a number, or a list of one.
        dtype: of the result.
    Returns: (N, *shape).
    Raises:
        ValueError: the file is missing, no such list or truncated, or a row has
            another shape or a number that is not finite.
    """
    blocks, rows, count = [], [], 0
    for _, row in stream_arrays(path):
        if shape == () and isinstance(row, list) and len(row) == 1:
            row = row[0]
        rows.append(numbers(row, shape, path, f'row {count}').astype(dtype))
        count += 1
        if len(rows) == BLOCK:
            blocks.append(np.stack(rows))
            rows = []
    blocks.append(np.array(rows, dtype).reshape(-1, *shape))
    return np.concatenate(blocks)
