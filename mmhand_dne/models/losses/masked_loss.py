"""The one masked reduction, the same for any number of processes."""

import torch
from mmengine.dist import get_world_size
from torch import Tensor


def shared_count(count: Tensor) -> Tensor:
    """Number of valid elements per process, averaged over the processes.

    Distributed training averages gradients over processes; dividing local sums by
    this average makes that average the mean over all valid elements of the global
    batch, however they are spread.
    """
    world = get_world_size()
    if world > 1:
        count = count.detach().clone()
        torch.distributed.all_reduce(count)
        count = count / world
    return count


def masked_mean(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of the valid elements of the global batch.

    Where nothing is valid the result is 0 with a gradient graph, so that no parameter
    of a distributed model goes without a gradient.

    Args:
        values: elementwise loss, any shape, finite also where masked.
        mask: broadcastable to it from the left: shape ``values.shape[:k]`` or full
            rank; nonzero is valid. None: all.
    Returns: scalar, at least float32.
    """
    values = values.float() if values.dtype.itemsize < 4 else values
    if mask is None:
        total, count = values.sum(), values.new_full((), values.numel())
    else:
        mask = mask.to(values.dtype)
        mask = mask.reshape(*mask.shape, *[1] * (values.dim() - mask.dim()))
        # Counted before it is spread over the values: each element stands for as many.
        total = (values * mask).sum()
        count = mask.sum() * (values.numel() / max(mask.numel(), 1))
    # Any positive floor serves: with no valid element the sum is 0.
    return total / shared_count(count).clamp(min=1e-6)
