"""TensorFlow's 'SAME' padding, which is larger at the end than at the beginning."""

import torch.nn.functional as F
from torch import Tensor, nn


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels to add before and after, so that ceil(length / stride) come out."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """Convolution with a square kernel, padded with zeros as TensorFlow's 'SAME'.

    Args:
        in_channels, out_channels: as those of ``nn.Conv2d``.
        kernel: its side, pixels.
        stride: the same for both axes.
        depthwise: filter each channel by itself.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        depthwise: bool = False,
    ) -> None:
        groups = in_channels if depthwise else 1
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        top, bottom = same_padding(inputs.shape[-2], kernel, stride)
        left, right = same_padding(inputs.shape[-1], kernel, stride)
        if top == bottom == left == right:  # the convolution pads by itself, faster
            return F.conv2d(
                inputs, self.weight, self.bias, stride, top, groups=self.groups
            )
        padded = F.pad(inputs, (left, right, top, bottom))
        return F.conv2d(padded, self.weight, self.bias, stride, groups=self.groups)
