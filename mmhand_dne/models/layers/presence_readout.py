"""Whether a map shows a right and a left hand."""

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import SIDES

from .positions import with_positions

LEVELS = 3  # each halves the map


@MODELS.register_module()
class PresenceReadout(BaseModule):
    """Presence logits of both hands from features, by convolutions of their own.

    Right and left differ by how parts lie to each other, which no mean over a map's
    cells tells: strided convolutions that see where they are, the means of each quarter
    of their maps, a linear layer [decided]. A read-out that shares the regressor's
    trunk begins to tell sides apart late in a training, and not in every one.

    Args:
        in_channels: of the features.
        mid_channels: of the convolutions.
        norm_cfg: normalisation of the convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        norm_cfg: dict = dict(type='BN'),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        widths = [in_channels + 2] + [mid_channels] * LEVELS
        self.convs = nn.Sequential(
            *(
                ConvModule(before, after, 3, stride=2, padding=1, norm_cfg=norm_cfg)
                for before, after in zip(widths, widths[1:])
            )
        )
        self.quarters = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.logits = nn.Linear(4 * mid_channels, len(SIDES))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, in_channels, h, w) -> logits (B, S)."""
        return self.logits(self.quarters(self.convs(with_positions(features))))
