"""Palms in an image."""

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor

from .palm_net import PalmNet


@MODELS.register_module()
class PalmDetector(BaseModule):
    """MediaPipe Hands' palm detector."""

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.net = PalmNet()

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`PalmNet`."""
        return self.net(inputs)
