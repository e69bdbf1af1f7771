"""Auxiliary maps and the features merged with them."""

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_JOINTS, NUM_ROTATIONS, SIDES
from mmhand_dne.hand_model import build_hand_model
from mmhand_dne.models.losses.map_losses import DEPTH_UNIT
from mmhand_dne.models.losses.map_targets import map_targets
from mmhand_dne.structures.hand_state import AuxMaps
from mmhand_dne.structures.hand_targets import HandTargets

# Depth, normal, heat maps, correspondence, parts; the last with a background.
NUM_HANDS, NUM_LABELS = len(SIDES), NUM_ROTATIONS + 1
CHANNELS = (1, 3, NUM_HANDS * NUM_JOINTS, 3, NUM_HANDS * NUM_LABELS)


@MODELS.register_module()
class AuxMapHead(BaseModule):
    """Predict the five auxiliary maps and merge them into the features (DNE).

    A convolution block predicts the maps; features and maps are concatenated and
    merged by another block. The text has 33 part channels, the map 34: they are read as
    a softmax of 16 parts and a background for each hand [decided].

    Args:
        in_channels: channels of the features.
        out_channels: C, channels of the merged features.
        mid_channels: channels inside the two blocks.
        hand_model: hand whose surface the targets are rasterised from.
        heatmap_sigma: of the heat maps' Gaussians, in map cells.
        norm_cfg: normalisation of the blocks.
        loss: config of :class:`AuxMapLoss`.

    Example:
        >>> head = AuxMapHead(32, 32, hand_model=dict(type='HandPair'))
        >>> maps, merged = head(torch.rand(1, 32, 64, 64))
        >>> maps.parts.shape, merged.shape
        (torch.Size([1, 34, 64, 64]), torch.Size([1, 32, 64, 64]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hand_model: dict | nn.Module,
        mid_channels: int = 128,
        heatmap_sigma: float = 2.0,
        norm_cfg: dict = dict(type='BN'),
        loss: dict = dict(type='AuxMapLoss'),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.hand_model = build_hand_model(hand_model)
        self.heatmap_sigma = heatmap_sigma
        self.predict_maps = nn.Sequential(
            ConvModule(in_channels, mid_channels, 3, padding=1, norm_cfg=norm_cfg),
            nn.Conv2d(mid_channels, sum(CHANNELS), 1),
        )
        self.merge = nn.Sequential(
            ConvModule(in_channels + sum(CHANNELS), mid_channels, 1, norm_cfg=norm_cfg),
            ConvModule(mid_channels, out_channels, 3, padding=1, norm_cfg=norm_cfg),
        )
        self.loss_module = MODELS.build(loss)
        self.reset_maps()

    def reset_maps(self) -> None:
        """Start every map near zero.

        Most cells of most maps are empty: from an ordinary start the quickest way to
        lower the loss is to silence the shared features, and nothing is learned from
        what is left of them.
        """
        nn.init.normal_(self.predict_maps[-1].weight, std=1e-3)
        nn.init.zeros_(self.predict_maps[-1].bias)

    def init_weights(self) -> None:
        """As MMEngine's, without touching the maps' start."""
        super().init_weights()
        self.reset_maps()

    def forward(self, features: Tensor) -> tuple[AuxMaps, Tensor]:
        """Features (B, in_channels, h, w) -> maps, merged (B, out_channels, h, w)."""
        raw = self.predict_maps(features)
        depth, normal, heatmaps, correspondence, parts = raw.split(CHANNELS, 1)
        # The network works in units of about 1; the map is in metres.
        maps = AuxMaps(depth * DEPTH_UNIT, normal, heatmaps, correspondence, parts)
        shares = parts.unflatten(1, (NUM_HANDS, NUM_LABELS)).softmax(2).flatten(1, 2)
        merged = self.merge(
            torch.cat([features, depth, normal, heatmaps, correspondence, shares], 1)
        )
        return maps, merged

    def loss(self, maps: AuxMaps, targets: HandTargets) -> dict[str, Tensor]:
        """Rasterise the targets on the maps' device and compare (DNE Eq. 9)."""
        size = maps.depth.shape[-2:]
        with torch.no_grad():
            wanted = map_targets(targets, self.hand_model, size, self.heatmap_sigma)
        return self.loss_module(maps, wanted)
