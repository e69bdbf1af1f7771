"""The trunk of MediaPipe Hands' landmark network, as a backbone."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.models.layers.same_conv import SameConv2d

STRIDE = 32


class Block(NamedTuple):
    """One row of the table of inverted residuals."""

    expanded: int  # channels between the two 1 x 1 convolutions
    kernel: int
    stride: int
    channels: int  # that it gives


STEM_CHANNELS = 24
BLOCKS = (
    Block(24, 3, 1, 16),  # as many as it gets: no expansion
    Block(64, 3, 2, 24),
    Block(144, 3, 1, 24),
    Block(144, 5, 2, 40),
    Block(240, 5, 1, 40),
    Block(240, 3, 2, 80),
    Block(480, 3, 1, 80),
    Block(480, 3, 1, 80),
    Block(480, 5, 1, 112),
    Block(672, 5, 1, 112),
    Block(672, 5, 1, 112),
    Block(672, 5, 2, 192),
    Block(1152, 5, 1, 192),
    Block(1152, 5, 1, 192),
    Block(1152, 5, 1, 192),
)
LEVELS = (2, 4, 10, 14)  # the last blocks at strides 4, 8, 16 and 32
TOKEN_CHANNELS = 1152


@MODELS.register_module()
class MediaPipeHandNet(BaseModule):
    """Inverted residuals (EfficientNet-Lite's kind) of ``hand_landmark_full``.

    ReLU6, TensorFlow's 'SAME' padding, no normalisation layers: the original's are
    folded into its convolutions. ``tools/model_converters/convert_mediapipe.py`` makes
    its weights, which are 2.57 M of the landmark network's 2.72 M parameters.

    Args:
        frozen_levels: how many of the five levels, the finest first, are not trained:
            5 is the whole network. The first two take most of the time of a gradient.

    Example:
        >>> net = MediaPipeHandNet()
        >>> [tuple(level.shape[1:]) for level in net(torch.rand(1, 3, 224, 224))]
        [(24, 56, 56), (40, 28, 28), (112, 14, 14), (192, 7, 7), (1152, 7, 7)]
    """

    def __init__(self, frozen_levels: int = 0, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.stem = conv_relu6(3, STEM_CHANNELS, 3, 2)
        incoming = (STEM_CHANNELS, *(block.channels for block in BLOCKS))
        self.blocks = nn.ModuleList(map(InvertedResidual, incoming, BLOCKS))
        self.last = nn.Sequential(
            conv_relu6(BLOCKS[-1].channels, TOKEN_CHANNELS),
            conv_relu6(TOKEN_CHANNELS, TOKEN_CHANNELS, 3, depthwise=True),
        )
        # Depthwise convolutions run about twice as fast with the channels last.
        self.to(memory_format=torch.channels_last)
        self.freeze(frozen_levels)

    def freeze(self, levels: int) -> None:
        """Stop the gradients of what makes the first levels, 0 to 5 of them."""
        if levels:
            self.stem.requires_grad_(False)
            last = LEVELS[min(levels, len(LEVELS)) - 1]
            self.blocks[: last + 1].requires_grad_(False)
        if levels > len(LEVELS):
            self.last.requires_grad_(False)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """RGB crops in [0, 1], (B, 3, H, W) -> five maps.

        Returns: the levels with strides 4, 8, 16, 32 and 24, 40, 112, 192 channels, and
            (B, 1152, H / 32, W / 32), whose mean over space is the hand's token.
        Raises:
            ValueError: H or W is no multiple of 32.
        """
        levels = run_blocks(self.stem(checked(inputs)), self.blocks)
        return (*levels, self.last(levels[-1]))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; added to the input where that fits."""

    def __init__(self, in_channels: int, block: Block) -> None:
        super().__init__()
        self.expand = nn.Identity()
        if block.expanded != in_channels:
            self.expand = conv_relu6(in_channels, block.expanded)
        self.filter = conv_relu6(
            block.expanded, block.expanded, block.kernel, block.stride, depthwise=True
        )
        self.project = SameConv2d(block.expanded, block.channels)
        self.residual = block.stride == 1 and block.channels == in_channels

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = self.project(self.filter(self.expand(inputs)))
        return inputs + outputs if self.residual else outputs


def run_blocks(
    features: Tensor, blocks: Iterable[nn.Module], first: int = 0
) -> list[Tensor]:
    """Run blocks one after the other, the first of them being the net's block
    ``first``, and keep what ends a level.
    """
    levels = []
    for index, block in enumerate(blocks, first):
        features = block(features)
        if index in LEVELS:
            levels.append(features)
    return levels


def checked(inputs: Tensor) -> Tensor:
    """The crops (B, 3, H, W) with the channels last, if the strides divide them."""
    height, width = inputs.shape[-2:]
    if height % STRIDE or width % STRIDE:
        raise UserError(
            f'MediaPipeHandNet got crops of {(height, width)}, expected multiples '
            f'of {STRIDE}; crop to (224, 224), which its weights are for'
        )
    return inputs.contiguous(memory_format=torch.channels_last)


def conv_relu6(
    in_channels: int,
    out_channels: int,
    kernel: int = 1,
    stride: int = 1,
    depthwise: bool = False,
) -> nn.Sequential:
    """A :class:`SameConv2d` with the same arguments and ReLU6."""
    conv = SameConv2d(in_channels, out_channels, kernel, stride, depthwise)
    return nn.Sequential(conv, nn.ReLU6(inplace=True))
