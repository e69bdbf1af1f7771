"""Which triangle is nearest at chosen pixels of a picture, row by row, on a CPU.

A triangle meets a row of samples in one piece, a span, along which its depth and every
value of its corners are linear. So nothing is tried that no triangle covers, and where
a sample a pixel is enough, no more are taken. For pictures; ground truth is drawn by
:mod:`.rasterize`, which is batched, differentiable and runs on any device.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

FAR_AWAY = 1e300  # beyond every depth


class Spans(NamedTuple):
    """Where S pieces of triangles lie in rows of samples, int64 each."""

    face: np.ndarray  # (S,) index of the triangle, ascending
    row: np.ndarray  # (S,)
    first: np.ndarray  # (S,) column of the first sample
    last: np.ndarray  # (S,) and of the last


class Hits(NamedTuple):
    """What the samples of P pixels show, fine * fine of each."""

    pixel: np.ndarray  # (P,) index of the pixel, row by row
    column: np.ndarray  # (P,) column of its first sample
    span: np.ndarray  # (fine * fine, P) index of the nearest span, -1 if none
    spans: Spans  # which the indices are of


def find_spans(corners: np.ndarray, size: tuple[int, int]) -> Spans:
    """The rows of samples that triangles cover.

    A sample on an edge belongs to the triangles on both sides, so that a closed mesh
    has no holes. Triangles without an area cover nothing.

    Args:
        corners: (F, 3, 2 or more) x to the right and y down, samples at integers;
            finite.
        size: (rows, columns) of samples.
    """
    rows, columns = size
    # Corners from the top: the edge 0-2 is on one side, 0-1 and 1-2 on the other.
    (x0, y0), (x1, y1), (x2, y2) = _from_the_top(corners)
    flat = (x1 - x0) * (y2 - y0) == (x2 - x0) * (y1 - y0)
    top = np.ceil(y0).clip(0, rows).astype(np.int64)
    bottom = np.floor(y2).clip(-1, rows - 1).astype(np.int64)
    count = np.where(flat, 0, (bottom - top + 1).clip(0))
    face = np.repeat(np.arange(len(top)), count)
    row = np.arange(len(face)) + (top - count.cumsum() + count).take(face)
    # No row meets a level edge: the other two have its ends.
    below = row > np.where(y1 > y0, y1, -np.inf).take(face)
    long = _along(_edge(x0, y0, x2, y2), face, row)
    short = map(np.concatenate, zip(_edge(x0, y0, x1, y1), _edge(x1, y1, x2, y2)))
    short = _along(tuple(short), face + len(top) * below, row)
    first = np.maximum(np.ceil(np.minimum(long, short)), 0)
    last = np.minimum(np.floor(np.maximum(long, short)), columns - 1)
    some = np.flatnonzero(first <= last)
    first, last = (ends.take(some).astype(np.int64) for ends in (first, last))
    return Spans(face.take(some), row.take(some), first, last)


def _from_the_top(corners: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """x and y (F,) of the first, second and third corner of triangles (F, 3, ...)."""
    x, y = corners.T[:2].astype(np.float64)
    points = list(zip(x, y))
    for a, b in ((0, 1), (1, 2), (0, 1)):
        (xa, ya), (xb, yb) = points[a], points[b]
        turn = ya > yb
        points[a] = np.where(turn, xb, xa), np.where(turn, yb, ya)
        points[b] = np.where(turn, xa, xb), np.where(turn, ya, yb)
    return points


def _edge(
    x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where edges meet row zero, and what x grows by in a row; nothing that counts of
    a level one.
    """
    slope = (x1 - x0) / np.where(y1 == y0, 1.0, y1 - y0)
    return x0 - slope * y0, slope


def _along(edge: tuple[np.ndarray, ...], face: np.ndarray, row: np.ndarray):
    """Where rows meet edges, as of :func:`_edge`."""
    start, slope = edge
    return start.take(face) + slope.take(face) * row


class Planes(NamedTuple):
    """C values that are linear over F triangles: start + x * right + y * down."""

    start: np.ndarray  # (C, F) float64
    right: np.ndarray
    down: np.ndarray

    @classmethod
    def through(cls, corners: np.ndarray, values: np.ndarray) -> 'Planes':
        """Values (F, 3, C) at corners (F, 3, 2 or more); zero without an area."""
        corners, values = corners.astype(np.float64).T, values.T  # (., 3, F)
        x, y = corners[:2, 0]
        (ax, ay), (bx, by) = (corners[:2, i] - corners[:2, 0] for i in (1, 2))
        area = ax * by - bx * ay
        scale = np.where(area == 0, 0.0, 1 / np.where(area == 0, 1.0, area))
        a, b = (scale * (values[:, i] - values[:, 0]) for i in (1, 2))
        right, down = a * by - b * ay, b * ax - a * bx
        return cls(values[:, 0] - x * right - y * down, right, down)

    def in_rows(self, spans: Spans) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each value that of spans at column zero, and what a column adds, (S,)."""
        for start, right, down in zip(*self):
            at_zero = start.take(spans.face) + down.take(spans.face) * spans.row
            yield at_zero, right.take(spans.face)

    def samples(self, hits: Hits) -> Iterator[np.ndarray]:
        """Each value at the samples of pixels, (fine * fine, P) float32, zero where
        nothing is.
        """
        fine = round(len(hits.span) ** 0.5)
        column = hits.column + np.arange(len(hits.span))[:, None] % fine
        for values in self.in_rows(hits.spans):
            # The last place, which index -1 reads, is that of nothing.
            start, right = (np.append(part, 0).take(hits.span) for part in values)
            yield (start + right * column).astype(np.float32)

    def mean(self, hits: Hits) -> np.ndarray:
        """Means (C, P) float32 over the samples of pixels, zero where nothing is."""
        return np.array([mean_of(samples) for samples in self.samples(hits)])


def mean_of(samples: np.ndarray) -> np.ndarray:
    """Means (P,) over the samples (fine * fine, P) of pixels."""
    return samples[0] if len(samples) == 1 else samples.mean(axis=0)


def nearest(
    spans: Spans,
    depth: Planes,
    size: tuple[int, int],
    chosen: np.ndarray | None = None,
    fine: int = 1,
) -> Hits:
    """The nearest span at the samples of some pixels; of equal ones the first.

    Args:
        spans: of (fine h, fine w) samples.
        depth: one value, smaller is nearer.
        size: (h, w) pixels.
        chosen: (h, w) bool, pixels that are looked at; None: those that show something,
            by one sample each.
        fine: samples along each side of a chosen pixel.
    """
    if chosen is None:
        low, count = spans.row * size[1] + spans.first, spans.last - spans.first + 1
        span, place = _expanded(low, count)
        [(start, right)] = depth.in_rows(spans)
        start -= spans.row * size[1] * right
        near = start.take(span) + right.take(span) * place
        found = _least(near, span, place, size[0] * size[1])
        pixel = np.flatnonzero(found >= 0)
        return Hits(pixel, pixel % size[1], found[None, pixel], spans)
    pixel = np.flatnonzero(chosen)
    left = fine * (pixel % size[1])
    # Chosen pixels before each pixel: those of a span follow each other in the list.
    before = np.zeros(size[0] * size[1] + 1, np.int64)
    before[pixel + 1] = 1
    before = before.cumsum()
    whole = np.repeat(np.arange(max(size)), fine)  # the pixel of a sample
    base = whole.take(spans.row) * size[1]
    low = before.take(base + whole.take(spans.first))
    count = before.take(base + whole.take(spans.last) + 1) - low
    some = np.flatnonzero(count > 0)
    spans = Spans(*(part.take(some) for part in spans))
    span, place = _expanded(low.take(some), count.take(some))
    near, sample = _fine_depths(depth, spans, span, place, left, fine)
    found = _least(near, span, sample, len(pixel) * fine**2)
    return Hits(pixel, left, found.reshape(fine**2, len(pixel)), spans)


def _expanded(low: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each range, repeated, and the whole numbers in the ranges."""
    number = np.repeat(np.arange(len(count)), count)
    shift = low - count.cumsum() + count
    return number, np.arange(len(number)) + shift.take(number)


def _fine_depths(
    depth: Planes,
    spans: Spans,
    span: np.ndarray,
    place: np.ndarray,
    left: np.ndarray,
    fine: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Depths (fine, N) of what spans have in pixels, ``FAR_AWAY`` beyond a span's ends,
    and its samples' numbers.

    Args:
        span, place: (N,) span, and place of a pixel in the list of P.
        left: (P,) column of the pixel's first sample.
    """
    count, left = len(left), left.take(place)
    sample = place + (spans.row % fine * (fine * count)).take(span)
    [planes] = depth.in_rows(spans)
    start, right = (part.take(span) for part in planes)
    first, last = (column.take(span) - left for column in (spans.first, spans.last))
    part = np.arange(fine)[:, None]
    outside = (part < first) | (part > last)
    near = (start + right * left) + right * part
    return near + FAR_AWAY * outside, sample + part * count


def _least(
    near: np.ndarray, span: np.ndarray, sample: np.ndarray, count: int
) -> np.ndarray:
    """The span of least depth at each of ``count`` samples, -1 where there is none; of
    equal ones the first.

    Args:
        near: (..., K) depths, of which the last bits do not count.
        span: (K,)
        sample: (..., K)
    """
    if not len(span):
        return np.full(count, -1)
    # Numbers above zero are in the order of their bits, of which the last are the span.
    near = near - (near.min() - 1)
    bits = (1 << int(span[-1] + 1).bit_length()) - 1
    order = near.view(np.int64) & ~bits | span
    nothing = int(np.array(FAR_AWAY / 2).view(np.int64)) | bits
    best = torch.full((count,), nothing)
    samples, order = (torch.from_numpy(part.ravel()) for part in (sample, order))
    best = best.scatter_reduce_(0, samples, order, 'amin').numpy()
    return (best + 1 & bits) - 1  # whose bits are all set is nothing
