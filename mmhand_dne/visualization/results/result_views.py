"""Where the pictures of a result look, and its hands as surfaces there.

A ``Window`` is the whole photograph or a square of it, drawn at a bounded size, so that
one of 48 megapixels costs hardly more than a small one.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch

from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.bounding_boxes import tight_corners
from mmhand_dne.structures.hand_result import HandResult, ImageResult
from mmhand_dne.visualization.canvas.mesh_renderer import (
    AMBIENT,
    HAND_COLORS,
    Surface,
    render_overlay,
)
from mmhand_dne.visualization.panel.mesh_views import UNKNOWN_DEPTH

OUTSIDE = 225  # grey level beyond the border of the photograph
MARGIN = 0.18  # of a close-up, in the hands' size, at each edge
LEAST_SIDE = 8.0  # pixels of the photograph, the smallest close-up


class Window(NamedTuple):
    """A part of the photograph and the picture it becomes."""

    left: float  # pixels of the photograph, its left edge at -0.5
    top: float
    scale: float  # pixels of the picture per pixel of the photograph
    size: tuple[int, int]  # (h, w) of the picture

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of the photograph as pixels of the picture."""
        return (points - (self.left, self.top)) * self.scale - 0.5


class Group(NamedTuple):
    """Hands that one close-up shows together."""

    hands: list[HandResult]
    names: list[str]  # what is written at each hand
    window: Window


def whole_window(size: tuple[int, int], longest: int) -> Window:
    """The whole photograph (w, h), its longer side ``longest`` pixels."""
    scale = longest / max(size)
    height, width = (max(1, round(scale * side)) for side in size[::-1])
    return Window(-0.5, -0.5, scale, (height, width))


def hand_names(result: ImageResult) -> list[str]:
    """'R' or 'L' of each hand, numbered where the image has several of a side."""
    sides = [hand.side for hand in result.hands]
    names = []
    for i, side in enumerate(sides):
        number = sides[: i + 1].count(side) if sides.count(side) > 1 else ''
        names.append(f'{side[0].upper()}{number}')
    return names


def hand_color(hand: HandResult) -> Sequence[int]:
    """RGB: a blue right hand, an orange left one."""
    return HAND_COLORS[SIDES.index(hand.side)]


def hand_groups(
    result: ImageResult,
    tile: int,
    more: Callable[[HandResult], np.ndarray] = lambda hand: hand.vertices_2d,
) -> list[Group]:
    """Close-ups of ``tile`` pixels a side; hands whose outlines overlap share one.

    Args:
        result: of the photograph.
        tile: pixels.
        more: what the close-up of a hand shows beside its mesh, (N, 2) pixels of the
            photograph.
    """
    extents = [_extent(hand) for hand in result.hands]
    clusters: list[list[int]] = []
    for i in range(len(extents)):
        touched = [c for c in clusters if any(_meet(extents[i], extents[j]) for j in c)]
        rest = [c for c in clusters if c not in touched]
        clusters = [*rest, sorted(sum(touched, [i]))]
    names = hand_names(result)
    return [
        Group(
            [result.hands[i] for i in cluster],
            [names[i] for i in cluster],
            _close_up(
                [
                    _bounds(extents[i].reshape(2, 2), more(result.hands[i]))
                    for i in cluster
                ],
                tile,
            ),
        )
        for cluster in sorted(clusters)
    ]


def is_small(group: Group, size: tuple[int, int]) -> bool:
    """Whether the group fills less than two fifths of the photograph's longer side."""
    return group.window.size[0] / group.window.scale < 0.4 * max(size)


def cut(image: np.ndarray, window: Window) -> np.ndarray:
    """What the window shows of the photograph, grey beyond its border.

    Args:
        image: (h, w, 3) uint8 RGB.
    """
    image, window = _reduced(image, window)
    affine = np.array([[window.scale, 0, 0], [0, window.scale, 0]], np.float64)
    affine[:, 2] = window.to_picture(np.zeros(2))
    size = window.size[::-1]
    return cv2.warpAffine(
        image, affine, size, flags=cv2.INTER_LINEAR, borderValue=(OUTSIDE,) * 3
    )


def hand_surface(
    hand: HandResult,
    window: Window,
    color: Sequence | None = None,
    coarse: bool = False,
) -> Surface:
    """A hand's mesh in the window.

    Args:
        hand: of the photograph.
        window: to draw into.
        color: RGB, or one (V, 3) a vertex; by default the hand's.
        coarse: the mesh before refinement.
    """
    vertices = hand.coarse_vertices if coarse else hand.vertices
    pixels = hand.coarse_vertices_2d if coarse else hand.vertices_2d
    color = hand_color(hand) if color is None else color
    return _surface(hand, vertices, window.to_picture(pixels), hand.faces, color)


def solid_surface(
    hand: HandResult,
    window: Window,
    vertices: np.ndarray,
    faces: np.ndarray,
    color: Sequence,
) -> Surface:
    """A body (N, 3), metres in the hand's frame, seen by the hand's crop camera."""
    pixels = window.to_picture(to_photograph(hand, vertices))
    return _surface(hand, vertices, pixels, faces, color)


def to_photograph(hand: HandResult, points: np.ndarray) -> np.ndarray:
    """Points (N, 3), metres in the hand's frame, as pixels (N, 2) of the photograph."""
    return _with_one(points[:, :2]) @ image_map(hand)


def image_map(hand: HandResult) -> np.ndarray:
    """The hand's camera as one map (3, 2): (x, y, 1) in metres to photograph pixels.

    Crop camera and crop are affine, and so is the map; the mesh and its pixels
    determine it.
    """
    points = _with_one(hand.vertices[:, :2])
    return np.linalg.lstsq(points, hand.vertices_2d, rcond=None)[0]


def paint(
    picture: np.ndarray,
    surfaces: Sequence[Surface],
    alpha: float,
    ambient: float = AMBIENT,
) -> np.ndarray:
    """Shaded surfaces over a picture; only the part that they cover is worked on.

    Args:
        picture: (h, w, 3) uint8 RGB, in whose pixels the surfaces' points are.
        surfaces: as in ``render_mesh``; points that are not finite are not drawn.
        alpha: opacity, 0 to 1.
        ambient: as in ``render_mesh``.
    """
    points = torch.cat([surface.points for surface in surfaces])[:, :2]
    points = points[points.isfinite().all(dim=-1)].numpy()
    rows, columns = picture.shape[:2]
    if not len(points):
        return picture
    low = np.clip(np.floor(points.min(axis=0)) - 1, 0, (columns, rows)).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)) + 2, 0, (columns, rows)).astype(int)
    if (high <= low).any():
        return picture
    shift = torch.tensor([*low, 0.0], dtype=torch.float32)
    moved = [surface._replace(points=surface.points - shift) for surface in surfaces]
    part = (slice(low[1], high[1]), slice(low[0], high[0]))
    picture = picture.copy()
    picture[part] = render_overlay(picture[part], moved, alpha, ambient=ambient)
    return picture


def _surface(
    hand: HandResult,
    vertices: np.ndarray,
    pixels: np.ndarray,
    faces: np.ndarray,
    color: Sequence,
) -> Surface:
    depth = float(hand.translation[2])
    depth = vertices[:, 2:] + (depth if np.isfinite(depth) else UNKNOWN_DEPTH)
    points = np.concatenate([pixels, depth], axis=1).astype(np.float32)
    vertices = torch.from_numpy(np.asarray(vertices, np.float32))
    faces = torch.from_numpy(np.asarray(faces, np.int64))
    return Surface(vertices, torch.from_numpy(points), faces, color, False)


def _with_one(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def _extent(hand: HandResult) -> np.ndarray:
    """Left, top, right and bottom of the mesh, or of the box if that is not finite."""
    pixels = np.asarray(hand.vertices_2d, np.float64)
    if not np.isfinite(pixels).all():
        return np.asarray(hand.box, np.float64)
    return tight_corners(pixels)


def _meet(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[:2] <= b[2:]).all() and (b[:2] <= a[2:]).all())


def _bounds(*points: np.ndarray) -> np.ndarray:
    """Left, top, right and bottom of points (N, 2) that are finite, (4,)."""
    every = np.concatenate(points)
    every = every[np.isfinite(every).all(axis=-1)]
    return tight_corners(every)


def _close_up(extents: Sequence[np.ndarray], tile: int) -> Window:
    """The square around extents, each (4,), with a margin."""
    extents = np.array(extents)
    low, high = extents[:, :2].min(axis=0), extents[:, 2:].max(axis=0)
    side = max(LEAST_SIDE, (1 + 2 * MARGIN) * float((high - low).max()))
    left, top = (low + high) / 2 - side / 2
    return Window(float(left), float(top), tile / side, (tile, tile))


def _reduced(image: np.ndarray, window: Window) -> tuple[np.ndarray, Window]:
    """A photograph larger than its picture shrunk to it, by means over its pixels."""
    factor = window.scale
    if factor >= 1:
        return image, window
    height, width = image.shape[:2]
    size = max(1, round(factor * width)), max(1, round(factor * height))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    left, top = (factor * (x + 0.5) - 0.5 for x in (window.left, window.top))
    return small, Window(left, top, 1.0, window.size)
