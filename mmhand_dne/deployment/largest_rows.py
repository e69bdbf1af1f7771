"""An operator of our own: the maximum of rows that go to one place."""

import torch
from torch import Tensor


@torch.library.custom_op('mmhand_dne::largest_rows', mutates_args=())
def largest_rows(rows: Tensor, places: Tensor, count: int) -> Tensor:
    """The largest of the rows that go to one place, per channel; -inf where none does.

    An operator of its own, so that how it is written as ONNX is ours to choose: see
    ``onnx_operators.scatter_rows``.

    Args:
        rows: (K, C).
        places: (K,) int64 below ``count``.
    Returns: (count, C).
    """
    empty = rows.new_full((count, rows.shape[1]), -torch.inf)
    index = places[:, None].expand(-1, rows.shape[1])
    return empty.scatter_reduce(0, index, rows, reduce='amax')


@largest_rows.register_fake
def _(rows: Tensor, places: Tensor, count: int) -> Tensor:
    return rows.new_empty(count, rows.shape[1])
