"""The one masked reduction, the same for any number of processes."""

from mmengine.dist import get_world_size
from torch import Tensor

from .late_means import divide

LEAST_COUNT = 1e-6


def masked_mean(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of the valid elements of the global batch.

    Distributed training averages gradients over processes; dividing local sums by the
    mean over processes of their numbers of valid elements makes that average the mean
    over all valid elements, however they are spread. Within a method that is
    :func:`reduced_together` the result is known when that method ends.

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
    if get_world_size() > 1:
        return divide(total, count, LEAST_COUNT)
    return total / count.clamp(min=LEAST_COUNT)
