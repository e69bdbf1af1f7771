"""Three-view features: vertices pooled by maximum onto three planes (DNE Eq. 4).

Eq. 4 voxelises the vertices in a D x D x D grid, aggregates their features in each
voxel and max-pools the grid along each axis. Aggregated is by maximum, and each hand
has a grid of its own [decided]. The maximum over a column of voxel maxima is the
maximum over the column's vertices, so the three planes are built directly by
scatter-max and the grid never exists.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_fp32, reading_is_free

BLOCK_BYTES = 2**20  # of features that a CPU pools at once: they stay in its cache
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


class _Occupied(NamedTuple):
    """The cells of three planes that hold a row, numbered plane by plane.

    Attributes:
        order: (3, K) int64, what sorts the rows of each plane by cell.
        cell: (3, K) int64 in [0, L), the number of each row's cell.
        lengths: (L) int64, how many rows each cell holds; zeros at the end of a plane
            where L is only a bound of the cells' count.
        counts: L of each plane.
    """

    order: Tensor
    cell: Tensor
    lengths: Tensor
    counts: list[int]


def _occupied(rows: Tensor, num_rows: int) -> _Occupied:
    """Number the cells that are named at all, in their order.

    Args:
        rows: (3, K) int64 in [0, num_rows), the cell of each row in three planes.
    """
    ordered, order = rows.sort(dim=1, stable=True)
    first = torch.ones_like(ordered)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    number = first.cumsum(1)
    counts = [min(rows.shape[1], num_rows)] * 3
    if reading_is_free(rows):
        counts = number[:, -1].tolist()
    ends = torch.stack([rows.new_full((), sum(counts[:view])) for view in range(3)])
    number += ends[:, None] - 1
    lengths = number.new_zeros(sum(counts))
    lengths.scatter_add_(0, number.flatten(), torch.ones_like(number).flatten())
    cell = torch.empty_like(number).scatter_(1, order, number)
    return _Occupied(order, cell, lengths, counts)


class _Block(NamedTuple):
    """Rows [start, end), whose cells in one plane are [low, high) and no other's."""

    view: int
    start: int
    end: int
    low: int
    high: int


def _blocks(occupied: _Occupied, hand: int, row_bytes: int) -> list[list[_Block]]:
    """Whole hands of ``hand`` rows, as many as :data:`BLOCK_BYTES` hold, in each plane.

    Where reading waits, all rows are one block.
    """
    rows = occupied.cell.shape[1]
    starts = [0]
    if reading_is_free(occupied.cell):
        starts = range(0, rows, hand * max(1, BLOCK_BYTES // (hand * row_bytes)))
    planes = []
    for view, count in enumerate(occupied.counts):
        first = sum(occupied.counts[:view])
        # Cells are numbered hand after hand: a block's begin with its first hand's.
        heads = (occupied.cell[view, start : start + hand] for start in starts[1:])
        lows = [first, *(int(head.amin()) for head in heads)]
        ends = zip(starts, [*starts[1:], rows], lows, [*lows[1:], first + count])
        planes.append([_Block(view, *limits) for limits in ends])
    return list(zip(*planes))


class _PooledByCell(torch.autograd.Function):
    """Maximum over the rows that share a cell.

    Sorting the rows by cell and reducing segments moves whole feature rows; torch's
    scatter-max moves single numbers and is several times slower both ways. Only cells
    that hold a row exist: most of a plane is empty, and nobody reads that.
    """

    @staticmethod
    def forward(ctx, features: Tensor, occupied: _Occupied, blocks: list) -> Tensor:
        """(K, C) features -> (L, C); cells beyond the occupied ones hold -inf."""
        pooled = features.new_empty(len(occupied.lengths), features.shape[-1])
        for block in (block for planes in blocks for block in planes):
            view, start, end, low, high = block
            order = occupied.order[view, start:end] - start
            pooled[low:high] = torch.segment_reduce(
                features[start:end].index_select(0, order),
                'max',
                lengths=occupied.lengths[low:high],
                unsafe=True,
            )
        ctx.save_for_backward(features, occupied.cell, pooled)
        ctx.blocks = blocks
        return pooled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        """The maximum's gradient goes to its vertices, ties share it evenly."""
        features, cell, pooled = ctx.saved_tensors
        result = torch.zeros_like(at_least_fp32(features))
        for block in (block for planes in ctx.blocks for block in planes):
            view, start, end, low, high = block
            own, best = cell[view, start:end] - low, pooled[low:high]
            wins = features[start:end] == best.index_select(0, own)
            ties = torch.zeros_like(best, dtype=grad.dtype)
            ties.index_add_(0, own, wins.to(grad.dtype))
            share = grad[low:high] / ties.clamp_(min=1)
            read = share.index_select(0, own).to(result.dtype)
            result[start:end].addcmul_(read, wins.to(result.dtype))
        return result.to(features.dtype), None, None


class ThreeViews(NamedTuple):
    """What the three views of G hands show, a row for each cell that holds a vertex.

    Attributes:
        maxima: (L, C) maxima over the cells' vertices, front, lateral, top.
        cell: (3, G, N) int64, the row of ``maxima`` that a vertex reads in each view.
        counts: rows of each view.
    """

    maxima: Tensor
    cell: Tensor
    counts: list[int]

    def features(self) -> Tensor:
        """What each vertex reads, (G, N, 3, C)."""
        cell = self.cell.movedim(0, -1)
        return self.maxima.index_select(0, cell.flatten()).unflatten(0, cell.shape)

    def linear(self, weight: Tensor) -> Tensor:
        """A linear map of the vertices' features, done on the cells, which are fewer.

        Each cell is mapped once, and a vertex adds what its three cells have become.

        Args:
            weight: (H, 3 C), for the three views behind one another.
        Returns: (G, N, H), at least float32; that of ``F.linear(features, weight)``.
        """
        parts = zip(self.maxima.split(self.counts), weight.tensor_split(3, 1))
        mapped = at_least_fp32(torch.cat([F.linear(*part) for part in parts]))
        read = F.embedding_bag(self.cell.flatten(1).T, mapped, mode='sum')
        return read.unflatten(0, self.cell.shape[1:])


def cells_are_cheaper(features: Tensor, width: int) -> bool:
    """Whether :meth:`ThreeViews.linear` of such features, to ``width`` channels, moves
    less than the features that the vertices read.

    Not on a device whose numbers cannot be read without a wait: there ``maxima`` has
    rows without a vertex.
    """
    return reading_is_free(features) and width < features.shape[-1]


def three_views(features: Tensor, vertices: Tensor, cells: int) -> ThreeViews:
    """Pool the features of G hands onto the front, lateral and top planes.

    Args:
        features: (G, N, C) features of the vertices.
        vertices: (G, N, 3) their positions, metres.
        cells: D.
    """
    groups, count, channels = features.shape
    cell = vertex_cells(vertices, cells)
    first, second = zip(*VIEW_AXES)
    plane = cell[..., list(first)] * cells + cell[..., list(second)]  # (G, N, 3)
    hand = torch.arange(groups, device=cell.device)[:, None, None]
    rows = (plane + cells * cells * hand).flatten(0, 1).T.contiguous()
    occupied = _occupied(rows, groups * cells**2)
    blocks = _blocks(occupied, count, channels * features.element_size())
    maxima = _PooledByCell.apply(features.reshape(-1, channels), occupied, blocks)
    views = occupied.cell.unflatten(1, (groups, count))
    return ThreeViews(maxima, views, occupied.counts)


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
    return three_views(features, vertices, cells).features()
