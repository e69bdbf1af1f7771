"""MMPose's InterNet with error bars."""

from typing import Any

import torch
from mmpose.registry import MODELS
from mmpose.utils.tensor_utils import to_numpy
from torch import Tensor

from mmhand_dne.conventions import NUM_JOINTS, SIDES
from mmhand_dne.models.covariances.keypoint_gaussian import Features, KeypointGaussian

from .internet_maps_head import InternetMapsHead, peak

# InterNet's keypoints: right then left, tip to base, the wrist last.
NUM_HANDS = len(SIDES)


@MODELS.register_module()
class InternetGaussianHead(InternetMapsHead):
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

    def loss(
        self, feats: Features, batch_data_samples: list, train_cfg: dict = {}
    ) -> dict[str, Tensor]:
        """The parent's losses and ``loss_nll``."""
        losses, maps, true = self.parent_loss(feats, batch_data_samples, train_cfg)
        losses['loss_nll'] = self.gaussian.loss(
            feats[-1], by_hand(peak(maps)), by_hand(true.cells), by_hand(true.known)
        )
        return losses

    def predict(
        self, feats: Features, batch_data_samples: list, test_cfg: dict = {}
    ) -> list:
        """The parent's predictions with standard deviations."""
        preds, features, maps = self.parent_prediction(
            feats, batch_data_samples, test_cfg
        )
        hands = self.gaussian(features, by_hand(peak(maps)))
        std = hands.std().unflatten(-1, (-1, 3))
        std = torch.nn.functional.pad(std, (0, 0, 0, 1)).flatten(1, 2)  # (B, 42, 3)
        for pred, values in zip(preds, to_numpy(std)):
            pred.keypoint_std = values[None] * self.cell
        return preds


def by_hand(values: Tensor) -> Tensor:
    """(B, 42, ...) -> (B, 2, 20, ...), without the wrists."""
    return values.unflatten(1, (NUM_HANDS, NUM_JOINTS))[:, :, :-1]
