"""Keys of a training step's random draws, one an image."""

from collections.abc import Sequence

import torch
from mmengine.logging import MessageHub
from torch import Tensor

from .keys import fold_in


def draw_keys(data_samples: Sequence, device) -> Tensor | None:
    """Keys from (seed, iteration, data set index), the same on any rank.

    Seed and iteration are what MMEngine's runner publishes; outside a runner, or for
    samples without ``sample_idx``, there is nothing to key by and the result is None:
    the caller then draws from torch's generator.

    Args:
        data_samples: the batch.
        device: of the result.
    Returns: (B,) int64 or None.
    """
    hub = MessageHub.get_current_instance()
    seed, iteration = hub.get_info('seed'), hub.get_info('iter')
    indices = [sample.metainfo.get('sample_idx') for sample in data_samples]
    if seed is None or iteration is None or any(index is None for index in indices):
        return None
    keys = torch.tensor(indices, dtype=torch.int64, device=device)
    return fold_in(fold_in(keys, int(seed)), int(iteration))
