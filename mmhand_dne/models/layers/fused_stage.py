"""What a stage reads, on a GPU: three views (DNE Eq. 4) and bilinear reads as kernels.

The same functions as :func:`mmhand_dne.geometry.three_view.three_view_features` and
:func:`mmhand_dne.geometry.sampling.bilinear`, which stay the reference.

Views: operator by operator, all features travel through memory several times: sorted,
pooled, read, and in the backward pass compared, counted, summed, divided and read
again. Here one kernel reads the rows of a cell and writes what its vertices read, and
another, a program for each vertex, gathers its gradient from its three cells: without
atomics, always in the same order. It reads the rows of a cell as often as the cell has
vertices, from the cache; so its bytes grow with the cells' sizes only there.

Reads: whole rows of channels in the map's own precision, of which the plain path makes
copies in float32. The map's gradient is added in float32 by atomics, so its last bits
may change from run to run; where deterministic algorithms are asked for, the plain path
reads.

**No GPU has run this.** It is tested on a CPU in Triton's interpreter and its bytes are
counted (``tools/benchmarks/stage_bytes.py``); of its speed nothing is known.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.precision import at_least_fp32
from mmhand_dne.geometry.sampling import bilinear
from mmhand_dne.geometry.three_view import VIEW_AXES, vertex_cells


class SharedCells(NamedTuple):
    """Which vertices of a hand share a cell, in each view.

    Attributes:
        order: (G, 3, N) int32, the vertices of each view sorted by their cells.
        first, end: (G, 3, N) int32, where in ``order`` each vertex's cell begins, and
            the place behind its last.
    """

    order: Tensor
    first: Tensor
    end: Tensor


def shared_cells(vertices: Tensor, cells: int) -> SharedCells:
    """Sort the vertices of hands by their cells of the D x D planes.

    Args:
        vertices: (G, N, 3) metres.
        cells: D.
    """
    cell = vertex_cells(vertices, cells).int()
    row = cell * cells
    pairs = [row[..., first] + cell[..., second] for first, second in VIEW_AXES]
    plane = torch.stack(pairs, 1)  # (G, 3, N)
    ordered, order = plane.sort(dim=-1, stable=True)
    first = torch.searchsorted(ordered, plane, out_int32=True)
    end = torch.searchsorted(ordered, plane, out_int32=True, right=True)
    return SharedCells(order.int(), first, end)


def require_kernels(
    device: torch.device, switch: str = 'model.refine_head.fused'
) -> None:
    """Refuse what the kernels cannot take.

    Args:
        device: of what they are to compute.
        switch: what asks for them, by its name in a config.

    Raises:
        UserError: the device is no GPU, or Triton is not installed.
    """
    if device.type != 'cuda':
        raise UserError(
            f'fused=True computes on CUDA alone, the features are on {device}; set '
            f'{switch}=False'
        )
    if find_spec('triton') is None:
        raise UserError(
            'fused=True needs Triton, which is not installed: pip install '
            f'triton, or set {switch}=False'
        )


def launch(
    kernel: str,
    reads: Sequence[Tensor],
    writes: Sequence[Tensor],
    programs: int,
    *sizes: int,
) -> None:
    """Start a kernel; Triton is imported with the first.

    Args:
        kernel: 'pool', 'share', 'read' or 'spread'.
        reads, writes: tensors, the features first.
        programs, sizes: see :func:`.fused_kernels.start`.
    """
    from .fused_kernels import start

    start(kernel, (*reads, *writes), programs, sizes)


class _FusedViews(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features: Tensor, *shared: Tensor) -> Tensor:
        """(G, N, C) features, contiguous -> (G, N, 3, C)."""
        hands, count, channels = features.shape
        read = features.new_empty(hands, count, 3, channels)
        launch('pool', (features, *shared), (read,), 3 * hands * count, count)
        ctx.save_for_backward(features, *shared)
        return read

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        """The maximum's gradient goes to its vertices, ties share it evenly."""
        features, *shared = ctx.saved_tensors
        hands, count, _ = features.shape
        result, reads = torch.empty_like(features), (features, *shared)
        launch('share', (*reads, grad.contiguous()), (result,), hands * count, count)
        return result, None, None, None


def fused_three_view_features(features: Tensor, vertices: Tensor, cells: int) -> Tensor:
    """:func:`three_view_features` by kernels.

    The output is the same to the bit, the gradient to rounding: in half precision this
    one rounds once, the reference at each sum.

    Args:
        features: (G, N, C) features of the vertices of G hands.
        vertices: (G, N, 3) their positions, metres.
        cells: D.
    Returns: (G, N, 3, C) in the order front, lateral, top.

    Raises:
        UserError: see :func:`require_kernels`.
    """
    require_kernels(features.device)
    return _FusedViews.apply(features.contiguous(), *shared_cells(vertices, cells))


class _FusedReading(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows: Tensor, points: Tensor) -> Tensor:
        """(B, h, w, C) features, (B, N, 2) NDC, both contiguous -> (B, N, C)."""
        batch, height, width, channels = rows.shape
        count = points.shape[1]
        read = rows.new_empty(batch, count, channels)
        launch('read', (rows, points), (read,), batch * count, count, height, width)
        ctx.save_for_backward(rows, points)
        return read

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        """Of the map, added in float32 at least, and of the points."""
        rows, points = ctx.saved_tensors
        (batch, height, width, _), count = rows.shape, points.shape[1]
        total = torch.zeros(rows.shape, dtype=points.dtype, device=rows.device)
        reads, writes = (
            (rows, points, grad.contiguous()),
            (total, torch.empty_like(points)),
        )
        launch('spread', reads, writes, batch * count, count, height, width)
        return total.to(rows.dtype), writes[1]


def fused_bilinear(features: Tensor, points_ndc: Tensor) -> Tensor:
    """:func:`bilinear` by kernels, equal to rounding, as are the gradients.

    Args:
        features: (B, C, h, w), copied unless channels are last in memory.
        points_ndc: (B, N, 2) crop NDC.
    Returns: (B, N, C), in the features' precision.

    Raises:
        UserError: see :func:`require_kernels`.
    """
    require_kernels(features.device)
    if torch.are_deterministic_algorithms_enabled():
        return bilinear(features, points_ndc)
    points = points_ndc.to(at_least_fp32(features[:0]).dtype).contiguous()
    return _FusedReading.apply(features.permute(0, 2, 3, 1).contiguous(), points)
