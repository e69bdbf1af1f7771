"""Reading feature maps: bilinear at points, and by a spatial softmax."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_fp32


def bilinear(features: Tensor, points_ndc: Tensor) -> Tensor:
    """Read a feature map at NDC points; outside, the border's value (finite gradients).

    ``grid_sample`` except on CUDA with deterministic algorithms asked for, where its
    backward has none: then a gather of the four neighbours, the same function. Where a
    point lies is computed in float32 at least, also for features in half precision:
    bfloat16 would move it by up to a quarter of a pixel of a 256-pixel crop.

    Args:
        features: (B, C, h, w).
        points_ndc: (B, N, 2) crop NDC, cell (i, j) at ((2j+1)/w - 1, (2i+1)/h - 1).
    Returns: (B, N, C), in the features' precision.
    """
    exact = at_least_fp32(features)
    points_ndc = points_ndc.to(exact.dtype)
    if features.is_cuda and torch.are_deterministic_algorithms_enabled():
        return gather_bilinear(exact, points_ndc).to(features.dtype)
    read = F.grid_sample(
        exact,
        points_ndc[:, :, None],
        mode='bilinear',
        padding_mode='border',
        align_corners=False,
    )
    return read.to(features.dtype).squeeze(-1).transpose(1, 2)


def gather_bilinear(features: Tensor, points_ndc: Tensor) -> Tensor:
    """:func:`bilinear` out of plain gathers, whose backward can be deterministic."""
    height, width = features.shape[-2:]
    sides = (width - 1, height - 1)
    limit = torch.stack([points_ndc.new_full((), side) for side in sides])
    cells = ((points_ndc + 1) * (limit + 1) - 1) / 2
    cells = torch.minimum(cells.clamp(min=0), limit)
    low = cells.detach().floor()
    low = torch.minimum(low, (limit - 1).clamp(min=0))
    weight_x, weight_y = (cells - low).unbind(-1)
    x, y = low.long().unbind(-1)
    right, below = (x + 1).clamp(max=width - 1), (y + 1).clamp(max=height - 1)
    flat = features.flatten(2).transpose(1, 2)  # (B, h*w, C)

    def at(row, column):
        index = (row * width + column)[..., None].expand(-1, -1, flat.shape[-1])
        return flat.gather(1, index)

    weight_x, weight_y = weight_x[..., None], weight_y[..., None]
    top = at(y, x) * (1 - weight_x) + at(y, right) * weight_x
    bottom = at(below, x) * (1 - weight_x) + at(below, right) * weight_x
    return top * (1 - weight_y) + bottom * weight_y


def softmax_readout(values: Tensor, attention: Tensor, shared: bool = False) -> Tensor:
    """Average of a value map under the softmax of an attention map.

    Args:
        values: (B, G, K, h, w) K numbers per group and cell; (B, 1, K, h, w) if shared.
        attention: (B, G, h, w) logits.
        shared: all groups read the same values.
    Returns: (B, G, K), at least float32.
    """
    weights = at_least_fp32(attention.flatten(-2)).softmax(-1)
    values = values.flatten(-2).to(weights.dtype)
    if shared:
        return weights @ values[:, 0].mT
    return torch.einsum('bgkn,bgn->bgk', values, weights)
