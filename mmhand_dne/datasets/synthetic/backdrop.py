"""What surrounds the hands: backgrounds, things in front, the sensor."""

import cv2
import numpy as np

from mmhand_dne.rendered_recipe import Recipe

from .camera_rig import RigCamera

JPEG_QUALITY = (75, 96)


def make_backdrop(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A random background (H, W, 3), float32 in [0, 1]."""
    makers = (_plain, _gradient, _clouds, _stripes, _patches, _studio)
    image = makers[int(rng.integers(len(makers)))](rng, size)
    if rng.random() < 0.3:
        image = image * 0.6 + _clouds(rng, size) * 0.4
    if rng.random() < 0.4:
        _add_shapes(rng, image, int(rng.integers(1, 6)))
    return image.clip(0, 1)


def add_occluders(
    rng: np.random.Generator, image: np.ndarray, joints: np.ndarray, extent: float
) -> None:
    """Put one to three things in front of random joints, in place.

    Args:
        image: (H, W, 3) float32.
        joints: (K, 2) pixels.
        extent: pixels, the size of the hands.
    """
    for _ in range(int(rng.integers(1, 4))):
        position = joints[int(rng.integers(len(joints)))]
        position = position + rng.normal(0, 0.08 * extent, 2)
        radius = extent * rng.uniform(0.05, 0.14)
        _add_shape(rng, image, position, radius, shaded=True)


def expose(
    rng: np.random.Generator, image: np.ndarray, recipe: Recipe, camera: RigCamera
) -> np.ndarray:
    """Blur, exposure, noise and quantisation of a real camera: uint8 RGB."""
    # An image of half the size has half the blur in pixels.
    scale = max(recipe.image_size) / 512
    sigma = rng.uniform(0.0, 1.1) * scale
    if sigma > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    if rng.random() < 0.12:
        image = _motion_blur(rng, image, rng.uniform(3, 9) * scale)
    image = image * rng.uniform(0.8, 1.15)
    if camera.monochrome:
        image = np.repeat(
            image @ np.array([[0.3], [0.59], [0.11]], np.float32), 3, axis=2
        )
    noise = rng.uniform(0, 0.025)
    image = image + noise * rng.standard_normal(image.shape, np.float32)
    return (image * 255).round().clip(0, 255).astype(np.uint8)


def encode(rng: np.random.Generator, image: np.ndarray) -> bytes:
    """A JPEG file of an RGB image."""
    quality = int(rng.integers(*JPEG_QUALITY))
    done, data = cv2.imencode(
        '.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise RuntimeError('OpenCV could not encode a JPEG file')
    return data.tobytes()


def _color(rng: np.random.Generator) -> np.ndarray:
    """A random colour, often a dull one."""
    grey = rng.uniform(0.05, 0.95)
    return (
        (grey + rng.normal(0, rng.uniform(0.02, 0.25), 3)).clip(0, 1).astype(np.float32)
    )


def _plain(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return np.tile(_color(rng), (size[1], size[0], 1))


def blurred(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) uint8, out of focus or along the way of a shaken camera.

    By 1.2 to 3 % of the longer side: about the width of a finger.
    """
    reach = rng.uniform(0.012, 0.03) * max(image.shape[:2])
    if rng.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), reach / 2)
    length = max(3, round(2 * reach))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    middle = ((length - 1) / 2, (length - 1) / 2)
    turn = cv2.getRotationMatrix2D(middle, rng.uniform(0, 180), 1.0)
    kernel = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(image, -1, kernel / kernel.sum())


def _gradient(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    corners = np.stack([_color(rng) for _ in range(4)]).reshape(2, 2, 3)
    return cv2.resize(corners, size, interpolation=cv2.INTER_LINEAR)


def _clouds(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Noise of several wavelengths, up to fine grain."""
    image = _plain(rng, size)
    strength = rng.uniform(0.04, 0.2)
    for cells in (4, 11, 37, 110)[: int(rng.integers(2, 5))]:
        grid = rng.standard_normal((cells, cells, 3), np.float32)
        if rng.random() < 0.5:
            grid[...] = grid[..., :1]
        image += strength * cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR)
        strength *= 0.6
    return image


def _stripes(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Stripes, or a check where two directions cross."""
    across, down = np.meshgrid(
        np.linspace(0, 1, size[0], dtype=np.float32),
        np.linspace(0, 1, size[1], dtype=np.float32),
    )
    wave = np.ones_like(across)
    for _ in range(int(rng.integers(1, 3))):
        angle, count = rng.uniform(0, np.pi), rng.uniform(8, 90)
        phase = count * (across * np.cos(angle) + down * np.sin(angle))
        wave *= (np.sin(phase) * rng.uniform(1, 6)).clip(-1, 1)
    mix = (wave[..., None] + 1) / 2
    return mix * _color(rng) + (1 - mix) * _color(rng)


def _patches(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Hard-edged blocks of different colours."""
    rows, columns = rng.integers(2, 7, 2)
    grid = np.stack([_color(rng) for _ in range(rows * columns)])
    return cv2.resize(
        grid.reshape(rows, columns, 3), size, interpolation=cv2.INTER_NEAREST
    )


def _studio(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A dark room with a few lamps, as in a capture dome."""
    image = np.full((size[1], size[0], 3), rng.uniform(0.02, 0.12), np.float32)
    for _ in range(int(rng.integers(2, 14))):
        position = tuple(int(rng.integers(side)) for side in size)
        radius = int(rng.integers(2, max(3, min(size) // 20)))
        cv2.circle(image, position, radius, (_color(rng) * 0.9).tolist(), -1)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 3))


def _add_shapes(rng: np.random.Generator, image: np.ndarray, count: int) -> None:
    height, width = image.shape[:2]
    for _ in range(count):
        position = rng.uniform(0, [width, height])
        _add_shape(
            rng,
            image,
            position,
            rng.uniform(0.03, 0.2) * min(height, width),
            shaded=rng.random() < 0.5,
        )


def _add_shape(
    rng: np.random.Generator,
    image: np.ndarray,
    position: np.ndarray,
    radius: float,
    shaded: bool,
) -> None:
    """Draw one ellipse, box, rod or blob with soft edges, in place."""
    height, width = image.shape[:2]
    reach = int(radius * 4) + 3
    left, top = (int(max(value - reach, 0)) for value in position)
    right = int(min(position[0] + reach, width))
    bottom = int(min(position[1] + reach, height))
    if right - left < 3 or bottom - top < 3:
        return
    mask = np.zeros((bottom - top, right - left), np.float32)
    _draw_mask(rng, mask, position - [left, top], radius)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None]
    paint = np.broadcast_to(_color(rng), (*mask.shape[:2], 3))
    if shaded:
        ends = np.stack([_color(rng), _color(rng)]).reshape(2, 1, 3)
        paint = paint * 0.5 + 0.5 * cv2.resize(ends, mask.shape[1::-1])
        paint = paint + 0.03 * rng.standard_normal(paint.shape, np.float32)
    window = image[top:bottom, left:right]
    window += mask * (paint - window)


def _draw_mask(
    rng: np.random.Generator, mask: np.ndarray, position: np.ndarray, radius: float
) -> None:
    angle = rng.uniform(0, 180)
    other = radius * rng.uniform(0.4, 1.6)
    centre = (float(position[0]), float(position[1]))
    way = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    kind = int(rng.integers(4))
    if kind == 0:
        cv2.ellipse(mask, (centre, (2 * radius, 2 * other), angle), 1.0, -1)
    elif kind == 1:
        corners = cv2.boxPoints((centre, (2 * radius, 2 * other), angle))
        cv2.fillConvexPoly(mask, corners.round().astype(np.int32), 1.0)
    elif kind == 2:
        ends = [
            tuple((position + sign * 4 * radius * way).round().astype(int).tolist())
            for sign in (-1, 1)
        ]
        cv2.line(mask, *ends, 1.0, max(2, int(radius * 0.6)))
    else:
        around = np.linspace(0, 2 * np.pi, 9)[:-1]
        reach = radius * rng.uniform(0.6, 1.5, 8)[:, None]
        corners = position + reach * np.stack([np.cos(around), np.sin(around)], 1)
        cv2.fillPoly(mask, [corners.round().astype(np.int32)], 1.0)


def _motion_blur(
    rng: np.random.Generator, image: np.ndarray, length: float
) -> np.ndarray:
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    angle = rng.uniform(0, np.pi)
    way = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    middle = side // 2
    ends = [
        tuple((middle + sign * way).round().astype(int).tolist()) for sign in (-1, 1)
    ]
    cv2.line(kernel, *ends, 1.0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum())
