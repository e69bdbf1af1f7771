"""MMPose's keypoint regression with error bars."""

from typing import Any

from mmpose.models.heads import RegressionHead
from mmpose.registry import MODELS
from mmpose.utils.tensor_utils import to_numpy
from torch import Tensor

from mmhand_dne.models.covariances.keypoint_gaussian import (
    Computed,
    Features,
    KeypointGaussian,
    stack,
)


@MODELS.register_module()
class RegressionGaussianHead(RegressionHead):
    """RegressionHead plus a Gaussian over its K x 2 coordinates.

    Adds ``loss_nll``, and to predictions ``keypoint_std`` (1, K, 2), in pixels of the
    crop. The parent's own loss stays as configured.

    Args:
        covariance: a covariance part; its unit is the crop's width and height as 1.
        loss_nll: its loss.

    Other arguments: see MMPose's ``RegressionHead``.
    """

    def __init__(
        self,
        *args: Any,
        covariance: dict = dict(type='CorrelatedCovariance', unit=0.1),
        loss_nll: dict = dict(type='CorrelatedGaussianNLLLoss'),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.gaussian = KeypointGaussian(
            self.in_channels, self.num_joints, covariance, loss_nll, dims=2
        )

    def forward(self, feats: Features) -> Tensor:
        """(B, K, 2) in [0, 1]; what is computed already passes through."""
        return feats[0] if isinstance(feats, Computed) else super().forward(feats)

    def loss(
        self, feats: Features, batch_data_samples: list, train_cfg: dict = {}
    ) -> dict[str, Tensor]:
        """The parent's losses and ``loss_nll``."""
        points = self.forward(feats)
        losses = super().loss(Computed([points]), batch_data_samples, train_cfg)
        losses['loss_nll'] = self.gaussian.loss(
            feats[-1],
            points[:, None],
            stack(batch_data_samples, 'keypoint_labels')[:, None],
            stack(batch_data_samples, 'keypoint_weights')[:, None],
        )
        return losses

    def predict(
        self, feats: Features, batch_data_samples: list, test_cfg: dict = {}
    ) -> list:
        """The parent's predictions with standard deviations."""
        flipped = test_cfg.get('flip_test', False)
        features = feats[0] if flipped else feats
        points = self.forward(features)
        hands = self.gaussian(features[-1], points[:, None])
        preds = super().predict(
            feats if flipped else Computed([points]), batch_data_samples, test_cfg
        )
        std = to_numpy(hands.std().unflatten(-1, (-1, 2)))  # (B, 1, K, 2)
        for pred, sample, values in zip(preds, batch_data_samples, std):
            pred.keypoint_std = values * sample.metainfo['input_size']
        return preds
