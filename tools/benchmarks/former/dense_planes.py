"""The three views as they were before: planes of all D x D cells, occupied or not.

What :func:`three_view_features` is measured against, and compared with bit by bit.
"""

import torch
from torch import Tensor

from mmhand_dne.geometry.three_view import VIEW_AXES, vertex_cells


class DensePlanes(torch.autograd.Function):
    """Maximum over the rows that share a cell of planes that hold every cell."""

    @staticmethod
    def forward(ctx, features: Tensor, rows: Tensor, num_rows: int) -> Tensor:
        """(K, C) features; (K, 3) cell of each in three planes -> (K, 3, C)."""
        flat = rows.flatten()
        lengths = torch.zeros(num_rows, dtype=torch.int64, device=flat.device)
        lengths.scatter_add_(0, flat, torch.ones_like(flat))
        sorted_features = features[flat.argsort(stable=True) // rows.shape[1]]
        planes = torch.segment_reduce(
            sorted_features, 'max', lengths=lengths, axis=0, unsafe=True
        )
        read = planes[flat].view(*rows.shape, features.shape[-1])
        ctx.save_for_backward(features, flat, read)
        ctx.num_rows = num_rows
        return read

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        """The maximum's gradient goes to its vertices, ties share it evenly."""
        features, flat, read = ctx.saved_tensors
        winners = (features[:, None] == read).to(grad.dtype)
        channels = features.shape[-1]
        empty = grad.new_zeros(ctx.num_rows, channels)
        total = empty.index_add(0, flat, grad.reshape(-1, channels))
        ties = empty.index_add_(0, flat, winners.reshape(-1, channels))
        share = (total / ties.clamp_(min=1))[flat].view_as(winners)
        return (share * winners).sum(1), None, None


def dense_three_view_features(features: Tensor, vertices: Tensor, cells: int) -> Tensor:
    """(G, N, C) features, (G, N, 3) metres -> (G, N, 3, C), the same numbers."""
    groups, count, channels = features.shape
    cell = vertex_cells(vertices, cells)
    first, second = zip(*VIEW_AXES)
    plane = cell[..., list(first)] * cells + cell[..., list(second)]
    view = torch.arange(3, device=cell.device)
    hand = torch.arange(groups, device=cell.device)[:, None, None]
    rows = plane + cells * cells * (view + 3 * hand)
    read = DensePlanes.apply(
        features.reshape(-1, channels), rows.flatten(0, 1), groups * 3 * cells**2
    )
    return read.view(groups, count, 3, channels)
