"""An operator of our own: the maximum over the rows that share a target."""

import torch
from torch import Tensor


@torch.library.custom_op('mmhand_dne::largest_rows', mutates_args=())
def largest_rows(rows: Tensor, targets: Tensor, count: int) -> Tensor:
    """The largest of the rows with the same target, per channel; -inf without any.

    An operator of its own, so that how it is written as ONNX is ours to choose: see
    ``onnx_operators.scatter_rows``.

    Args:
        rows: (K, C).
        targets: (K,) int64 below ``count``, the output row that each row goes to.
    Returns: (count, C).
    """
    empty = rows.new_full((count, rows.shape[1]), -torch.inf)
    index = targets[:, None].expand(-1, rows.shape[1])
    return empty.scatter_reduce(0, index, rows, reduce='amax')


@largest_rows.register_fake
def _(rows: Tensor, targets: Tensor, count: int) -> Tensor:
    return rows.new_empty(count, rows.shape[1])
