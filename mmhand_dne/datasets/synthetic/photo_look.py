"""Light and cameras of casual photos: sun, lamps, shadows, white balance, noise."""

import cv2
import numpy as np

from .hand_body import Light
from .render import Layer, compose
from .surroundings import make_scenery

# Linear RGB of lights: shade, noon, neutral, lamp, candle.
LIGHT_COLORS = np.array(
    [
        [0.85, 0.95, 1.2],
        [1.05, 1.0, 0.95],
        [1, 1, 1],
        [1.2, 1.0, 0.72],
        [1.3, 0.95, 0.6],
    ]
)


def sample_photo_light(rng: np.random.Generator) -> Light:
    """Sun, window, lamps, or light from behind the hands; any bounce."""
    kind = int(rng.choice(4, p=[0.3, 0.3, 0.25, 0.15]))  # soft, side, sun, behind
    direction = rng.normal(0, 1, 3) + [0, -0.8, 0.9 if kind == 3 else -1.0]
    key = rng.uniform(*[(0.2, 0.6), (0.5, 1.1), (1.0, 1.8), (0.6, 1.6)][kind])
    ambient = rng.uniform(*[(0.6, 0.9), (0.25, 0.6), (0.15, 0.4), (0.25, 0.6)][kind])
    tint, other = LIGHT_COLORS[rng.integers(len(LIGHT_COLORS), size=2)]
    bounce = 1 + rng.uniform(-0.15, 0.15, 3)
    up = rng.normal(0, 0.8, 3) + [0, -0.8, 0]
    return Light(
        direction / np.linalg.norm(direction),
        key * tint,
        ambient * (0.5 * other + 0.5) * bounce,
        up / np.linalg.norm(up),
        rng.uniform(0, 0.3),
        rng.uniform(5, 40),
    )


def in_scenery(
    rng: np.random.Generator, layer: Layer, size: tuple[int, int], tone: np.ndarray
) -> np.ndarray:
    """The body before surroundings, (H, W, 3) float32, perhaps with its shadow.

    Args:
        size: (width, height) pixels; tone: (3,) sRGB skin of the person.
    """
    image = make_scenery(rng, size, tone).astype(np.float32)
    if rng.random() < 0.35:
        cast_shadow(rng, image, layer)
    return compose(image, with_skin_grain(rng, layer))


def with_skin_grain(rng: np.random.Generator, layer: Layer) -> Layer:
    """Small unevenness of brightness and redness, as pores, veins and hair make it."""
    height, width = layer.alpha.shape[:2]
    factor = np.ones((height, width, 3), np.float32)
    for cell in (2, 5, 12):
        grid = rng.standard_normal((height // cell + 2, width // cell + 2), np.float32)
        grid = cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
        color = np.float32([1, 1, 1]) + rng.normal(0, [0.1, 0.3, 0.3])
        factor += grid[..., None] * (color * rng.uniform(0, 0.03)).astype(np.float32)
    return layer._replace(color=np.minimum(layer.color * factor, layer.alpha))


def cast_shadow(rng: np.random.Generator, image: np.ndarray, layer: Layer) -> None:
    """Darken the surroundings where a near surface lies in the body's shadow."""
    height, width = image.shape[:2]
    cover = np.zeros((height, width), np.float32)
    rows = slice(layer.top, layer.top + layer.alpha.shape[0])
    columns = slice(layer.left, layer.left + layer.alpha.shape[1])
    cover[rows, columns] = layer.alpha[..., 0]
    shift = rng.normal(0, 0.06, 2) * min(width, height)
    move = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    cover = cv2.warpAffine(cover, move, (width, height))
    sigma = rng.uniform(0.005, 0.05) * min(width, height)
    cover = cv2.GaussianBlur(cover, (0, 0), sigma)
    image *= 1 - rng.uniform(0.2, 0.75) * cover[..., None]


def expose_photo(rng: np.random.Generator, image: np.ndarray, grey: bool) -> np.ndarray:
    """What a phone or webcam makes of an image (H, W, 3) float32: uint8 RGB.

    Exposure, white balance, contrast, vignetting, blur, low resolution, noise.
    """
    height, width = image.shape[:2]
    scale = max(height, width) / 512
    mean = float(image.mean())
    gain = (rng.uniform(0.25, 0.6) / max(mean, 0.05)) ** 0.6
    balance = 1 + rng.normal(0, 0.06, 3)
    image = image * (np.clip(gain, 0.6, 1.8) * balance).astype(np.float32)
    if rng.random() < 0.4:
        image = image * _vignette(rng, height, width)
    image = np.maximum(image, 0) ** rng.uniform(0.8, 1.3)
    image = _contrast(rng, image)
    if grey:
        image = (image @ np.float32([0.3, 0.59, 0.11]))[..., None].repeat(3, 2)
    image = _softened(rng, image, scale)
    image = image + _noise(rng, image.shape[:2], grey)
    return (image * 255).round().clip(0, 255).astype(np.uint8)


def _contrast(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """An S-curve or a flat, hazy picture; saturation."""
    contrast, haze = rng.uniform(0.75, 1.35), rng.uniform(-0.04, 0.08)
    image = (image - 0.45) * np.float32(contrast) + np.float32(0.45 + haze)
    luma = (image @ np.float32([0.3, 0.59, 0.11]))[..., None]
    return luma + np.float32(rng.uniform(0.55, 1.25)) * (image - luma)


def _vignette(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, width, dtype=np.float32)[None]
    return (1 - rng.uniform(0.05, 0.3) * (rows**2 + columns**2))[..., None]


def _softened(rng: np.random.Generator, image: np.ndarray, scale: float) -> np.ndarray:
    """Lens blur, motion, or enlarged from fewer pixels."""
    height, width = image.shape[:2]
    kind = int(rng.choice(4, p=[0.45, 0.3, 0.15, 0.1]))
    if kind == 1:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.2) * scale)
    if kind == 2:
        share = rng.uniform(0.35, 0.8)
        small = (max(int(width * share), 32), max(int(height * share), 32))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    if kind == 3:
        length = max(3, round(rng.uniform(4, 14) * scale))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        middle = ((length - 1) / 2, (length - 1) / 2)
        turn = cv2.getRotationMatrix2D(middle, rng.uniform(0, 180), 1.0)
        kernel = cv2.warpAffine(kernel, turn, (length, length))
        return cv2.filter2D(image, -1, kernel / kernel.sum())
    return image


def _noise(rng: np.random.Generator, shape: tuple[int, int], grey: bool) -> np.ndarray:
    """Fine noise of brightness and, in low light, coarser noise of colour."""
    low_light = rng.random() < 0.2
    strength = rng.uniform(0.015, 0.045) if low_light else rng.uniform(0, 0.02)
    noise = strength * rng.standard_normal((*shape, 1), np.float32)
    if low_light and not grey:
        half = (shape[0] // 2 + 1, shape[1] // 2 + 1, 3)
        coarse = rng.standard_normal(half, np.float32)
        noise = noise + 0.7 * strength * cv2.resize(coarse, shape[::-1])
    return noise.astype(np.float32)
