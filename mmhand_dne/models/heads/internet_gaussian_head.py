"""MMPose's InterNet with error bars."""

from typing import Any

import torch
from mmpose.models.heads import InternetHead
from mmpose.registry import MODELS
from mmpose.utils.tensor_utils import to_numpy
from torch import Tensor

from mmhand_dne.conventions import NUM_JOINTS, SIDES
from mmhand_dne.models.covariances.keypoint_gaussian import (
    Computed,
    Features,
    KeypointGaussian,
    stack,
)

# InterNet's keypoints: right then left, tip to base, the wrist last.
NUM_HANDS = len(SIDES)


@MODELS.register_module()
class InternetGaussianHead(InternetHead):
    """InternetHead plus a Gaussian per hand over its 3D keypoints.

    The mean is the heat maps' maximum, InterNet's own prediction, which passes no
    gradient; the NLL trains covariance and backbone [decided]. The wrists are left out:
    their depth is 0 by definition, and a density over it diverges. So d = 60, in cells
    of the heat maps (x, y, z), one W per hand. The ground truth is the centre of mass
    of the target heat maps, finer than a cell.

    Adds ``loss_nll``, and to predictions ``keypoint_std`` (1, 42, 3) in pixels of the
    crop (x, y) and mm (z), 0 for the wrists.

    Args:
        covariance: a covariance part, in cells.
        loss_nll: its loss.

    Other arguments: see MMPose's ``InternetHead``.
    """

    def __init__(
        self,
        keypoint_head_cfg: dict,
        *args: Any,
        covariance: dict = dict(type='CorrelatedCovariance', unit=4.0),
        loss_nll: dict = dict(type='CorrelatedGaussianNLLLoss'),
        **kwargs: Any,
    ) -> None:
        super().__init__(keypoint_head_cfg, *args, **kwargs)
        self.gaussian = KeypointGaussian(
            keypoint_head_cfg['in_channels'],
            NUM_JOINTS - 1,
            covariance,
            loss_nll,
            dims=3,
            num_slots=NUM_HANDS,
        )

    def forward(self, feats: Features) -> list[Tensor]:
        """The parent's outputs; what is computed already passes through."""
        return list(feats) if isinstance(feats, Computed) else super().forward(feats)

    def loss(
        self, feats: Features, batch_data_samples: list, train_cfg: dict = {}
    ) -> dict[str, Tensor]:
        """The parent's losses and ``loss_nll``."""
        outputs = self.forward(feats)
        losses = super().loss(Computed(outputs), batch_data_samples, train_cfg)
        shape = outputs[0].shape[1:]
        maps = torch.stack(
            [sample.gt_fields.heatmaps.reshape(shape) for sample in batch_data_samples]
        )
        mass = maps.sum((-1, -2, -3)) > 0  # a joint outside of the volume has no map
        visible = (stack(batch_data_samples, 'keypoint_weights') > 0) & mass
        losses['loss_nll'] = self.gaussian.loss(
            feats[-1],
            by_hand(peak(outputs[0])),
            by_hand(centre_of_mass(maps)),
            by_hand(visible),
        )
        return losses

    def predict(
        self, feats: Features, batch_data_samples: list, test_cfg: dict = {}
    ) -> list:
        """The parent's predictions with standard deviations."""
        flipped = test_cfg.get('flip_test', False)
        features = feats[0] if flipped else feats
        outputs = self.forward(features)
        hands = self.gaussian(features[-1], by_hand(peak(outputs[0])))
        std = hands.std().unflatten(-1, (-1, 3))
        std = torch.nn.functional.pad(std, (0, 0, 0, 1)).flatten(1, 2)  # (B, 42, 3)
        preds = super().predict(
            feats if flipped else Computed(outputs), batch_data_samples, test_cfg
        )
        cell = (
            *self.decoder.scale_factor,
            self.decoder.heatmap3d_depth_bound / self.decoder.depth_size,
        )
        for pred, values in zip(preds, to_numpy(std)):
            pred.keypoint_std = values[None] * cell
        return preds


def by_hand(values: Tensor) -> Tensor:
    """(B, 42, ...) -> (B, 2, 20, ...), without the wrists."""
    return values.unflatten(1, (NUM_HANDS, NUM_JOINTS))[:, :, :-1]


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
