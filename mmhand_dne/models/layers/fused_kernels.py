"""Triton's side of :mod:`.fused_stage`: a program for a vertex and a block of channels.

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


@triton.jit
def _plus(one, two):
    return one + two


@triton.jit
def _cell(point, side, TYPE: tl.constexpr):
    """Of an NDC coordinate: its lower cell of ``side``, the weight of the upper one,
    and whether it lies between the outermost cells' centres.
    """
    place = ((point.to(TYPE) + 1) * side - 1) / 2
    inner = (place > 0) & (place < side - 1)
    # NaN: cell 0; what maximum makes of it differs between versions of Triton.
    place = tl.where(place > 0, tl.minimum(place, side - 1), 0)
    low = tl.maximum(tl.minimum(place.to(tl.int32), side - 2), 0)
    return low, place - low, inner


@triton.jit
def _cells_around(points, entry, count, height, width, TYPE: tl.constexpr):
    """Of a point of (B, N): the upper left and lower left of its four cells in
    (B, h, w), the step to the right ones, and of x and y the weight of the farther
    cells and whether it moves the reading.
    """
    x, right, free_x = _cell(tl.load(points + 2 * entry), width, TYPE)
    y, lower, free_y = _cell(tl.load(points + 2 * entry + 1), height, TYPE)
    left = (entry // count * height + y) * width + x
    under = left + tl.minimum(1, height - 1) * width
    return left, under, tl.minimum(1, width - 1), right, lower, free_x, free_y


@triton.jit
def _read(
    features,  # (B, h, w, C)
    points,  # (B, N, 2)
    read,  # (B, N, C)
    count,
    height,
    width,
    channels,
    TYPE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Of each point: the weighted sum of its four cells."""
    entry = tl.program_id(0).to(tl.int64)  # of (B, N)
    left, under, beside, right, lower, _, _ = _cells_around(
        points, entry, count, height, width, TYPE
    )
    channel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = channel < channels
    a = tl.load(features + left * channels + channel, mask=inside, other=0)
    b = tl.load(features + (left + beside) * channels + channel, mask=inside, other=0)
    c = tl.load(features + under * channels + channel, mask=inside, other=0)
    d = tl.load(features + (under + beside) * channels + channel, mask=inside, other=0)
    top = a.to(TYPE) * (1 - right) + b.to(TYPE) * right
    bottom = c.to(TYPE) * (1 - right) + d.to(TYPE) * right
    value = (top * (1 - lower) + bottom * lower).to(read.dtype.element_ty)
    tl.store(read + entry * channels + channel, value, mask=inside)


@triton.jit
def _spread(
    features,  # (B, h, w, C)
    points,  # (B, N, 2)
    grad,  # (B, N, C)
    total,  # (B, h, w, C), zeros
    moved,  # (B, N, 2)
    count,
    height,
    width,
    channels,
    TYPE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Of each point: its gradient, and its weights' shares added to its four cells."""
    entry = tl.program_id(0).to(tl.int64)  # of (B, N)
    left, under, beside, right, lower, free_x, free_y = _cells_around(
        points, entry, count, height, width, TYPE
    )
    left, under, beside = left * channels, under * channels, beside * channels
    along_x, along_y = tl.full([BLOCK], 0, TYPE), tl.full([BLOCK], 0, TYPE)
    for block in range(0, channels, BLOCK):
        channel = block + tl.arange(0, BLOCK)
        inside = channel < channels
        g = tl.load(grad + entry * channels + channel, mask=inside, other=0).to(TYPE)
        a = tl.load(features + left + channel, mask=inside, other=0).to(TYPE)
        b = tl.load(features + left + beside + channel, mask=inside, other=0).to(TYPE)
        c = tl.load(features + under + channel, mask=inside, other=0).to(TYPE)
        d = tl.load(features + under + beside + channel, mask=inside, other=0).to(TYPE)
        along_x += g * ((b - a) * (1 - lower) + (d - c) * lower)
        along_y += g * ((c - a) * (1 - right) + (d - b) * right)
        first, second = g * (1 - lower), g * lower
        into = total + channel
        tl.atomic_add(into + left, first * (1 - right), mask=inside)
        tl.atomic_add(into + left + beside, first * right, mask=inside)
        tl.atomic_add(into + under, second * (1 - right), mask=inside)
        tl.atomic_add(into + under + beside, second * right, mask=inside)
    along_x = tl.where(free_x, tl.reduce(along_x, 0, _plus) * width / 2, 0)
    along_y = tl.where(free_y, tl.reduce(along_y, 0, _plus) * height / 2, 0)
    tl.store(moved + 2 * entry, along_x)
    tl.store(moved + 2 * entry + 1, along_y)


KERNELS = {'pool': _pool, 'share': _share, 'read': _read, 'spread': _spread}
ALL_CHANNELS = {'spread'}  # a program takes them all, block by block


def start(
    kernel: str, tensors: Sequence[Tensor], programs: int, sizes: Sequence[int]
) -> None:
    """Start a kernel on its tensors' device.

    It computes in float32, with float64 features in float64.

    Args:
        tensors: what it takes, features (..., C) first.
        programs: rows that it is for.
        sizes: what it takes between tensors and channels.
    """
    features = tensors[0]
    channels = features.shape[-1]
    block = min(MAX_BLOCK, triton.next_power_of_2(channels))
    blocks = 1 if kernel in ALL_CHANNELS else triton.cdiv(channels, block)
    with torch.cuda.device_of(features):
        KERNELS[kernel][programs, blocks](
            *tensors,
            *sizes,
            channels,
            TYPE=tl.float64 if features.dtype == torch.float64 else tl.float32,
            BLOCK=block,
            num_warps=max(1, block // 128),
        )
