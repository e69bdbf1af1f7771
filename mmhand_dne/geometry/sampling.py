"""Reading feature maps: bilinear at points, and by a spatial softmax."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_fp32, reading_is_free

ROW_CHANNELS = 64  # from these on, training on a CPU reads rows; with 32 it is slower


def bilinear(features: Tensor, points_ndc: Tensor) -> Tensor:
    """Read a feature map at NDC points; outside, the border's value (finite gradients).

    ``grid_sample`` except on CUDA with deterministic algorithms asked for, where its
    backward has none, and in training on a CPU, where with :data:`ROW_CHANNELS` and
    more it is several times slower than whole rows of channels: then sums over the four
    neighbours, the same function. Where a point lies is computed in float32 at least,
    also for features in half precision: bfloat16 would move it by up to a quarter of a
    pixel of a 256-pixel crop.

    Args:
        features: (B, C, h, w), see :func:`ready_to_read`.
        points_ndc: (B, N, 2) crop NDC, cell (i, j) at ((2j+1)/w - 1, (2i+1)/h - 1).
    Returns: (B, N, C), in the features' precision.
    """
    exact = at_least_fp32(features)
    points_ndc = points_ndc.to(exact.dtype)
    if features.is_cuda and torch.are_deterministic_algorithms_enabled():
        return gather_bilinear(exact, points_ndc).to(features.dtype)
    if _reads_rows(features):
        return row_bilinear(exact, points_ndc).to(features.dtype)
    read = F.grid_sample(
        exact,
        points_ndc[:, :, None],
        mode='bilinear',
        padding_mode='border',
        align_corners=False,
    )
    return read.to(features.dtype).squeeze(-1).transpose(1, 2)


def _reads_rows(features: Tensor) -> bool:
    trains = features.requires_grad and torch.is_grad_enabled()
    return trains and reading_is_free(features) and features.shape[1] >= ROW_CHANNELS


def ready_to_read(features: Tensor) -> Tensor:
    """Features (B, C, h, w), laid out for many calls of :func:`bilinear`."""
    if not _reads_rows(features):
        return features
    return features.contiguous(memory_format=torch.channels_last)


def _neighbours(
    points_ndc: Tensor, height: int, width: int
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """What a bilinear read of an (h, w) map reads, border values outside.

    Args:
        points_ndc: (B, N, 2) crop NDC.
    Returns: (B, N) int64 column and row of the upper left neighbour; (B, N) weights of
        the right and of the lower ones.
    """
    limit = torch.stack([points_ndc.new_full((), side - 1) for side in (width, height)])
    cells = ((points_ndc + 1) * (limit + 1) - 1) / 2
    cells = torch.minimum(cells.clamp(min=0), limit)
    low = cells.detach().floor()
    low = torch.minimum(low, (limit - 1).clamp(min=0))
    return low.nan_to_num().long().unbind(-1), (cells - low).unbind(-1)


def row_bilinear(features: Tensor, points_ndc: Tensor) -> Tensor:
    """:func:`bilinear` as weighted sums of rows of channels, which are read whole."""
    batch, channels, height, width = features.shape
    rows = features.permute(0, 2, 3, 1).reshape(-1, channels)  # no copy if ready
    (x, y), (right, lower) = _neighbours(points_ndc, height, width)
    image = torch.arange(batch, device=features.device)[:, None] * height * width
    above, below = (image + row * width for row in (y, (y + 1).clamp(max=height - 1)))
    beside = (x + 1).clamp(max=width - 1)
    cells = torch.stack([above + x, above + beside, below + x, below + beside], -1)
    left, upper = 1 - right, 1 - lower
    weights = torch.stack(
        [left * upper, right * upper, left * lower, right * lower], -1
    )
    read = F.embedding_bag(
        cells.flatten(0, 1), rows, per_sample_weights=weights.flatten(0, 1), mode='sum'
    )
    return read.unflatten(0, (batch, -1))


def gather_bilinear(features: Tensor, points_ndc: Tensor) -> Tensor:
    """:func:`bilinear` out of plain gathers, whose backward can be deterministic."""
    height, width = features.shape[-2:]
    (x, y), (weight_x, weight_y) = _neighbours(points_ndc, height, width)
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
