"""Surroundings of casual photos: rooms, gardens, tables, people, out of focus."""

import cv2
import numpy as np

Size = tuple[int, int]  # (width, height) pixels
GREENS = np.array([[0.16, 0.25, 0.08], [0.55, 0.62, 0.25]], np.float32)
WOODS = np.array([[0.35, 0.22, 0.12], [0.82, 0.66, 0.45]], np.float32)
WALLS = np.array([[0.35, 0.33, 0.3], [0.95, 0.93, 0.9]], np.float32)
NOISE_BASE = 64  # pixels of the noise that all octaves are cut from


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
        _add_person(rng, image, tone)
    for _ in range(int(rng.choice(3, p=[0.75, 0.15, 0.1]))):
        _add_limb(rng, image, tone)
    if rng.random() < 0.5:
        sigma = rng.uniform(0.3, 2.0) * min(size) / 256
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    return image.clip(0, 1)


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


def _between(rng: np.random.Generator, ends: np.ndarray, spread: float) -> np.ndarray:
    """A colour (3,) between two, varied."""
    color = ends[0] + (ends[1] - ends[0]) * rng.random()
    return (color + rng.normal(0, spread, 3)).clip(0.02, 1).astype(np.float32)


def _color(rng: np.random.Generator) -> np.ndarray:
    """Of anything: mostly dull, sometimes vivid."""
    spread = 0.25 if rng.random() < 0.25 else 0.06
    return (rng.uniform(0.03, 0.97) + rng.normal(0, spread, 3)).clip(0, 1).astype('f4')


def _mixed(mask: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A mask (H, W) in [0, 1] between two colours (3,)."""
    return one + mask[..., None] * (other - one)


def _ramp(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A smooth factor (H, W, 1) of light that falls from a side."""
    corners = rng.uniform(0.65, 1.1, (2, 2)).astype(np.float32)
    return cv2.resize(corners, size, interpolation=cv2.INTER_LINEAR)[..., None]


def _wall(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A plain wall, lit from a side, with a little texture."""
    color = _between(rng, WALLS, 0.05) if rng.random() < 0.7 else _color(rng)
    grain = 1 + rng.uniform(0.005, 0.06) * fractal_noise(rng, size, 0.6)
    return color * grain[..., None] * _ramp(rng, size)


def _texture(rng: np.random.Generator, size: Size) -> np.ndarray:
    """A surface of two or three colours mixed by fractal noise."""
    noise = fractal_noise(rng, size, rng.uniform(0.5, 1.3))
    mask = np.clip(0.5 + rng.uniform(0.2, 2.0) * noise, 0, 1)
    image = _mixed(mask, _color(rng), _color(rng))
    if rng.random() < 0.5:
        other = np.clip(2 * fractal_noise(rng, size) - rng.uniform(0, 2), 0, 1)
        image += other[..., None] * (_color(rng) - image)
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
            _fill(image, corners, color * rng.uniform(0.6, 1.05))
    for _ in range(int(rng.integers(0, 3))):
        _add_window(rng, image)
    return image * (1 + 0.02 * fractal_noise(rng, size, 0.5))[..., None]


def _add_window(rng: np.random.Generator, image: np.ndarray) -> None:
    """A bright or a dark rectangle in a frame, with bars, in place."""
    size = np.array(image.shape[1::-1])
    middle, half = rng.random(2) * size, rng.uniform(0.08, 0.3, 2) * size
    frame, pane = _between(rng, WALLS, 0.05), rng.uniform(0.75, 1.0, 3)
    if rng.random() < 0.4:
        pane = _color(rng)
    slope = rng.normal(0, 0.05, 2)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners[:, 1] += corners[:, 0] * slope[0]
    _fill(image, middle + corners * 1.08, frame)
    _fill(image, middle + corners, pane)
    for share in np.linspace(-1, 1, int(rng.integers(2, 5)))[1:-1]:
        ends = [middle + half * [share, -1], middle + half * [share, 1]]
        _line(image, ends, frame, 0.012 * size.min())


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
    color = _between(rng, WOODS, 0.04) if rng.random() < 0.6 else _color(rng)
    grid = rng.standard_normal((6, 90), np.float32)
    grain = cv2.resize(grid, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_LINEAR)
    angle, scale = rng.uniform(0, 360), rng.uniform(0.7, 1.5)
    turn = cv2.getRotationMatrix2D((size[0], size[1]), angle, scale)
    turn[:, 2] -= np.array(size) / 2
    grain = cv2.warpAffine(grain, turn, size, borderMode=cv2.BORDER_REFLECT)
    image = color * (1 + rng.uniform(0, 0.12) * grain)[..., None] * _ramp(rng, size)
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
    slab, key = _color(rng), _color(rng)
    axes = np.stack([across, down])
    _fill(image, origin + (square * [12, 5] - 0.15) @ axes, slab)
    for row in range(5):
        for column in range(12):
            corners = origin + (square * 0.82 + [column, row]) @ axes
            _fill(image, corners, key)


def _add_furniture(rng: np.random.Generator, image: np.ndarray) -> None:
    """A box, a frame, a lamp or a cable somewhere, in place."""
    size = np.array(image.shape[1::-1])
    middle, half = rng.random(2) * size, rng.uniform(0.03, 0.3, 2) * size
    kind, angle = int(rng.integers(4)), rng.normal(0, 0.15)
    if kind == 3:
        ends = middle + rng.normal(0, 0.5, (2, 2)) * size
        _line(image, ends, _color(rng), rng.uniform(0.005, 0.04) * size.min())
        return
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ turn
    if kind == 0:
        ellipse = (
            tuple(middle.tolist()),
            tuple((2 * half).tolist()),
            np.degrees(angle),
        )
        cv2.ellipse(image, ellipse, _color(rng).tolist(), -1, cv2.LINE_AA)
        return
    _fill(image, middle + corners, _color(rng))
    if kind == 1:  # a face of another brightness, or what a frame holds
        _fill(image, middle + corners * rng.uniform(0.3, 0.95, 2), _color(rng))


def _out_of_focus(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Blur of a far background, sometimes with discs of lamps."""
    if rng.random() < 0.3:
        return image
    radius = rng.uniform(0.3, 8) ** 1.0 * min(image.shape[:2]) / 256
    if rng.random() < 0.2:
        for _ in range(int(rng.integers(2, 15))):
            middle = rng.random(2) * image.shape[1::-1]
            middle = tuple(int(value) for value in middle)
            reach = int(2 + radius * rng.uniform(0.6, 1.6))
            cv2.circle(image, middle, reach, rng.uniform(0.5, 1, 3).tolist(), -1)
    return cv2.GaussianBlur(image, (0, 0), radius)


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
    light = _ramp(rng, size) * rng.uniform(0.6, 1.05)
    light = light * (1 + 0.04 * fractal_noise(rng, size, 0.7))[..., None]
    image += mask[..., None] * (color * light - image)


def _add_person(rng: np.random.Generator, image: np.ndarray, tone: np.ndarray) -> None:
    """Shoulders in clothes, a neck and a face with hair, in place."""
    height, width = image.shape[:2]
    unit = rng.uniform(0.12, 0.4) * min(width, height)  # half a face's breadth
    face = rng.uniform([0, -0.1], [1, 0.9]) * (width, height)
    skin, cloth, hair = _skin(rng, tone), _color(rng), _color(rng) * 0.4
    body = np.zeros((height, width), np.float32)
    shoulders = unit * rng.uniform(2.0, 2.8)
    top, slope = face[1] + 1.7 * unit, rng.uniform(0.3, 0.8) * unit
    corners = [(-0.5 * unit, 0), (0.5 * unit, 0), (shoulders, slope)]
    corners += [(shoulders * 1.1, 9 * unit), (-shoulders * 1.1, 9 * unit)]
    corners = np.array([*corners, (-shoulders, slope)]) + [face[0], top]
    _fill(body, corners, 1.0)
    _shaded(rng, image, body, cloth)
    if rng.random() < 0.4:
        _add_stripes(rng, image, body)
    _ellipse(image, face + [0, 1.3 * unit], (0.5 * unit, 0.9 * unit), skin * 0.85)
    _ellipse(image, face - [0, 0.25 * unit], (1.08 * unit, 1.25 * unit), hair)
    head = np.zeros((height, width), np.float32)
    _ellipse(head, face, (0.95 * unit, 1.28 * unit), 1.0)
    _shaded(rng, image, head, skin)
    for side in (-1, 1):
        eye = face + [side * 0.38 * unit, -0.2 * unit]
        _ellipse(image, eye, (0.17 * unit, 0.09 * unit), skin * 0.35)
        brow = [eye + [-0.2 * unit, -0.22 * unit], eye + [0.2 * unit, -0.22 * unit]]
        _line(image, brow, hair, 0.07 * unit)
    _ellipse(image, face + [0, 0.2 * unit], (0.13 * unit, 0.2 * unit), skin * 0.8)
    red = np.float32([0.75, 0.42, 0.42])
    _ellipse(image, face + [0, 0.62 * unit], (0.33 * unit, 0.1 * unit), skin * red)


def _add_stripes(rng: np.random.Generator, image: np.ndarray, mask: np.ndarray) -> None:
    """Stripes or a check on what the mask (H, W) covers, in place."""
    rows, columns = np.indices(mask.shape, dtype=np.float32)
    period = rng.uniform(5, 40)
    wave = np.sin(rows * 6.28 / period)
    if rng.random() < 0.5:
        wave = np.maximum(wave, np.sin(columns * 6.28 / period))
    strength = mask * (wave > rng.uniform(-0.5, 0.8)) * rng.uniform(0.2, 0.9)
    image += strength[..., None] * (_color(rng) - image)


def _add_limb(rng: np.random.Generator, image: np.ndarray, tone: np.ndarray) -> None:
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
    _fill(mask, corners, 1.0)
    _ellipse(mask, end, (far * size.min(),) * 2, 1.0)
    _shaded(rng, image, mask, _skin(rng, tone))


def _fill(image: np.ndarray, corners, color) -> None:
    """A polygon of pixel corners (K, 2), in place."""
    points = np.asarray(corners).clip(-5000, 5000).round().astype(np.int32)
    cv2.fillConvexPoly(image, points, np.atleast_1d(color).tolist(), cv2.LINE_AA)


def _ellipse(image: np.ndarray, middle, half, color) -> None:
    box = (tuple(map(float, middle)), tuple(2 * float(side) for side in half), 0.0)
    cv2.ellipse(image, box, np.atleast_1d(color).tolist(), -1, cv2.LINE_AA)


def _line(image: np.ndarray, ends, color, width: float) -> None:
    ends = np.asarray(ends).clip(-5000, 5000).round().astype(int).tolist()
    thick = max(1, round(width))
    cv2.line(
        image, *map(tuple, ends), np.atleast_1d(color).tolist(), thick, cv2.LINE_AA
    )
