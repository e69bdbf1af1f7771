"""Brushes of painted surroundings; images are (H, W, 3) float32 sRGB in [0, 1]."""

import cv2
import numpy as np

Size = tuple[int, int]  # (width, height) pixels


def fractal_noise(
    rng: np.random.Generator, size: Size, steepness: float = 1.0
) -> np.ndarray:
    """Noise (H, W) of about unit deviation whose amplitude falls as 1 / f."""
    total = np.zeros((size[1], size[0]), np.float32)
    for cells in (3, 6, 12, 24, 48, 96):
        grid = rng.standard_normal((cells, cells), np.float32)
        weight = np.float32((3 / cells) ** steepness)
        total += weight * cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
    return total / np.float32(max(total.std(), 1e-6))


def sample_color(rng: np.random.Generator) -> np.ndarray:
    """Of anything: mostly dull, sometimes vivid."""
    spread = 0.25 if rng.random() < 0.25 else 0.06
    return (rng.uniform(0.03, 0.97) + rng.normal(0, spread, 3)).clip(0, 1).astype('f4')


def lit_from_a_side(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A smooth factor (H, W, 1) of light that falls from a side."""
    corners = rng.uniform(0.65, 1.1, (2, 2)).astype(np.float32)
    return cv2.resize(corners, size, interpolation=cv2.INTER_LINEAR)[..., None]


def fill(image: np.ndarray, corners, color) -> None:
    """A polygon of pixel corners (K, 2), in place."""
    points = np.asarray(corners).clip(-5000, 5000).round().astype(np.int32)
    cv2.fillConvexPoly(image, points, np.atleast_1d(color).tolist(), cv2.LINE_AA)


def draw_ellipse(image: np.ndarray, middle, half, color) -> None:
    box = (tuple(map(float, middle)), tuple(2 * float(side) for side in half), 0.0)
    cv2.ellipse(image, box, np.atleast_1d(color).tolist(), -1, cv2.LINE_AA)


def draw_line(image: np.ndarray, ends, color, width: float) -> None:
    ends = np.asarray(ends).clip(-5000, 5000).round().astype(int).tolist()
    thick = max(1, round(width))
    cv2.line(
        image, *map(tuple, ends), np.atleast_1d(color).tolist(), thick, cv2.LINE_AA
    )
