"""The parts of a training step as they were before they were made cheaper.

What train_step.py puts beside the present ones, in one run: dense planes of the three
views, varphi's and u_r's maps over their cells first, a hand after the other, reads
channel by channel at points rounded to the features' precision, what the estimators are
given copied also where it is the features alone, perceptrons over more than two axes,
and an optimiser that is not fused.
"""

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from mmhand_dne.models.layers import dne_stage, regressed_points
from mmhand_dne.models.layers.noise_mlp import NoiseMLP
from mmhand_dne.models.layers.regressed_points import RegressedPoints
from mmhand_dne.models.necks import ThreeViewVoxelNeck

from .dense_planes import dense_three_view_features


def cells_first(self: RegressedPoints, cells: Tensor) -> Tensor:
    """Over the cells, then over the channels, whichever is dearer."""
    return self.shared[0](self.spatial(cells).transpose(1, 2))


def dense_views(self: ThreeViewVoxelNeck, features: Tensor, vertices: Tensor) -> Tensor:
    """(G, S, V, C) features, (G, S, V, 3) metres -> (G, S, V, 3 C)."""
    flat = features.flatten(0, 1), vertices.flatten(0, 1)
    return dense_three_view_features(*flat, self.num_cells).view(
        *features.shape[:-1], -1
    )


def over_all_axes(self: NoiseMLP, features: Tensor) -> Tensor:
    """(G, S, V, in_channels) -> (G, S, V, out_channels), ReLUs on views."""
    return self.last(self.body(features))


def copied_extras(
    self: dne_stage.DNEStage, features: Tensor, *of_vertices: Tensor | None
) -> Tensor:
    """(G, S, V, K) features with the extras of ``with_extras``, or with none."""
    extra = (values.to(features.dtype) for values in self.extras(*of_vertices))
    return torch.cat([features, *extra], -1)


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
    ThreeViewVoxelNeck.forward = dense_views
    dne_stage.DNEStage.with_extras = copied_extras
    NoiseMLP.forward, NoiseMLP.takes_cells = over_all_axes, None
    dne_stage.ready_to_read = lambda features: features
    RegressedPoints.first_of_perceptron = cells_first
    dne_stage.bilinear = regressed_points.bilinear = rounded_bilinear
    network.hand_model.skin = None
