"""Surroundings of casual photos: rooms, gardens, tables, people, out of focus."""

import cv2
import numpy as np

from .drawing import (
    Size,
    draw_line,
    fill,
    fractal_noise,
    lit_from_a_side,
    sample_color,
)
from .people import add_limb, add_person

GREENS = np.array([[0.16, 0.25, 0.08], [0.55, 0.62, 0.25]], np.float32)
WOODS = np.array([[0.35, 0.22, 0.12], [0.82, 0.66, 0.45]], np.float32)
WALLS = np.array([[0.35, 0.33, 0.3], [0.95, 0.93, 0.9]], np.float32)


def make_scenery(rng: np.random.Generator, size: Size, tone: np.ndarray) -> np.ndarray:
    """Random surroundings (H, W, 3), float32 in [0, 1] sRGB.

    Args:
        size: (width, height) pixels.
        tone: (3,) sRGB skin of the person, which faces and arms often have.
    """
    makers = (_wall, _room, _garden, _table, _texture)
    kind = int(rng.choice(len(makers), p=[0.22, 0.3, 0.15, 0.18, 0.15]))
    image = makers[kind](rng, size)
    for _ in range(int(rng.integers(0, 7))):
        _add_furniture(rng, image)
    image = _out_of_focus(rng, image)
    if rng.random() < 0.5:
        add_person(rng, image, tone)
    for _ in range(int(rng.choice(3, p=[0.75, 0.15, 0.1]))):
        add_limb(rng, image, tone)
    if rng.random() < 0.5:
        sigma = rng.uniform(0.3, 2.0) * min(size) / 256
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    return image.clip(0, 1)


def _between(rng: np.random.Generator, ends: np.ndarray, spread: float) -> np.ndarray:
    """A colour (3,) between two, varied."""
    color = ends[0] + (ends[1] - ends[0]) * rng.random()
    return (color + rng.normal(0, spread, 3)).clip(0.02, 1).astype(np.float32)


def _mixed(mask: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A mask (H, W) in [0, 1] between two colours (3,)."""
    return one + mask[..., None] * (other - one)


def _wall(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A plain wall, lit from a side, with a little texture."""
    color = _between(rng, WALLS, 0.05) if rng.random() < 0.7 else sample_color(rng)
    grain = 1 + rng.uniform(0.005, 0.06) * fractal_noise(rng, size, 0.6)
    return color * grain[..., None] * lit_from_a_side(rng, size)


def _texture(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A surface of two or three colours mixed by fractal noise."""
    noise = fractal_noise(rng, size, rng.uniform(0.5, 1.3))
    mask = np.clip(0.5 + rng.uniform(0.2, 2.0) * noise, 0, 1)
    image = _mixed(mask, sample_color(rng), sample_color(rng))
    if rng.random() < 0.5:
        other = np.clip(2 * fractal_noise(rng, size) - rng.uniform(0, 2), 0, 1)
        image += other[..., None] * (sample_color(rng) - image)
    return image.astype(np.float32)


def _room(rng: np.random.Generator, size: Size) -> np.ndarray:
    """Walls that meet in a corner, floor and ceiling, a window or a door."""
    image = _wall(rng, size)
    width, height = size
    vanish = rng.uniform([0.1, 0.1], [0.9, 0.9]) * size
    half = rng.uniform(0.15, 0.6, 2) * size
    left, top = vanish - half
    right, bottom = vanish + half
    far = [(left, top), (right, top), (right, bottom), (left, bottom)]
    near = [vanish + 6 * (np.array(point) - vanish) for point in far]
    for side in range(4):
        if rng.random() < 0.7:
            after = (side + 1) % 4
            corners = [far[side], far[after], near[after], near[side]]
            color = _between(rng, WOODS if side == 2 else WALLS, 0.06)
            fill(image, corners, color * rng.uniform(0.6, 1.05))
    for _ in range(int(rng.integers(0, 3))):
        _add_window(rng, image)
    return image * (1 + 0.02 * fractal_noise(rng, size, 0.5))[..., None]


def _add_window(rng: np.random.Generator, image: np.ndarray) -> None:
    """A bright or a dark rectangle in a frame, with bars, in place."""
    size = np.array(image.shape[1::-1])
    middle, half = rng.random(2) * size, rng.uniform(0.08, 0.3, 2) * size
    frame, pane = _between(rng, WALLS, 0.05), rng.uniform(0.75, 1.0, 3)
    if rng.random() < 0.4:
        pane = sample_color(rng)
    slope = rng.normal(0, 0.05, 2)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners[:, 1] += corners[:, 0] * slope[0]
    fill(image, middle + corners * 1.08, frame)
    fill(image, middle + corners, pane)
    for share in np.linspace(-1, 1, int(rng.integers(2, 5)))[1:-1]:
        ends = [middle + half * [share, -1], middle + half * [share, 1]]
        draw_line(image, ends, frame, 0.012 * size.min())


def _garden(rng: np.random.Generator, size: Size) -> np.ndarray:
    """Sky, foliage and ground."""
    width, height = size
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    sky = np.float32([0.45, 0.62, 0.9]) + rng.normal(0, 0.06, 3)
    sky = sky + (np.float32([0.95, 0.95, 0.95]) - sky) * rng.random()
    noise = fractal_noise(rng, size)
    image = (sky + 0.2 * rows[..., None]).repeat(width, axis=1).astype(np.float32)
    image += np.clip(0.1 * noise, 0, 0.3)[..., None]
    horizon = rng.uniform(-0.1, 0.9)
    leaves = fractal_noise(rng, size, rng.uniform(0.3, 0.9))
    green = _mixed(np.clip(0.4 + 0.35 * leaves, 0, 1), *GREENS) * rng.uniform(0.6, 1.3)
    edge = np.clip((rows - horizon + 0.06 * noise) * 25, 0, 1)[..., None]
    image += edge * (green - image)
    if rng.random() < 0.6:
        ground = _between(rng, WOODS, 0.05) * (1 + 0.1 * leaves[..., None])
        edge = np.clip((rows - horizon - rng.uniform(0.1, 0.5)) * 25, 0, 1)[..., None]
        image += edge * (ground - image)
    return image


def _table(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A surface with grain, seen from above or in perspective, with paper or keys."""
    color = _between(rng, WOODS, 0.04) if rng.random() < 0.6 else sample_color(rng)
    grid = rng.standard_normal((6, 90), np.float32)
    grain = cv2.resize(grid, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_LINEAR)
    angle, scale = rng.uniform(0, 360), rng.uniform(0.7, 1.5)
    turn = cv2.getRotationMatrix2D((size[0], size[1]), angle, scale)
    turn[:, 2] -= np.array(size) / 2
    grain = cv2.warpAffine(grain, turn, size, borderMode=cv2.BORDER_REFLECT)
    image = (
        color
        * (1 + rng.uniform(0, 0.12) * grain)[..., None]
        * lit_from_a_side(rng, size)
    )
    image = image.astype(np.float32)
    if rng.random() < 0.3:
        _add_keys(rng, image)
    return image


def _add_keys(rng: np.random.Generator, image: np.ndarray) -> None:
    """A keyboard: a grid of rounded squares on a slab, in place."""
    size = np.array(image.shape[1::-1])
    angle = rng.uniform(0, 2 * np.pi)
    across = (
        np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.05, 0.1) * size.min()
    )
    down = np.array([-across[1], across[0]])
    origin = rng.uniform(0.1, 0.9, 2) * size - 6 * across - 2 * down
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    slab, cap = sample_color(rng), sample_color(rng)
    axes = np.stack([across, down])
    fill(image, origin + (square * [12, 5] - 0.15) @ axes, slab)
    for row in range(5):
        for column in range(12):
            corners = origin + (square * 0.82 + [column, row]) @ axes
            fill(image, corners, cap)


def _add_furniture(rng: np.random.Generator, image: np.ndarray) -> None:
    """A box, a frame, a lamp or a cable somewhere, in place."""
    size = np.array(image.shape[1::-1])
    middle, half = rng.random(2) * size, rng.uniform(0.03, 0.3, 2) * size
    kind, angle = int(rng.integers(4)), rng.normal(0, 0.15)
    if kind == 3:
        ends = middle + rng.normal(0, 0.5, (2, 2)) * size
        draw_line(image, ends, sample_color(rng), rng.uniform(0.005, 0.04) * size.min())
        return
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ turn
    if kind == 0:
        ellipse = (
            tuple(middle.tolist()),
            tuple((2 * half).tolist()),
            np.degrees(angle),
        )
        cv2.ellipse(image, ellipse, sample_color(rng).tolist(), -1, cv2.LINE_AA)
        return
    fill(image, middle + corners, sample_color(rng))
    if kind == 1:  # a face of another brightness, or what a frame holds
        fill(image, middle + corners * rng.uniform(0.3, 0.95, 2), sample_color(rng))


def _out_of_focus(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Blur of a far background, sometimes with discs of lamps."""
    if rng.random() < 0.3:
        return image
    radius = rng.uniform(0.3, 8) * min(image.shape[:2]) / 256
    if rng.random() < 0.2:
        for _ in range(int(rng.integers(2, 15))):
            middle = rng.random(2) * image.shape[1::-1]
            middle = tuple(int(value) for value in middle)
            reach = int(2 + radius * rng.uniform(0.6, 1.6))
            cv2.circle(image, middle, reach, rng.uniform(0.5, 1, 3).tolist(), -1)
    return cv2.GaussianBlur(image, (0, 0), radius)
