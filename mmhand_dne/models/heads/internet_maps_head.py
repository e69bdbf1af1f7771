"""MMPose's InterNet, its heat maps open to heads that add to it."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from mmpose.models.heads import InternetHead
from torch import Tensor

from mmhand_dne.models.covariances.keypoint_gaussian import Computed, Features, stack


class TrueKeypoints(NamedTuple):
    """What the target heat maps of a batch say.

    Attributes:
        cells: (B, 42, 3) centres of mass x, y, z, finer than a cell.
        known: (B, 42) bool; a joint outside of the volume has no map.
    """

    cells: Tensor
    known: Tensor


class InternetMapsHead(InternetHead):
    """InternetHead that computes its outputs once for itself and for what is added.

    Arguments: see MMPose's ``InternetHead``.
    """

    def forward(self, feats: Features) -> list[Tensor]:
        """The parent's outputs; what is computed already passes through."""
        return list(feats) if isinstance(feats, Computed) else super().forward(feats)

    def parent_loss(
        self, feats: Features, batch_data_samples: list, train_cfg: dict
    ) -> tuple[dict[str, Tensor], Tensor, TrueKeypoints]:
        """The parent's losses, its heat maps (B, 42, D, H, W), and the truth."""
        outputs = self.forward(feats)
        losses = super().loss(Computed(outputs), batch_data_samples, train_cfg)
        shape = outputs[0].shape[1:]
        maps = torch.stack(
            [sample.gt_fields.heatmaps.reshape(shape) for sample in batch_data_samples]
        )
        mass = maps.sum((-1, -2, -3)) > 0
        known = (stack(batch_data_samples, 'keypoint_weights') > 0) & mass
        return losses, outputs[0], TrueKeypoints(centre_of_mass(maps), known)

    def parent_prediction(
        self, feats: Features, batch_data_samples: list, test_cfg: dict
    ) -> tuple[Iterable, Tensor, Tensor]:
        """The parent's predictions; features (B, C, h, w) and heat maps of the crops as
        they are, where the parent also averages with mirrored ones.
        """
        flipped = test_cfg.get('flip_test', False)
        features = feats[0] if flipped else feats
        outputs = self.forward(features)
        preds = super().predict(
            feats if flipped else Computed(outputs), batch_data_samples, test_cfg
        )
        return preds, features[-1], outputs[0]

    @property
    def cell(self) -> np.ndarray:
        """(3,) pixels of the crop (x, y) and mm (z) of a heat map's cell."""
        depth = self.decoder.heatmap3d_depth_bound / self.decoder.depth_size
        return np.array([*self.decoder.scale_factor, depth])


def peak(maps: Tensor) -> Tensor:
    """Cell (x, y, z) of the maximum of maps (B, K, D, H, W): (B, K, 3), no gradient."""
    depth, height, width = maps.shape[2:]
    index = maps.detach().flatten(2).argmax(-1)
    cells = (index % width, index // width % height, index // (width * height))
    return torch.stack(cells, -1).to(maps.dtype)


def centre_of_mass(maps: Tensor) -> Tensor:
    """Mean cell (x, y, z) of maps (B, K, D, H, W) >= 0: (B, K, 3), 0 where empty."""
    total = maps.sum((2, 3, 4)).clamp(min=torch.finfo(maps.dtype).tiny)
    means = []
    for axis in (4, 3, 2):
        others = [other for other in (2, 3, 4) if other != axis]
        positions = torch.arange(maps.shape[axis], device=maps.device, dtype=maps.dtype)
        means.append((maps.sum(others) * positions).sum(-1) / total)
    return torch.stack(means, -1)
