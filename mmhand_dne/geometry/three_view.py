"""Three-view features: vertices pooled by maximum onto three planes (DNE Eq. 4).

Eq. 4 voxelises the vertices in a D x D x D grid, aggregates their features in each
voxel and max-pools the grid along each axis. Aggregated is by maximum, and each hand
has a grid of its own [decided]. The maximum over a column of voxel maxima is the
maximum over the column's vertices, so the three planes are built directly by
scatter-max and the grid never exists.
"""

import torch
from torch import Tensor

from .precision import at_least_fp32, reading_is_free

MIN_EXTENT = 1e-9  # metres; a smaller hand is a point and sits in cell 0

# Front pools along z and keeps (x, y); lateral along x, (y, z); top along y, (x, z).
VIEW_AXES = ((0, 1), (1, 2), (0, 2))


def vertex_cells(vertices: Tensor, cells: int) -> Tensor:
    """Grid cell of each vertex: v minus its hand's minimum over the largest extent.

    Dividing by the largest of the three extents keeps the hand's shape [decided]. No
    gradient passes through cells.

    Args:
        vertices: (..., N, 3) one hand's vertices, metres.
        cells: D, number of cells along each axis.
    Returns: (..., N, 3) int64 in [0, D-1].
    """
    vertices = vertices.detach()
    vertices = vertices.float() if vertices.dtype.itemsize < 4 else vertices
    low = vertices.amin(-2, keepdim=True)
    extent = (vertices.amax(-2, keepdim=True) - low).amax(-1, keepdim=True)
    unit = (vertices - low) / extent.clamp(min=MIN_EXTENT)
    return (unit * cells).floor().long().clamp_(0, cells - 1)


class _PooledByCell(torch.autograd.Function):
    """Maximum over the rows that share a cell, given back to each of them.

    Sorting the rows by cell and reducing segments moves whole feature rows; torch's
    scatter-max moves single numbers and is several times slower both ways. Only cells
    that hold a row exist: most of a plane is empty, and nobody reads that.
    """

    @staticmethod
    def forward(ctx, features: Tensor, rows: Tensor, num_rows: int) -> Tensor:
        """(K, C) features; (K, 3) cell of each in three planes -> (K, 3, C)."""
        order, cell, lengths = _occupied(rows.flatten(), num_rows)
        # Cells beyond the occupied ones hold -inf; no vertex reads them.
        pooled = torch.segment_reduce(
            features[order // rows.shape[1]], 'max', lengths=lengths, unsafe=True
        )
        ctx.save_for_backward(features, cell.view_as(rows), pooled)
        return pooled[cell].view(*rows.shape, features.shape[-1])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        """The maximum's gradient goes to its vertices, ties share it evenly."""
        features, cell, pooled = ctx.saved_tensors
        share = grad.new_zeros(pooled.shape)
        share.index_add_(0, cell.flatten(), grad.flatten(0, 1))
        ties, winners = grad.new_zeros(pooled.shape), []
        for view in cell.unbind(1):  # one at a time: a third of the memory
            wins = features == pooled.index_select(0, view)
            winners.append(wins)
            ties.index_add_(0, view, wins.to(grad.dtype))
        share /= ties.clamp_(min=1)
        result = torch.zeros_like(at_least_fp32(features))
        for view, wins in zip(cell.unbind(1), winners):
            read = share.index_select(0, view).to(result.dtype)
            result.addcmul_(read, wins.to(result.dtype))
        return result.to(features.dtype), None, None


def _occupied(rows: Tensor, num_rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Number the rows of a plane that are named at all, in their order.

    Args:
        rows: (K) int64 in [0, num_rows).
    Returns: (K) what sorts ``rows``; (K) the number of each one's row; (L) how often
        each number occurs, zeros at the end where L is only a bound of their count.
    """
    ordered, order = rows.sort(stable=True)
    first = torch.ones_like(ordered)
    first[1:] = ordered[1:] != ordered[:-1]
    number = first.cumsum(0) - 1
    bound = min(len(rows), num_rows)
    count = int(number[-1]) + 1 if reading_is_free(rows) else bound
    lengths = number.new_zeros(count).scatter_add_(0, number, torch.ones_like(number))
    return order, torch.empty_like(number).scatter_(0, order, number), lengths


def three_view_features(features: Tensor, vertices: Tensor, cells: int) -> Tensor:
    """Per-vertex features of the front, lateral and top planes.

    A vertex reads from each plane the maximum over all vertices of its hand in the
    same cell of that plane. Empty cells are absent: they are never read, so they are
    -inf, not zero.

    Args:
        features: (G, N, C) features of the vertices of G hands.
        vertices: (G, N, 3) their positions, metres.
        cells: D.
    Returns: (G, N, 3, C) in the order front, lateral, top.
    """
    groups, count, channels = features.shape
    cell = vertex_cells(vertices, cells)
    first, second = zip(*VIEW_AXES)
    plane = cell[..., list(first)] * cells + cell[..., list(second)]  # (G, N, 3)
    view = torch.arange(3, device=cell.device)
    hand = torch.arange(groups, device=cell.device)[:, None, None]
    rows = plane + cells * cells * (view + 3 * hand)
    read = _PooledByCell.apply(
        features.reshape(-1, channels), rows.flatten(0, 1), groups * 3 * cells**2
    )
    return read.view(groups, count, 3, channels)
