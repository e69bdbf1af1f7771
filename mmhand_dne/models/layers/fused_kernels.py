"""Triton's side of :mod:`.fused_views`: a program for each cell and block of channels.

**No GPU has run these kernels.** They are tested on a CPU in Triton's interpreter and
compile for NVIDIA's compute capability 9.0. Importing this module needs Triton, which
comes with torch's CUDA wheels for Linux.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

MAX_BLOCK = 256  # channels of a program; a power of two


@triton.jit
def _pool(
    features,  # (G, N, C)
    order,  # (G, 3, N), as first and end
    first,
    end,
    read,  # (G, N, 3, C)
    count,
    channels,
    TYPE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Of each cell: the maximum over its rows, written to all that read it."""
    entry = tl.program_id(0).to(tl.int64)  # of (G, 3, N)
    plane = entry // count
    hand, view, listed = plane // 3, plane % 3, order + plane * count
    start, stop = tl.load(first + entry), tl.load(end + entry)
    if tl.load(listed + start) == entry % count:  # a cell's first works for all
        channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
        inside = channel < channels
        best = tl.full([BLOCK], float('-inf'), TYPE)
        for at in range(start, stop):
            row = hand * count + tl.load(listed + at)
            value = tl.load(features + row * channels + channel, mask=inside, other=0)
            best = tl.maximum(best, value.to(TYPE), tl.PropagateNan.ALL)
        for at in range(start, stop):
            row = hand * count + tl.load(listed + at)
            target = read + (row * 3 + view) * channels + channel
            tl.store(target, best.to(read.dtype.element_ty), mask=inside)


@triton.jit
def _share(
    features,  # (G, N, C)
    order,  # (G, 3, N), as first and end
    first,
    end,
    grad,  # (G, N, 3, C)
    result,  # (G, N, C)
    count,
    channels,
    TYPE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Of each vertex: where it holds its cell's maximum, its even share of what the
    cell's vertices are asked for, summed over the views.
    """
    entry = tl.program_id(0).to(tl.int64)  # of (G, N)
    hand, vertex = entry // count, entry % count
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = channel < channels
    own = tl.load(features + entry * channels + channel, mask=inside, other=0)
    given = tl.full([BLOCK], 0, TYPE)
    for view in range(3):
        plane = (hand * 3 + view) * count
        best = tl.full([BLOCK], float('-inf'), TYPE)
        ties = tl.full([BLOCK], 0, TYPE)
        asked = tl.full([BLOCK], 0, TYPE)
        start, stop = tl.load(first + plane + vertex), tl.load(end + plane + vertex)
        for at in range(start, stop):
            row = hand * count + tl.load(order + plane + at)
            value = tl.load(features + row * channels + channel, mask=inside, other=0)
            value = value.to(TYPE)
            ties = tl.where(value > best, 0, ties)
            best = tl.maximum(best, value, tl.PropagateNan.ALL)
            ties += (value == best).to(TYPE)
            source = grad + (row * 3 + view) * channels + channel
            asked += tl.load(source, mask=inside, other=0).to(TYPE)
        given += tl.where(own.to(TYPE) == best, asked / tl.maximum(ties, 1), 0)
    given = given.to(result.dtype.element_ty)
    tl.store(result + entry * channels + channel, given, mask=inside)


KERNELS = {'pool': _pool, 'share': _share}


def start(kernel: str, tensors: Sequence[Tensor]) -> None:
    """Start a kernel on its tensors' device: features, order, first, end and others.

    A kernel computes in float32, with float64 features in float64.
    """
    features = tensors[0]
    hands, count, channels = features.shape
    block = min(MAX_BLOCK, triton.next_power_of_2(channels))
    programs = hands * count * (3 if kernel == 'pool' else 1)
    with torch.cuda.device_of(features):
        KERNELS[kernel][programs, triton.cdiv(channels, block)](
            *tensors,
            count,
            channels,
            TYPE=tl.float64 if features.dtype == torch.float64 else tl.float32,
            BLOCK=block,
            num_warps=max(1, block // 128),
        )
