"""MediaPipe Hands' palm detection network."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.models.layers.same_conv import SameConv2d

BOX_VALUES = 18  # centre, extent and seven points of a palm, x and y each
COARSE_ANCHORS, FINE_ANCHORS = 6, 2  # a cell
KERNEL = 5


@MODELS.register_module()
class PalmNet(BaseModule):
    """Depthwise residual blocks and two upward steps of ``palm_detection_full``.

    Example:
        >>> boxes, scores = PalmNet()(torch.rand(1, 3, 192, 192))
        >>> boxes.shape, scores.shape
        (torch.Size([1, 2016, 18]), torch.Size([1, 2016]))
    """

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.stem = nn.Sequential(SameConv2d(3, 32, KERNEL, 2), nn.PReLU(32))
        self.stride_8 = nn.Sequential(
            *repeated(32),
            PalmBlock(32, 64, 2),
            *repeated(64),
            PalmBlock(64, 128, 2),
            *repeated(128),
        )
        self.stride_16 = nn.Sequential(PalmBlock(128, 256, 2), *repeated(256))
        self.stride_32 = nn.Sequential(PalmBlock(256, 256, 2), *repeated(256))
        self.up_16 = UpwardStep(256, 256)
        self.coarse_scores = SameConv2d(256, COARSE_ANCHORS)
        self.coarse_boxes = SameConv2d(256, COARSE_ANCHORS * BOX_VALUES)
        self.up_8 = UpwardStep(256, 128)
        self.fine_scores = SameConv2d(128, FINE_ANCHORS)
        self.fine_boxes = SameConv2d(128, FINE_ANCHORS * BOX_VALUES)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """RGB images in [0, 1], (B, 3, 192, 192) -> what each anchor says.

        Returns:
            boxes: (B, 2016, 18) pixels, from the anchor: centre, then extent, then
                seven points; the stride 8's anchors first, row by row.
            scores: (B, 2016) logits.
        """
        stride_8 = self.stride_8(self.stem(inputs))
        stride_16 = self.stride_16(stride_8)
        coarse = self.up_16(self.stride_32(stride_16), stride_16)
        scores = [by_anchor(self.coarse_scores(coarse), 1)]
        boxes = [by_anchor(self.coarse_boxes(coarse), BOX_VALUES)]
        fine = self.up_8(coarse, stride_8)
        scores.insert(0, by_anchor(self.fine_scores(fine), 1))
        boxes.insert(0, by_anchor(self.fine_boxes(fine), BOX_VALUES))
        return torch.cat(boxes, 1), torch.cat(scores, 1)[..., 0]


class PalmBlock(nn.Module):
    """Filter each channel, mix them, add the input (its largest values, if halved)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.filter = SameConv2d(in_channels, in_channels, KERNEL, stride, True)
        self.mix = SameConv2d(in_channels, out_channels)
        self.act = nn.PReLU(out_channels)
        self.stride, self.added = stride, out_channels - in_channels

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = self.mix(self.filter(inputs))
        if self.stride > 1:
            inputs = F.max_pool2d(inputs, self.stride)
        if self.added:
            inputs = F.pad(inputs, (0, 0, 0, 0, 0, self.added))
        return self.act(inputs + outputs)


class UpwardStep(nn.Module):
    """The coarse map, enlarged, added to the finer one; two blocks on the sum."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.mix = SameConv2d(in_channels, out_channels)
        self.act = nn.PReLU(out_channels)
        self.blocks = nn.Sequential(*repeated(out_channels, 2))

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        # The original enlarges first; both steps are linear and exchange, and this
        # order costs a quarter.
        mixed = F.interpolate(
            self.mix(coarse), fine.shape[-2:], mode='bilinear', align_corners=False
        )
        return self.blocks(fine + self.act(mixed))


def repeated(channels: int, count: int = 4) -> list[PalmBlock]:
    """Blocks that keep size and channels."""
    return [PalmBlock(channels, channels) for _ in range(count)]


def by_anchor(values: Tensor, count: int) -> Tensor:
    """(B, A * count, h, w) -> (B, h * w * A, count)."""
    return values.permute(0, 2, 3, 1).reshape(values.shape[0], -1, count)
