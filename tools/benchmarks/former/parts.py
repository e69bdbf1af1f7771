"""The parts of a training step as they were before they were made cheaper.

What train_step.py puts beside the present ones, in one run: dense planes of the three
views, u_r's map over the cells first, a hand after the other, points rounded to the
features' precision, and an optimiser that is not fused.
"""

import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from mmhand_dne.models.layers import dne_stage, regressed_points
from mmhand_dne.models.layers.regressed_points import RegressedPoints
from mmhand_dne.models.necks import three_view_voxel_neck

from .dense_planes import dense_three_view_features


def cells_first(self: RegressedPoints, cells: Tensor) -> Tensor:
    """Over the cells, then over the channels, whichever is dearer."""
    return self.shared[0](self.spatial(cells).transpose(1, 2))


def rounded_bilinear(features: Tensor, points_ndc: Tensor) -> Tensor:
    """Features (B, C, h, w) at (B, N, 2) NDC points, in the features' precision."""
    read = F.grid_sample(
        features,
        points_ndc.to(features.dtype)[:, :, None],
        mode='bilinear',
        padding_mode='border',
        align_corners=False,
    )
    return read.squeeze(-1).transpose(1, 2)


def former_config(cfg: Config) -> None:
    """The optimiser as it was: an operator for each parameter on a CPU."""
    cfg.optim_wrapper.optimizer.fused = None


def use_former_parts(network: nn.Module) -> None:
    """Replace the parts, in this process for good."""
    three_view_voxel_neck.three_view_features = dense_three_view_features
    RegressedPoints.first_of_perceptron = cells_first
    dne_stage.bilinear = regressed_points.bilinear = rounded_bilinear
    network.hand_model.skin = None
