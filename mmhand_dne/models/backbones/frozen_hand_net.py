"""The shipped model's networks as a trunk that is not trained."""

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor

from .twin_hand_net import TwinHandNet


@MODELS.register_module()
class FrozenHandNet(TwinHandNet):
    """Both copies of the landmark network as they are in a checkpoint, frozen.

    :class:`TwinHandNet` begins with two equal copies; this one keeps the trained and
    the untrained one apart, as the checkpoint has them. Its last map is pooled: heads
    read no more of it than its mean. What it gives of a crop is always the same, so
    that it can be cached.

    Args:
        init_cfg: where the weights are, with ``prefix='backbone'`` in the shipped file.

    Example:
        >>> net = FrozenHandNet()
        >>> [tuple(level.shape[1:]) for level in net(torch.rand(1, 3, 224, 224))]
        [(24, 56, 56), (40, 28, 28), (112, 14, 14), (192, 7, 7), (2304, 1, 1)]
    """

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.requires_grad_(False)

    def init_weights(self) -> None:
        """Load both copies; neither is made equal to the other."""
        BaseModule.init_weights(self)

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """RGB crops in [0, 1], (B, 3, H, W) -> four maps and the pooled last one,
        (B, 2 * 1152, 1, 1).
        """
        *levels, last = super().forward(inputs)
        return (*levels, last.mean((-2, -1), keepdim=True))
