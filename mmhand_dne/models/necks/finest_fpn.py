"""MMPose's FPN, finest level only."""

from collections.abc import Sequence
from typing import Any

from mmpose.models.necks import FPN
from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class FinestFPN(FPN):
    """Feature pyramid that merges all levels into the finest one (stride 4) [decided].

    The output convolutions of the coarser levels are left out: nobody reads them, and
    distributed training refuses parameters without a gradient.

    Args:
        in_channels: channels of the backbone's levels, finest first.
        out_channels: C.
        extra_levels: maps after those levels that are handed on as they are, such as
            the last one of :class:`MediaPipeHandNet`, which the token is pooled from.

    Example:
        >>> neck = FinestFPN([8, 16], 4)
        >>> levels = [torch.rand(1, 8, 16, 16), torch.rand(1, 16, 8, 8)]
        >>> neck(levels)[0].shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        extra_levels: int = 0,
        **kwargs: Any,
    ) -> None:
        in_channels = list(in_channels)
        super().__init__(in_channels, out_channels, len(in_channels), **kwargs)
        for level in range(1, len(self.fpn_convs)):
            self.fpn_convs[level] = nn.Identity()
        self.extra_levels = extra_levels

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels (B, C_i, h_i, w_i), finest first -> ((B, C, h_0, w_0), *extra)."""
        count = len(inputs) - self.extra_levels
        finest = super().forward(inputs[:count])[:1]
        return (*finest, *inputs[count:])
