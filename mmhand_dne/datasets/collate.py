"""From a list of samples to a batch, in the worker, and its way to the main process."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from mmengine.structures import BaseDataElement
from torch.utils.data import default_collate


@FUNCTIONS.register_module()
def stack_crops(samples: Sequence[Mapping], _scope_: str | None = None) -> Any:
    """MMEngine's ``pseudo_collate`` with the crops stacked, if they have one size.

    In a worker they are stacked in shared memory, one piece for the batch and none for
    each sample, and ``pin_memory`` then pins them at once. Samples stay a list, which
    travels as :class:`SampleList`.

    Args:
        samples: dicts with ``inputs`` (C, H, W) and ``data_samples``.
        _scope_: not used; MMEngine writes it into configs taken from a package.

    Returns: dict of ``inputs`` (B, C, H, W), or a list of crops of several sizes, and
        lists of what else the samples have.
    """
    batch = pseudo_collate(samples)
    crops = batch.get('inputs') if isinstance(batch, Mapping) else None
    if crops and all(isinstance(crop, torch.Tensor) for crop in crops):
        if len({(crop.shape, crop.dtype) for crop in crops}) == 1:
            batch['inputs'] = default_collate(list(crops))
    if isinstance(batch, Mapping) and 'data_samples' in batch:
        batch['data_samples'] = SampleList(batch['data_samples'])
    return batch


class SampleList(list):
    """Data samples that are pickled field by field and arrive as a list.

    A sample has nine small arrays; a process that receives a batch spends most of its
    time on making each of them. Arrays of one shape travel as one, of which each sample
    gets its part.
    """

    def __reduce__(self) -> tuple:
        return _rows, (_column(list(self)),)


class _Elements:
    """A column of data elements: their class and the columns of their attributes."""

    def __init__(self, kind: type, fields: dict, count: int) -> None:
        self.kind, self.fields, self.count = kind, fields, count


def _column(values: list) -> Any:
    """What the values of B samples travel as: elements by their attributes, arrays of
    one shape as an array (B, ...), else themselves.
    """
    kinds = set(map(type, values))
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is np.ndarray and not values[0].dtype.hasobject:
        if len({(value.shape, value.dtype) for value in values}) == 1:
            return np.stack(values)
    if kind is not None and kind.__reduce__ is object.__reduce__:
        if issubclass(kind, BaseDataElement):
            first = vars(values[0]).keys()
            if all(vars(value).keys() == first for value in values):
                fields = {k: _column([vars(v)[k] for v in values]) for k in first}
                return _Elements(kind, fields, len(values))
    return values


def _rows(column: Any) -> list:
    """The values that :func:`_column` was given."""
    if not isinstance(column, _Elements):
        return list(column)
    values = [column.kind.__new__(column.kind) for _ in range(column.count)]
    for name, field in column.fields.items():
        for value, part in zip(values, _rows(field)):
            value.__dict__[name] = part
    return values
