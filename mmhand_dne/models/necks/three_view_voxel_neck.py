"""Three-view voxel features as a module."""

from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.three_view import (
    ThreeViews,
    three_view_features,
    three_views,
)
from mmhand_dne.models.layers.fused_stage import (
    fused_three_view_features,
    require_kernels,
)


@MODELS.register_module()
class ThreeViewVoxelNeck(nn.Module):
    """Per-vertex features read from three max-pooled views of a voxel grid (DNE Eq. 4).

    Each hand has its own grid of ``num_cells``^3 cells, which is never built: see
    :mod:`mmhand_dne.geometry.three_view`.

    Args:
        num_cells: D, cells along each axis.
        fused: by kernels, see :mod:`mmhand_dne.models.layers.fused_stage`; on CUDA
            with Triton alone, and off unless asked for: no GPU has run them.

    Example:
        >>> neck = ThreeViewVoxelNeck(num_cells=16)
        >>> features, vertices = torch.rand(1, 2, 778, 32), torch.rand(1, 2, 778, 3)
        >>> neck(features, vertices).shape
        torch.Size([1, 2, 778, 96])
    """

    def __init__(self, num_cells: int = 32, fused: bool = False) -> None:
        super().__init__()
        if num_cells < 1:
            raise UserError(
                f'ThreeViewVoxelNeck: num_cells is {num_cells}, expected at least 1'
            )
        self.num_cells, self.fused = num_cells, fused

    def pool(self, features: Tensor, vertices: Tensor) -> ThreeViews:
        """Pool (..., V, C) features at (..., V, 3) metres, hands before the vertices.

        Not by kernels, which read back what they pool.

        Raises:
            UserError: they differ before the last axis; ``fused`` is not possible.
        """
        if self.fused:
            require_kernels(features)
        return three_views(*_hands(features, vertices), self.num_cells)

    def forward(self, features: Tensor, vertices: Tensor) -> Tensor:
        """Pool and read back.

        Args:
            features: (..., V, C) one feature vector per vertex.
            vertices: (..., V, 3) metres, same leading dimensions (hands).
        Returns: (..., V, 3 C) front, lateral, top.

        Raises:
            UserError: they differ before the last axis; ``fused`` is not possible.
        """
        read = fused_three_view_features if self.fused else three_view_features
        views = read(*_hands(features, vertices), self.num_cells)
        return views.flatten(-2).view(*features.shape[:-1], 3 * features.shape[-1])


def _hands(features: Tensor, vertices: Tensor) -> tuple[Tensor, Tensor]:
    """(..., V, C) features and (..., V, 3) vertices as (G, V, C) and (G, V, 3)."""
    if features.shape[:-1] != vertices.shape[:-1]:
        raise UserError(
            f'features {tuple(features.shape)} and vertices '
            f'{tuple(vertices.shape)} differ before the last axis; pass one '
            'feature vector per vertex'
        )
    lead = features.shape[:-2]
    return (
        features.flatten(0, -3) if lead else features[None],
        vertices.flatten(0, -3) if lead else vertices[None],
    )
