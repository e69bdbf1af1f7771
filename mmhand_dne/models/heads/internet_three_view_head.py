"""MMPose's InterNet with keypoints corrected from three views."""

from typing import Any

import torch
from mmpose.models.heads import InternetHead
from mmpose.registry import MODELS
from mmpose.utils.tensor_utils import to_numpy
from torch import Tensor, nn

from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.sampling import bilinear
from mmhand_dne.models.covariances.keypoint_gaussian import Computed, Features, stack
from mmhand_dne.models.losses.masked_loss import masked_mean
from mmhand_dne.models.losses.mesh_losses import l1_distance

from .internet_gaussian_head import centre_of_mass, peak


@MODELS.register_module()
class InternetThreeViewHead(InternetHead):
    """InternetHead whose keypoints are moved by what three views of a hand show.

    Each keypoint reads the feature map where its heat map has the maximum; front,
    lateral and top view of a hand's 21 keypoints (:class:`ThreeViewVoxelNeck`) give
    each of them what its neighbours in space read, and a linear layer an offset in
    cells of the heat maps, zero at the start. The maximum is a whole cell and passes no
    gradient; the offset's truth is the centre of mass of the target heat map.

    Adds ``loss_offset``.

    Args:
        num_cells: D of the three views.
        read_channels: width of what a keypoint reads.
        offset_weight: of ``loss_offset``, mean absolute error in cells.

    Other arguments: see MMPose's ``InternetHead``.
    """

    def __init__(
        self,
        keypoint_head_cfg: dict,
        *args: Any,
        num_cells: int = 16,
        read_channels: int = 64,
        offset_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(keypoint_head_cfg, *args, **kwargs)
        self.read = nn.Linear(keypoint_head_cfg['in_channels'], read_channels)
        self.views = MODELS.build(dict(type='ThreeViewVoxelNeck', num_cells=num_cells))
        self.offset = nn.Linear(3 * read_channels, 3)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)
        self.offset_weight = offset_weight

    def forward(self, feats: Features) -> list[Tensor]:
        """The parent's outputs; what is computed already passes through."""
        return list(feats) if isinstance(feats, Computed) else super().forward(feats)

    def offsets(self, features: Tensor, maps: Tensor) -> Tensor:
        """How far the keypoints are from the maxima of their heat maps.

        Args:
            features: (B, C, h, w).
            maps: (B, 42, D, H, W).
        Returns: (B, 42, 3) cells x, y, z.
        """
        cells = peak(maps)
        depth, height, width = maps.shape[2:]
        sides = cells.new_tensor([width, height])
        read = bilinear(features, (2 * cells[..., :2] + 1) / sides - 1)
        by_hand = (len(SIDES), -1)
        views = self.views(
            self.read(read).unflatten(1, by_hand), cells.unflatten(1, by_hand)
        )
        return self.offset(views).flatten(1, 2)

    def loss(
        self, feats: Features, batch_data_samples: list, train_cfg: dict = {}
    ) -> dict[str, Tensor]:
        """The parent's losses and ``loss_offset``."""
        outputs = self.forward(feats)
        losses = super().loss(Computed(outputs), batch_data_samples, train_cfg)
        shape = outputs[0].shape[1:]
        maps = torch.stack(
            [sample.gt_fields.heatmaps.reshape(shape) for sample in batch_data_samples]
        )
        mass = maps.sum((-1, -2, -3)) > 0  # a joint outside of the volume has no map
        known = (stack(batch_data_samples, 'keypoint_weights') > 0) & mass
        wanted = centre_of_mass(maps) - peak(outputs[0])
        error = l1_distance(self.offsets(feats[-1], outputs[0]), wanted)
        losses['loss_offset'] = self.offset_weight * masked_mean(error, known.float())
        return losses

    def predict(
        self, feats: Features, batch_data_samples: list, test_cfg: dict = {}
    ) -> list:
        """The parent's predictions, moved; pixels of the crop (x, y) and mm (z)."""
        flipped = test_cfg.get('flip_test', False)
        features = feats[0] if flipped else feats
        outputs = self.forward(features)
        offsets = to_numpy(self.offsets(features[-1], outputs[0]))
        preds = super().predict(
            feats if flipped else Computed(outputs), batch_data_samples, test_cfg
        )
        cell = (
            *self.decoder.scale_factor,
            self.decoder.heatmap3d_depth_bound / self.decoder.depth_size,
        )
        for pred, values in zip(preds, offsets):
            pred.keypoints = pred.keypoints + values[None] * cell
        return preds
