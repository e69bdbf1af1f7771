"""A covariance beside the keypoints of any of MMPose's heads."""

from collections.abc import Sequence

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from mmhand_dne.gaussian.density import CovarianceParams
from mmhand_dne.gaussian.joint_gaussian import JointGaussian


class KeypointGaussian(nn.Module):
    """A Gaussian around keypoints, its token the pooled feature map.

    Args:
        in_channels: C of the feature map (B, C, h, w).
        num_joints: K of one Gaussian.
        covariance: a covariance part; ``in_channels``, ``dim``, ``dims`` and
            ``num_slots`` are filled in.
        loss: its loss.
        dims: coordinates per joint.
        num_slots: Gaussians per image, e.g. one for each hand.
    """

    def __init__(
        self,
        in_channels: int,
        num_joints: int,
        covariance: dict,
        loss: dict,
        dims: int,
        num_slots: int = 1,
    ) -> None:
        super().__init__()
        self.covariance = MODELS.build(
            {
                **covariance,
                'in_channels': in_channels,
                'dim': num_joints * dims,
                'dims': dims,
                'num_slots': num_slots,
            }
        )
        self.nll_loss = MODELS.build({**loss, 'dims': dims})
        self.num_slots = num_slots

    def forward(self, feats: Tensor, mean: Tensor) -> JointGaussian:
        """The Gaussians of means (B, S, K, dims); leading dims (B, S)."""
        return self.covariance.gaussian(self.params(feats), mean)

    def loss(
        self,
        feats: Tensor,
        mean: Tensor,
        target: Tensor,
        visible: Tensor | None = None,
    ) -> Tensor:
        """NLL of (B, S, K, dims); visible (B, S, K)."""
        return self.nll_loss(self.params(feats), mean, target, visible)

    def params(self, feats: Tensor) -> CovarianceParams:
        """Parameters with leading dims (B, S), the token being the same for all S."""
        token = adaptive_avg_pool2d(feats, 1).flatten(1) if feats.dim() == 4 else feats
        return self.covariance(token[:, None].expand(-1, self.num_slots, -1))


class Computed(tuple):
    """Outputs of a head, handed to its parent's methods instead of features.

    MMPose's heads compute their outputs inside ``loss`` and ``predict``; a head that
    needs them too would otherwise compute them twice.
    """


Features = Sequence[Tensor] | Computed  # what MMPose hands to a head


def stack(samples: list, name: str) -> Tensor:
    """A label of all samples, joined along their first dim."""
    return torch.cat([getattr(sample.gt_instance_labels, name) for sample in samples])
