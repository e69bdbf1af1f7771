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
    face = np.repeat(np.arange(len(corners)), count)
    row = np.arange(len(face)) + (top - count.cumsum() + count).take(face)
    # No row meets a level edge: the other two have its ends.
    below = row > np.where(y1 > y0, y1, -np.inf).take(face)
    long = _along(_edge(x0, y0, x2, y2), face, row)
    short = map(np.concatenate, zip(_edge(x0, y0, x1, y1), _edge(x1, y1, x2, y2)))
    short = _along(tuple(short), face + len(corners) * below, row)
    first = np.ceil(np.minimum(long, short)).clip(0, columns).astype(np.int64)
    last = np.floor(np.maximum(long, short)).clip(-1, columns - 1).astype(np.int64)
    some = np.flatnonzero(first <= last)
    return Spans(*(part.take(some) for part in (face, row, first, last)))


def _from_the_top(corners: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """x and y (F,) of the first, second and third corner of triangles (F, 3, ...)."""
    x, y = (corners[..., i].astype(np.float64).T for i in (0, 1))
    points = list(zip(x, y))
    for a, b in ((0, 1), (1, 2), (0, 1)):
        (xa, ya), (xb, yb) = points[a], points[b]
        turn = ya > yb
        points[a] = np.where(turn, xb, xa), np.where(turn, yb, ya)
        points[b] = np.where(turn, xa, xb), np.where(turn, ya, yb)
    return points


def _edge(
    x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper ends of edges and what x grows by in a row; nothing that counts of a level
    one.
    """
    return x0, y0, (x1 - x0) / np.where(y1 == y0, 1.0, y1 - y0)


def _along(edge: tuple[np.ndarray, ...], face: np.ndarray, row: np.ndarray):
    """Where rows meet edges, as of :func:`_edge`."""
    x0, y0, slope = edge
    return x0.take(face) + slope.take(face) * (row - y0.take(face))


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

    def mean(self, hits: Hits) -> np.ndarray:
        """Means (C, P) float32 over the samples of pixels, zero where nothing is."""
        total = np.zeros((len(self.start), len(hits.pixel)), np.float32)
        fine = round(len(hits.span) ** 0.5)
        # From the span's first sample, which keeps float32 exact enough; the last
        # place, which index -1 reads, is that of nothing.
        first = hits.spans.first
        values = [
            [
                np.append(part, 0).astype(np.float32)
                for part in (at + first * right, right)
            ]
            for at, right in self.in_rows(hits.spans)
        ]
        first = np.append(first, 0)
        for number, span in enumerate(hits.span):
            along = (hits.column + number % fine - first.take(span)).astype(np.float32)
            for (at_first, right), sums in zip(values, total):
                sums += at_first.take(span) + right.take(span) * along
        total /= len(hits.span)
        return total


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
        [(start, right)] = depth.in_rows(spans)
        low, count = spans.row * size[1] + spans.first, spans.last - spans.first + 1
        span, place = _expanded(low, count)
        start -= spans.row * size[1] * right
        nearness = start.take(span) + right.take(span) * place
        found = _least(place, nearness, span, size[0] * size[1])
        pixel = np.flatnonzero(found >= 0)
        return Hits(pixel, pixel % size[1], found[None, pixel], spans)
    pixel = np.flatnonzero(chosen)
    left = fine * (pixel % size[1])
    # Chosen pixels before each pixel: those of a span follow each other in the list.
    before = np.concatenate([[0], chosen.ravel().cumsum()])
    whole = np.repeat(np.arange(max(size)), fine)  # the pixel of a sample
    base = whole.take(spans.row) * size[1]
    low = before.take(base + whole.take(spans.first))
    count = before.take(base + whole.take(spans.last) + 1) - low
    some = np.flatnonzero(count)
    spans = Spans(*(part.take(some) for part in spans))
    span, place = _expanded(low.take(some), count.take(some))
    kinds = _candidates(spans, depth, span, place, left, fine)
    found = _least(*kinds, len(pixel) * fine**2)
    return Hits(pixel, left, found.reshape(fine**2, len(pixel)), spans)


def _expanded(low: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each range, repeated, and the whole numbers in the ranges."""
    number = np.repeat(np.arange(len(count)), count)
    shift = low - count.cumsum() + count
    return number, np.arange(len(number)) + shift.take(number)


def _candidates(
    spans: Spans,
    depth: Planes,
    span: np.ndarray,
    place: np.ndarray,
    left: np.ndarray,
    fine: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples that spans cover in pixels, with their depths and spans, (K,) each.

    Args:
        span, place: (N,) span, and place of a pixel in the list of P.
        left: (P,) column of the pixel's first sample.
    """
    count, left = len(left), left.take(place)
    sample = place + (spans.row % fine * (fine * count)).take(span)
    first, last = (column.take(span) - left for column in (spans.first, spans.last))
    [(start, right)] = depth.in_rows(spans)
    right = right.take(span)
    start = start.take(span) + right * left
    parts = []
    for part in range(fine):
        inside = np.flatnonzero((first <= part) & (part <= last))
        nearness = start.take(inside) + part * right.take(inside)
        parts.append((sample.take(inside) + part * count, nearness, span.take(inside)))
    return tuple(np.concatenate(part) for part in zip(*parts))


def _least(
    sample: np.ndarray, depth: np.ndarray, span: np.ndarray, count: int
) -> np.ndarray:
    """The span of least depth at each of ``count`` samples, -1 where there is none."""
    best = torch.full((count,), torch.inf, dtype=torch.float64)
    best.scatter_reduce_(0, torch.from_numpy(sample), torch.from_numpy(depth), 'amin')
    wins = np.flatnonzero(depth <= best.numpy().take(sample))[::-1]
    found = np.full(count, -1)
    found[sample.take(wins)] = span.take(
        wins
    )  # the last that is written stays: the first span
    return found
