"""From a list of samples to a batch, in the worker."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch.utils.data import default_collate


@FUNCTIONS.register_module()
def stack_crops(samples: Sequence[Mapping], _scope_: str | None = None) -> Any:
    """MMEngine's ``pseudo_collate`` with the crops stacked, if they have one size.

    In a worker they are stacked in shared memory, one piece for the batch and none for
    each sample, and ``pin_memory`` then pins them at once. Samples stay a list.

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
    return batch
