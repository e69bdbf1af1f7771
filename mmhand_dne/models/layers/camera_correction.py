"""Camera correction as a module."""

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.ridge_camera import ridge_camera


@MODELS.register_module()
class RidgeCamera(nn.Module):
    """Camera correction of one DNE stage (DNE Eq. 6-7), without parameters.

    Args:
        xi: the ridge of Eq. 6, >= 0, in metres^2. Points of a hand that fills a 256
            crop are 0.6 pixels off with 1e-2, on average, and 0.006 with 1e-4.

    Example:
        >>> fit = RidgeCamera(xi=1e-4)
        >>> vertices, points = torch.rand(2, 2, 778, 3), torch.rand(2, 2, 778, 2)
        >>> fit(vertices, points, incoming=torch.rand(2, 2, 2, 2)).shape
        torch.Size([2, 2, 2, 2])
    """

    def __init__(self, xi: float = 1e-4) -> None:
        super().__init__()
        if not xi >= 0:
            raise UserError(
                f'RidgeCamera: xi is {xi}, expected a number >= 0; use 0 for plain '
                'least squares'
            )
        self.xi = float(xi)

    def forward(self, vertices: Tensor, points_ndc: Tensor, incoming: Tensor) -> Tensor:
        """See :func:`ridge_camera`; runs in at least float32 under autocast."""
        with torch.autocast(vertices.device.type, enabled=False):
            return ridge_camera(vertices, points_ndc, incoming, self.xi)
