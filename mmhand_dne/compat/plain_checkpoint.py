"""Checkpoints of tensors and plain data, which a plain ``torch.load`` reads.

Symptom: mmengine 0.10.7 pickles its ``HistoryBuffer``, NumPy's scalars and a data set's
NumPy arrays into every checkpoint, so that a plain ``torch.load(path)`` of torch 2.6 or
later, which is weights-only, refuses the file.
Versions: mmengine 0.10.7, torch 2.6 to 2.13. Can go when MMEngine writes plain data.
"""

from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

# In a checkpoint: nested like it, at each value that was converted what it had been.
TYPES = 'plain_types'
TENSOR_KINDS, TEXT_KINDS = 'biufc', 'US'


def make_plain(checkpoint: dict) -> None:
    """Replace the NumPy and MMEngine objects of a checkpoint by tensors and numbers.

    Arrays become tensors (those of text lists), scalars Python's numbers, and a
    ``HistoryBuffer`` two tensors and a number. ``checkpoint['plain_types']`` says what
    they were, for :func:`restore_types`. The containers given are left as they are:
    those that change are copied, since a checkpoint holds the run's own ones.
    """
    types = {}
    for key, value in checkpoint.items():
        checkpoint[key], kind = _plain(value)
        if kind is not None:
            types[key] = kind
    if types:
        checkpoint[TYPES] = types


def restore_types(checkpoint: Any) -> Any:
    """A checkpoint with the objects that :func:`make_plain` has replaced.

    Files without the record, such as those of MMEngine or of before, stay as they are.

    Raises:
        LookupError, TypeError, ValueError: the record is not of this checkpoint.
    """
    if not isinstance(checkpoint, dict) or TYPES not in checkpoint:
        return checkpoint
    return _restored(
        {k: v for k, v in checkpoint.items() if k != TYPES}, checkpoint[TYPES]
    )


def _plain(value: Any) -> tuple[Any, str | dict | None]:
    """A value without foreign objects, and what it was; None if nothing changed."""
    if isinstance(value, HistoryBuffer):
        log, count = (torch.from_numpy(np.array(data)) for data in value.data)
        parts = dict(log=log, count=count, max_length=value.max_length)
        return parts, 'HistoryBuffer'
    if isinstance(value, np.ndarray) and value.dtype.kind in TENSOR_KINDS:
        native = value.astype(value.dtype.newbyteorder('='))
        return torch.from_numpy(native), f'array {native.dtype.str}'
    if isinstance(value, np.ndarray) and value.dtype.kind in TEXT_KINDS:
        return value.tolist(), f'array {value.dtype.str}'
    if isinstance(value, np.generic):
        return value.item(), f'scalar {value.dtype.str}'
    if isinstance(value, dict):
        pairs = {key: _plain(item) for key, item in value.items()}
    elif type(value) in (list, tuple):
        pairs = dict(enumerate(_plain(item) for item in value))
    else:
        return value, None
    types = {key: kind for key, (_, kind) in pairs.items() if kind is not None}
    if not types:
        return value, None
    return _with(value, {key: pairs[key][0] for key in types}), types


def _restored(value: Any, types: str | dict) -> Any:
    """The inverse of :func:`_plain`."""
    if isinstance(types, dict):
        return _with(value, {k: _restored(value[k], kind) for k, kind in types.items()})
    if types == 'HistoryBuffer':
        log, count = value['log'].cpu().numpy(), value['count'].cpu().numpy()
        return HistoryBuffer(log, count, value['max_length'])
    name, text = types.split(' ', 1)
    dtype = np.dtype(text)
    if dtype.kind not in TENSOR_KINDS + TEXT_KINDS:
        raise TypeError(f'{types!r} is no type of plain data')
    if isinstance(value, torch.Tensor):
        value = value.cpu().numpy()
    return np.array(value, dtype) if name == 'array' else dtype.type(value)


def _with(container: dict | list | tuple, changed: dict) -> dict | list | tuple:
    """A copy of a container with some of its values replaced."""
    if isinstance(container, dict):
        return type(container)({**container, **changed})
    items = [changed.get(index, item) for index, item in enumerate(container)]
    return type(container)(items)
