"""MMPose's InterNet with keypoints corrected from three views."""

from typing import Any

from mmpose.registry import MODELS
from mmpose.utils.tensor_utils import to_numpy
from torch import Tensor, nn

from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.sampling import bilinear
from mmhand_dne.models.covariances.keypoint_gaussian import Features
from mmhand_dne.models.losses.masked_loss import masked_mean
from mmhand_dne.models.losses.mesh_losses import l1_distance

from .internet_maps_head import InternetMapsHead, peak


@MODELS.register_module()
class InternetThreeViewHead(InternetMapsHead):
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
        losses, maps, true = self.parent_loss(feats, batch_data_samples, train_cfg)
        error = l1_distance(self.offsets(feats[-1], maps), true.cells - peak(maps))
        losses['loss_offset'] = self.offset_weight * masked_mean(
            error, true.known.float()
        )
        return losses

    def predict(
        self, feats: Features, batch_data_samples: list, test_cfg: dict = {}
    ) -> list:
        """The parent's predictions, moved; pixels of the crop (x, y) and mm (z)."""
        preds, features, maps = self.parent_prediction(
            feats, batch_data_samples, test_cfg
        )
        offsets = to_numpy(self.offsets(features, maps))
        for pred, values in zip(preds, offsets):
            pred.keypoints = pred.keypoints + values[None] * self.cell
        return preds
