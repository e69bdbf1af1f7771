"""People in the background: faces, shoulders in clothes, arms of the skin's colour."""

import numpy as np

from .drawing import (
    draw_ellipse,
    draw_line,
    fill,
    fractal_noise,
    lit_from_a_side,
    sample_color,
)


def _skin(rng: np.random.Generator, tone: np.ndarray) -> np.ndarray:
    """The person's own skin, or somebody else's."""
    if rng.random() < 0.3:
        tone = tone * rng.uniform(0.5, 1.4)
    return (tone * rng.normal(1, 0.06, 3)).clip(0.05, 1).astype(np.float32)


def _shaded(
    rng: np.random.Generator, image: np.ndarray, mask: np.ndarray, color: np.ndarray
) -> None:
    """Paint a mask (H, W) with a colour under light from a side, in place."""
    size = image.shape[1::-1]
    light = lit_from_a_side(rng, size) * rng.uniform(0.6, 1.05)
    light = light * (1 + 0.04 * fractal_noise(rng, size, 0.7))[..., None]
    image += mask[..., None] * (color * light - image)


def add_person(rng: np.random.Generator, image: np.ndarray, tone: np.ndarray) -> None:
    """Shoulders in clothes, a neck and a face with hair, in place."""
    height, width = image.shape[:2]
    unit = rng.uniform(0.12, 0.4) * min(width, height)  # half a face's breadth
    face = rng.uniform([0, -0.1], [1, 0.9]) * (width, height)
    skin, cloth, hair = _skin(rng, tone), sample_color(rng), sample_color(rng) * 0.4
    body = np.zeros((height, width), np.float32)
    shoulders = unit * rng.uniform(2.0, 2.8)
    top, slope = face[1] + 1.7 * unit, rng.uniform(0.3, 0.8) * unit
    corners = [(-0.5 * unit, 0), (0.5 * unit, 0), (shoulders, slope)]
    corners += [(shoulders * 1.1, 9 * unit), (-shoulders * 1.1, 9 * unit)]
    corners = np.array([*corners, (-shoulders, slope)]) + [face[0], top]
    fill(body, corners, 1.0)
    _shaded(rng, image, body, cloth)
    if rng.random() < 0.4:
        _add_stripes(rng, image, body)
    draw_ellipse(image, face + [0, 1.3 * unit], (0.5 * unit, 0.9 * unit), skin * 0.85)
    draw_ellipse(image, face - [0, 0.25 * unit], (1.08 * unit, 1.25 * unit), hair)
    head = np.zeros((height, width), np.float32)
    draw_ellipse(head, face, (0.95 * unit, 1.28 * unit), 1.0)
    _shaded(rng, image, head, skin)
    for side in (-1, 1):
        eye = face + [side * 0.38 * unit, -0.2 * unit]
        draw_ellipse(image, eye, (0.17 * unit, 0.09 * unit), skin * 0.35)
        brow = [eye + [-0.2 * unit, -0.22 * unit], eye + [0.2 * unit, -0.22 * unit]]
        draw_line(image, brow, hair, 0.07 * unit)
    draw_ellipse(image, face + [0, 0.2 * unit], (0.13 * unit, 0.2 * unit), skin * 0.8)
    red = np.float32([0.75, 0.42, 0.42])
    draw_ellipse(image, face + [0, 0.62 * unit], (0.33 * unit, 0.1 * unit), skin * red)


def _add_stripes(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> None:
    """Stripes or a check on what the mask (H, W) covers, in place."""
    rows, columns = np.indices(mask.shape, dtype=np.float32)
    period = rng.uniform(5, 40)
    wave = np.sin(rows * 6.28 / period)
    if rng.random() < 0.5:
        wave = np.maximum(wave, np.sin(columns * 6.28 / period))
    strength = mask * (wave > rng.uniform(-0.5, 0.8)) * rng.uniform(0.2, 0.9)
    image += strength[..., None] * (sample_color(rng) - image)


def add_limb(rng: np.random.Generator, image: np.ndarray, tone: np.ndarray) -> None:
    """A forearm-like, tapered piece of skin that enters from a border, in place."""
    size = np.array(image.shape[1::-1])
    start = rng.random(2) * size
    axis = int(rng.integers(2))
    start[axis] = (-0.1 if rng.random() < 0.5 else 1.1) * size[axis]
    end = rng.uniform(0.1, 0.9, 2) * size
    way = end - start
    aside = np.array([-way[1], way[0]]) / np.linalg.norm(way) * size.min()
    near, far = rng.uniform(0.05, 0.12), rng.uniform(0.03, 0.09)
    corners = [start + near * aside, end + far * aside]
    corners += [end - far * aside, start - near * aside]
    mask = np.zeros(image.shape[:2], np.float32)
    fill(mask, corners, 1.0)
    draw_ellipse(mask, end, (far * size.min(),) * 2, 1.0)
    _shaded(rng, image, mask, _skin(rng, tone))
