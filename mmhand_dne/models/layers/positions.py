"""Where a cell of a map is, as two more channels."""

import torch
from torch import Tensor


def with_positions(features: Tensor) -> Tensor:
    """Append the NDC x and y of each cell: (B, C, h, w) -> (B, C + 2, h, w)."""
    height, width = features.shape[-2:]
    rows = (2 * torch.arange(height, device=features.device) + 1) / height - 1
    columns = (2 * torch.arange(width, device=features.device) + 1) / width - 1
    positions = torch.stack(torch.meshgrid(columns, rows, indexing='xy'))
    positions = positions.to(features.dtype).expand(features.shape[0], -1, -1, -1)
    return torch.cat([features, positions], 1)
