"""JSON files that are one long list of equal rows, never held in memory as text."""

import numpy as np

from mmhand_dne.fileio.json_stream import stream_arrays

from .annotation_files import numbers

BLOCK = 1024  # rows that are Python numbers at a time


def read_rows(path, shape: tuple, dtype: type = np.float64) -> np.ndarray:
    """All rows of a file, (N, *shape).

    Args:
        path: of a JSON list.
        shape: of a row; (): a number, or a list of one.
        dtype: of the result.
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
