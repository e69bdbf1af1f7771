"""Shaded meshes over an image, in software and without a display.

A ``Surface`` is a mesh with its pixels and depths; it is made from a perspective or
from a scaled-orthographic camera. All surfaces of a picture share one z-buffer, so that
hands hide each other as they do in the scene.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import ndc_to_pixels, project, project_perspective

from .surface_views import AMBIENT, SAMPLES, Surface, View, look_at

# Okabe and Ito's blue and orange: told apart in every common form of colour blindness.
RIGHT_COLOR = (86, 180, 233)
LEFT_COLOR = (230, 159, 0)
HAND_COLORS = (RIGHT_COLOR, LEFT_COLOR)

UNKNOWN_DEPTH = 1.0  # metres from the camera, of a root whose depth is not known


class Rendering(NamedTuple):
    """A picture of surfaces on nothing."""

    color: np.ndarray  # (h, w, 3) RGB in [0, 1], multiplied by the coverage
    coverage: np.ndarray  # (h, w) in [0, 1], the share of the pixel that is covered


def perspective_surface(
    vertices_cam: Tensor, intrinsics: Tensor, faces: Tensor, color: Sequence[int]
) -> Surface:
    """A mesh seen by a pinhole camera.

    Args:
        vertices_cam: (V, 3) metres from the camera.
        intrinsics: (3, 3) full camera matrix, pixels.
        faces: (F, 3) int64.
        color: RGB, 0 to 255.
    """
    vertices_cam = torch.as_tensor(vertices_cam).float().cpu()
    intrinsics = torch.as_tensor(intrinsics).float().cpu()
    pixels = project_perspective(vertices_cam, intrinsics)
    points = torch.cat([pixels, vertices_cam[:, 2:]], dim=-1)
    return Surface(vertices_cam, points, faces.cpu(), color, True)


def orthographic_surface(
    vertices: Tensor,
    camera: Tensor,
    size: int | tuple[int, int],
    faces: Tensor,
    color: Sequence[int],
    root_depth: float = UNKNOWN_DEPTH,
) -> Surface:
    """A mesh seen by a scaled-orthographic camera of the crop (DNE Eq. 5).

    The camera itself orders nothing in depth between two hands: ``root_depth``, for
    instance of ``metric_translation``, does.

    Args:
        vertices: (V, 3) metres, relative to the root.
        camera: (2, 2) rows (scale, shift), crop NDC.
        size: (width, height) of the crop or its one side, pixels.
        faces: (F, 3) int64.
        color: RGB, 0 to 255.
        root_depth: metres from the camera to the root.
    """
    vertices = torch.as_tensor(vertices).float().cpu()
    camera = torch.as_tensor(camera).float().cpu()
    pixels = ndc_to_pixels(project(vertices, camera), size)
    points = torch.cat([pixels, vertices[:, 2:] + root_depth], dim=-1)
    return Surface(vertices, points, faces.cpu(), color, False)


def render_mesh(
    surfaces: Sequence[Surface],
    size: tuple[int, int],
    scale: float = 1.0,
    supersample: int = SAMPLES,
    ambient: float = AMBIENT,
) -> Rendering:
    """Shade surfaces with a Lambert term and an ambient one, in one z-buffer.

    Args:
        surfaces: all of perspective cameras, or all of orthographic ones.
        size: (h, w) of the frame in which the surfaces' points are pixels.
        scale: output pixels per pixel of that frame.
        supersample: samples along each side of an output pixel at edges.
        ambient: share of the light that comes from everywhere.
    Returns: Rendering of round(scale h) x round(scale w) pixels.
    Raises:
        ValueError: if the two kinds of camera are mixed.
    """
    _check_kind(surfaces)
    height, width = (round(scale * side) for side in size)
    if not (surfaces and height and width):
        nothing = np.zeros((height, width, 4), np.float32)
        return Rendering(nothing[..., :3], nothing[..., 3])
    zoom = width / size[1], height / size[0]
    view = look_at(surfaces, (height, width), zoom, supersample)
    color = view.shade([surface.color for surface in surfaces], ambient)
    return Rendering(color, view.coverage)


def render_overlay(
    image: np.ndarray,
    surfaces: Sequence[Surface],
    alpha: float = 0.85,
    scale: float = 1.0,
    supersample: int = SAMPLES,
    ambient: float = AMBIENT,
) -> np.ndarray:
    """Blend shaded surfaces over an image; pixels that no surface covers stay.

    Args:
        image: (h, w, 3) uint8 RGB, the frame in which the surfaces' points are pixels.
        surfaces: as in ``render_mesh``; none gives the (resized) image.
        alpha: opacity of the surfaces, 0 to 1.
        scale: output pixels per pixel of the image.
        supersample: samples along each side of an output pixel at edges.
        ambient: share of the light that comes from everywhere; more of it keeps
            colours that have a meaning closer to their legend.
    Returns: (round(scale h), round(scale w), 3) uint8 RGB.
    Raises:
        ValueError: if the image is not (h, w, 3) uint8.
    """
    check_image(image)
    height, width = (round(scale * side) for side in image.shape[:2])
    picture = resize(image, (height, width))
    zoom = torch.tensor([width / image.shape[1], height / image.shape[0], 1.0])
    half = torch.tensor([0.5, 0.5, 0.0])
    moved = [s._replace(points=(s.points + half) * zoom - half) for s in surfaces]
    return paint(picture, moved, alpha, ambient, supersample)


def paint(
    picture: np.ndarray,
    surfaces: Sequence[Surface],
    alpha: float,
    ambient: float = AMBIENT,
    supersample: int = SAMPLES,
) -> np.ndarray:
    """Shaded surfaces over a picture; only the part that they cover is worked on.

    Args:
        picture: (h, w, 3) uint8 RGB, in whose pixels the surfaces' points are.
        surfaces: as in ``render_mesh``; points that are not finite are not drawn.
        alpha: opacity, 0 to 1.
        ambient, supersample: as in ``render_mesh``.
    """
    view = look_at_part(surfaces, picture.shape[:2], supersample)
    colors = [surface.color for surface in surfaces]
    return paint_view(picture, view, colors, alpha, ambient)


def look_at_part(
    surfaces: Sequence[Surface], size: tuple[int, int], samples: int = SAMPLES
) -> View | None:
    """What the part of a picture (h, w) shows that surfaces cover; None without one.

    Args:
        surfaces: as in ``render_mesh``, in the picture's pixels.
        samples: as ``supersample`` there.
    """
    _check_kind(surfaces)
    low, high = _covered_corners(surfaces, size)
    if (high <= low).any():
        return None
    width, height = (high - low).tolist()
    return look_at(surfaces, (height, width), samples=samples, corner=low)


def paint_view(
    picture: np.ndarray,
    view: View | None,
    colors: Sequence,
    alpha: float,
    ambient: float = AMBIENT,
) -> np.ndarray:
    """What :func:`look_at_part` saw, over a picture.

    Args:
        picture: (h, w, 3) uint8 RGB, of the size that was looked at.
        view: of surfaces; None leaves the picture as it is.
        colors: of each surface, RGB or (V, 3) of its vertices, 0 to 255.
        alpha, ambient: as in :func:`paint`.
    """
    picture = picture.copy()
    if view is None:
        return picture
    part = _part(picture, view)
    drawn = view.shade(colors, ambient)
    drawn *= 255 * alpha
    drawn += part * cv2.merge([1 - alpha * view.coverage] * 3)
    part[:] = cv2.convertScaleAbs(drawn)
    return picture


def covered(view: View | None, size: tuple[int, int]) -> np.ndarray:
    """The share of each pixel that is covered in a view of a picture (h, w), (h, w)
    float32 in [0, 1].
    """
    whole = np.zeros(size, np.float32)
    if view is not None:
        _part(whole, view)[:] = view.coverage
    return whole


def in_front(view: View | None, size: tuple[int, int]) -> np.ndarray:
    """The number of the surface that each pixel (h, w) of a picture shows, -1 of none.

    Args:
        view: as of :func:`look_at_part`.
        size: (h, w) of the picture.
    """
    whole = np.full(size, -1)
    if view is not None:
        _part(whole, view)[:] = view.in_front()
    return whole


def _part(picture: np.ndarray, view: View) -> np.ndarray:
    """The part of a picture that a view is of."""
    (left, top), (height, width) = view.corner, view.coverage.shape
    return picture[top : top + height, left : left + width]


def _check_kind(surfaces: Sequence[Surface]) -> None:
    if len({surface.perspective for surface in surfaces}) > 1:
        raise UserError(
            'render_mesh got perspective and orthographic surfaces together, expected '
            'one kind: their depths do not compare; render them apart'
        )


def outline(surfaces: Sequence[Surface], size: tuple[int, int]) -> np.ndarray:
    """The share of each pixel that surfaces cover, (h, w) float32 in [0, 1]."""
    return covered(look_at_part(surfaces, size), size)


def _covered_corners(
    surfaces: Sequence[Surface], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x, y, (2,) whole pixels, of surfaces in a picture (h, w)."""
    low, high = np.zeros(2, int), np.zeros(2, int)
    points = [surface.points.numpy()[:, :2] for surface in surfaces]
    points = np.concatenate([np.zeros((0, 2)), *points]).T
    if not np.isfinite(points).all():
        points = points[:, np.isfinite(points).all(axis=0)]
    if points.size:
        low = np.clip(np.floor(points.min(axis=1)) - 1, 0, size[::-1]).astype(int)
        high = np.clip(np.ceil(points.max(axis=1)) + 2, 0, size[::-1]).astype(int)
    return low, high


def check_image(image: np.ndarray) -> None:
    """Refuse what is not an RGB image."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise UserError(
            f'image is {image.dtype} of shape {image.shape}, expected uint8 of shape '
            '(h, w, 3) in RGB order'
        )


def resize(image: np.ndarray, size: tuple[int, int], smooth: bool = True) -> np.ndarray:
    """Scale a picture to (h, w); nearest cells where not ``smooth``."""
    if image.shape[:2] == tuple(size):
        return image.copy()
    mode = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    return cv2.resize(image, (size[1], size[0]), interpolation=mode)
