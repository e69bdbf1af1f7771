"""Single operators as ONNX, where what torch's exporter writes is slow or missing."""

from collections.abc import Callable

import torch
from onnxscript import FLOAT, INT64
from onnxscript import opset18 as op

from mmhand_dne.errors import UserError

from . import largest_rows  # noqa: F401  registers the operator


def scatter_rows(rows: FLOAT, targets: INT64, count: INT64) -> FLOAT:
    """:func:`largest_rows`."""
    channels = op.Shape(rows, start=1, end=2)
    shape = op.Concat(op.Reshape(count, op.Constant(value_ints=[1])), channels, axis=0)
    empty = op.Expand(op.Constant(value_float=float('-inf')), shape)
    column = op.Unsqueeze(targets, op.Constant(value_ints=[1]))
    index = op.Expand(column, op.Shape(rows))
    # ScatterND moves whole rows, but ONNX Runtime 1.31 lets its threads race for them.
    return op.ScatterElements(empty, index, rows, axis=0, reduction='max')


def read_bilinear(
    features: FLOAT,
    points: FLOAT,
    interpolation_mode: int = 0,
    padding_mode: int = 0,
    align_corners: bool = False,
) -> FLOAT:
    """grid_sample with border padding, of (B, C, h, w) at (B, N, M, 2).

    Reads four rows of C channels per point; ONNX Runtime's GridSample goes through the
    channels one by one.

    Returns: (B, C, N, M).
    """
    if (interpolation_mode, padding_mode, align_corners) != (0, 1, False):
        raise UserError(
            'grid_sample is exported for bilinear reads with border '
            'padding and align_corners=False only'
        )
    size = op.Shape(features, start=2, end=4)  # h, w
    low, high, share = _neighbours(points, size)
    read = _pixel_reader(features, size)
    x0, y0 = op.Split(low, axis=3, num_outputs=2)
    x1, y1 = op.Split(high, axis=3, num_outputs=2)
    right, below = op.Split(share, axis=3, num_outputs=2)
    # Along x in the upper and in the lower row of pixels, then along y.
    top = op.Add(read(x0, y0), op.Mul(right, op.Sub(read(x1, y0), read(x0, y0))))
    bottom = op.Add(read(x0, y1), op.Mul(right, op.Sub(read(x1, y1), read(x0, y1))))
    mixed = op.Add(top, op.Mul(below, op.Sub(bottom, top)))
    return op.Transpose(mixed, perm=[0, 3, 1, 2])


def _neighbours(points: FLOAT, size: INT64) -> tuple[FLOAT, FLOAT, FLOAT]:
    """The pixels around points, each (B, N, M, 2) as x, y.

    Returns: the one above and to the left; the one below and to the right; how far the
        point is from the first, 0 to 1.
    """
    # From NDC to pixel centres, kept inside the map: that is the border's padding.
    one, two = (op.Constant(value_float=x) for x in (1.0, 2.0))
    reach = op.Slice(op.Cast(size, to=1), [1], [-3], [0], [-1])  # w, h
    limit = op.Sub(reach, one)
    pixel = op.Div(op.Sub(op.Mul(op.Add(points, one), reach), one), two)
    pixel = op.Min(op.Max(pixel, op.Constant(value_float=0.0)), limit)
    # The last pixel is its own neighbour; its share is 0.
    low = op.Floor(pixel)
    high = op.Min(op.Add(low, one), limit)
    return low, high, op.Sub(pixel, low)


def _pixel_reader(features: FLOAT, size: INT64) -> Callable[[FLOAT, FLOAT], FLOAT]:
    """Reads (B, C, h, w) at integer pixels x and y, (B, N, M, 1) -> (B, N, M, C)."""
    # One row of channels per pixel, the images one after the other: (B h w, C).
    rows = op.Transpose(features, perm=[0, 2, 3, 1])
    channels = op.Shape(features, start=1, end=2)
    any_number = op.Constant(value_ints=[-1])
    flat = op.Reshape(rows, op.Concat(any_number, channels, axis=0))
    # The row at which each image starts, (B, 1, 1, 1).
    count = op.Squeeze(op.Shape(features, start=0, end=1))
    image = op.Range(op.Constant(value_int=0), count, op.Constant(value_int=1))
    image = op.Unsqueeze(image, op.Constant(value_ints=[1, 2, 3]))
    start = op.Mul(image, op.ReduceProd(size, keepdims=0))
    width = op.Slice(size, [1], [2])

    def read(x: FLOAT, y: FLOAT) -> FLOAT:
        line = op.Add(start, op.Mul(op.Cast(y, to=7), width))
        row = op.Add(line, op.Cast(x, to=7))
        return op.Gather(flat, op.Squeeze(row, [3]), axis=0)

    return read


# Operators of torch and how to write them, for ``torch.onnx.export``.
TRANSLATIONS = {
    torch.ops.mmhand_dne.largest_rows.default: scatter_rows,
    torch.ops.aten.grid_sampler.default: read_bilinear,
}
