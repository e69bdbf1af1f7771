"""Mixed precision where MMEngine's own wrapper asks for a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner.amp import autocast
from mmpose.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Forward in bfloat16 where torch considers it safe, on any device.

    bfloat16 has float32's range: no loss scaling is needed. ``--amp`` chooses it on a
    machine without CUDA, where ``AmpOptimWrapper`` cannot be built.

    Arguments: see ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, besides what accumulated gradients need."""
        with super().optim_context(model), autocast(dtype=torch.bfloat16):
            yield
