"""Cutting a crop so that a mirrored picture gives the mirrored crop, bit for bit."""

import numpy as np

BITS = 11  # of a position's fraction: products of two and a byte fit into 31
UNIT = 1 << BITS


def resampled(image: np.ndarray, affine: np.ndarray, size: int) -> np.ndarray:
    """Bilinear sampling of a picture at every pixel of a crop; black outside.

    OpenCV's ``warpAffine`` rounds positions to 1/32 pixel, to one side where they lie
    in between: the crop of a mirrored picture then differs from the mirrored crop in
    one pixel out of a hundred by some grey values, which a network can turn into
    millimetres. Here positions are rounded to 1/2048 pixel and the rest is integers.

    Args:
        image: (H, W, C) uint8.
        affine: (3, 3) image to crop pixels.
        size: side of the crop, pixels.
    Returns: (size, size, C) uint8.
    """
    inverse = np.linalg.inv(affine)
    column, row = np.arange(size)[None], np.arange(size)[:, None]
    # Without a rotation, x is one row and y one column.
    x, y = (
        sum(
            factor * place
            for factor, place in zip(inverse[i], (column, row, 1))
            if factor
        )
        for i in range(2)
    )
    x, y = (
        np.rint(UNIT * np.asarray(place, float)).astype(np.int64) for place in (x, y)
    )
    left, top = x >> BITS, y >> BITS
    beside, below = (
        (place & (UNIT - 1)).astype(np.int32)[..., None] for place in (x, y)
    )
    upper, lower = (
        (UNIT - beside) * _pixels(image, left, line)
        + (beside * _pixels(image, left + 1, line))
        for line in (top, top + 1)
    )
    total = (UNIT - below) * upper + below * lower
    return ((total + (1 << (2 * BITS - 1))) >> (2 * BITS)).astype(np.uint8)


def _pixels(image: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Pixels at whole positions, black outside."""
    height, width = image.shape[:2]
    places = row.clip(0, height - 1) * width + column.clip(0, width - 1)
    # Half the time of indexing with row and column.
    found = image.reshape(-1, image.shape[2]).take(places, 0).astype(np.int32)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return found if inside.all() else found * inside[..., None]
