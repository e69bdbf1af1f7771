"""Lines around hands that hide each other, so that each can be told from the others."""

from collections.abc import Sequence

import cv2
import numpy as np

from .lettering import INK
from .mesh_renderer import Surface, render_mesh

LAYER = 256  # pixels, at most, in which it is found which hand is in front
CHANNELS = 3  # hands that one rendering tells apart
SMOOTHNESS = 0.8  # pixels of the layer


def visible_parts(surfaces: Sequence[Surface], size: tuple[int, int]) -> np.ndarray:
    """Where each surface is before all others, (N, h, w) bool.

    Args:
        surfaces: of one kind of camera, as in ``render_mesh``.
        size: (h, w) of the frame in which the surfaces' points are pixels.
    """
    scale = min(1.0, LAYER / max(size))
    parts = []
    for first in range(0, len(surfaces), CHANNELS):
        marked = [
            surface._replace(color=_mark(number - first))
            for number, surface in enumerate(surfaces)
        ]
        seen = render_mesh(marked, size, scale, supersample=1, ambient=1.0).color
        for channel in range(min(CHANNELS, len(surfaces) - first)):
            share = (seen[..., channel] > 0).astype(np.float32)
            share = cv2.GaussianBlur(share, (0, 0), SMOOTHNESS)
            share = cv2.resize(share, size[::-1], interpolation=cv2.INTER_LINEAR)
            parts.append(share > 0.5)
    return np.array(parts)


def draw_borders(
    picture: np.ndarray,
    surfaces: Sequence[Surface],
    colors: Sequence[Sequence[int]],
    width: int = 2,
) -> np.ndarray:
    """The picture with a line, edged dark, around the visible part of each surface.

    Args:
        picture: (h, w, 3) uint8 RGB, in whose pixels the surfaces' points are.
        surfaces: of one kind of camera; points that are not finite are left out.
        colors: RGB of each surface's line, 0 to 255.
        width: of a line without its edges, pixels.
    """
    picture = picture.copy()
    parts = visible_parts(surfaces, picture.shape[:2]).astype(np.uint8)
    for color, thickness in ((INK, width + 2), (None, width)):
        for part, own in zip(parts, colors):
            found, _ = cv2.findContours(part, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
            stroke = tuple(int(value) for value in (own if color is None else color))
            cv2.drawContours(picture, found, -1, stroke, thickness, cv2.LINE_AA)
    return picture


def _mark(channel: int) -> tuple[int, ...]:
    """Pure red, green or blue; black for other numbers, which hide but do not show."""
    return tuple(255 * (channel == own) for own in range(CHANNELS))
