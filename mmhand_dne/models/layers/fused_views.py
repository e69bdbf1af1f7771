"""The three views on a GPU: one kernel pools them and reads them back (DNE Eq. 4).

The same function as :func:`mmhand_dne.geometry.three_view.three_view_features`, which
stays the reference. Operator by operator, all features travel through memory several
times: sorted, pooled, read, and in the backward pass compared, counted, summed, divided
and read again. Here one kernel reads the rows of a cell and writes what its vertices
read, and another, a program for each vertex, gathers its gradient from its three cells:
without atomics, always in the same order. It reads the rows of a cell as often as the
cell has vertices, from the cache; so its bytes grow with the cells' sizes only there.

**No GPU has run it.** It is tested on a CPU in Triton's interpreter and its bytes are
counted (``tools/benchmarks/stage_bytes.py``); of its speed nothing is known.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.three_view import plane_cells


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
    plane = plane_cells(vertices, cells).int().transpose(1, 2).contiguous()
    ordered, order = plane.sort(dim=-1, stable=True)
    first = torch.searchsorted(ordered, plane, out_int32=True)
    end = torch.searchsorted(ordered, plane, out_int32=True, right=True)
    return SharedCells(order.int(), first, end)


def require_kernels(features: Tensor) -> None:
    """Refuse what the kernels cannot take.

    Raises:
        UserError: the features are not on a GPU, or Triton is not installed.
    """
    if not features.is_cuda:
        raise UserError(
            f'fused=True computes on CUDA alone, the features are on '
            f'{features.device}; set model.refine_head.fused=False'
        )
    if find_spec('triton') is None:
        raise UserError(
            'fused=True needs Triton, which is not installed: pip install '
            'triton, or set model.refine_head.fused=False'
        )


def launch(kernel: str, reads: Sequence[Tensor], writes: Sequence[Tensor]) -> None:
    """Start a kernel; Triton is imported with the first.

    Args:
        kernel: 'pool' or 'share'.
        reads: features (G, N, C); order, first, end; what else it reads.
        writes: what it writes.
    """
    from .fused_kernels import start

    start(kernel, (*reads, *writes))


class _FusedViews(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features: Tensor, *shared: Tensor) -> Tensor:
        """(G, N, C) features, contiguous -> (G, N, 3, C)."""
        hands, count, channels = features.shape
        read = features.new_empty(hands, count, 3, channels)
        launch('pool', (features, *shared), (read,))
        ctx.save_for_backward(features, *shared)
        return read

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        """The maximum's gradient goes to its vertices, ties share it evenly."""
        features, *shared = ctx.saved_tensors
        result = torch.empty_like(features)
        launch('share', (features, *shared, grad.contiguous()), (result,))
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
    require_kernels(features)
    return _FusedViews.apply(features.contiguous(), *shared_cells(vertices, cells))
