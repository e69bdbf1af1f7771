"""Losses on the five auxiliary maps (DNE Eq. 9)."""

import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_state import AuxMaps

from .map_targets import MapTargets
from .masked_loss import masked_mean
from .mesh_losses import l1_distance

DEPTH_UNIT = 0.1  # metres; brings the depth loss to the size of the others


@MODELS.register_module()
class AuxMapLoss(nn.Module):
    """L1 on a1 to a4, cross-entropy on a5, each with its lambda (DNE Eq. 9).

    Depth, normals and correspondences count on the foreground only [decided]; frames
    without a mesh count for the heat maps only.

    Args:
        lambda_1: weight of the depth map, in units of 0.1 m.
        lambda_2: normal map.
        lambda_3: joint heat maps.
        lambda_4: dense correspondence map.
        lambda_5: part segmentation.
    """

    def __init__(
        self,
        lambda_1: float = 1.0,
        lambda_2: float = 1.0,
        lambda_3: float = 1.0,
        lambda_4: float = 1.0,
        lambda_5: float = 1.0,
    ) -> None:
        super().__init__()
        self.weights = (lambda_1, lambda_2, lambda_3, lambda_4, lambda_5)

    def forward(self, maps: AuxMaps, targets: MapTargets) -> dict[str, Tensor]:
        """Five scalars, ``loss_depth`` to ``loss_parts``.

        Args:
            maps: predicted, at (h, w).
            targets: rasterised at the same (h, w).
        """
        if maps.depth.shape[-2:] != targets.depth.shape[-2:]:
            raise UserError(
                f'maps are {tuple(maps.depth.shape[-2:])}, targets '
                f'{tuple(targets.depth.shape[-2:])}; rasterise the targets at the '
                'size of the maps'
            )
        seen = targets.foreground & targets.maps_valid.bool()[:, None, None, None]
        valid = (
            seen,
            seen,
            targets.heatmaps_valid,
            seen,
            targets.parts_valid,
        )
        logits = maps.parts.unflatten(1, (2, -1)).transpose(1, 2)  # (B, 17, 2, h, w)
        values = (
            l1_distance(maps.depth, targets.depth) / DEPTH_UNIT,
            l1_distance(maps.normal, targets.normal),
            l1_distance(maps.heatmaps, targets.heatmaps),
            l1_distance(maps.correspondence, targets.correspondence),
            F.cross_entropy(logits.float(), targets.parts, reduction='none'),
        )
        names = ('depth', 'normal', 'heatmaps', 'correspondence', 'parts')
        return {
            f'loss_{name}': weight * masked_mean(value, mask)
            for name, weight, value, mask in zip(names, self.weights, values, valid)
        }
