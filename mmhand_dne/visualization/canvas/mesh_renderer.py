"""Shaded meshes over an image, in software and without a display.

A ``Surface`` is a mesh with its pixels and depths; it is made from a perspective or
from a scaled-orthographic camera. All surfaces of a picture share one z-buffer, so that
hands hide each other as they do in the scene.

Light is computed at the vertices. A pixel is first looked at once; only those off the
line between their neighbours, at outlines and edges inside, are looked at in more
places: where light changes evenly the middle of a pixel has its mean already.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import ndc_to_pixels, project, project_perspective
from mmhand_dne.geometry.mesh import vertex_normals
from mmhand_dne.geometry.scan_lines import Planes, find_spans, nearest

from .seen_faces import farthest, may_be_seen, seen_from_inside

# Okabe and Ito's blue and orange: told apart in every common form of colour blindness.
RIGHT_COLOR = (86, 180, 233)
LEFT_COLOR = (230, 159, 0)
HAND_COLORS = (RIGHT_COLOR, LEFT_COLOR)

LIGHT = (-0.35, -0.55, -0.76)  # towards the light: from the upper left, before the hand
AMBIENT = 0.35  # share of the light that comes from everywhere
BACK_FACE = 0.4  # share of its brightness that an inner side keeps
SMALL = 128  # pixels of a part's longer side up to which all of it is looked at finely
SAMPLES = 3  # along each side of a pixel, where one does not tell its mean
BEND = 12  # of 255, from which a pixel is off the line between its neighbours
BENDING = np.array([[1.0, -2.0, 1.0]])  # how much it is, in a row
UNKNOWN_DEPTH = 1.0  # metres from the camera, of a root whose depth is not known


class Surface(NamedTuple):
    """One mesh as a picture needs it, float32 on the CPU."""

    vertices: Tensor  # (V, 3) metres, camera axes; for the shading only
    points: Tensor  # (V, 3) x, y in pixels (centres at integers) and depth in metres
    faces: Tensor  # (F, 3) int64, wound so that normals point outwards
    color: Sequence  # RGB, 0 to 255: of the whole, or (V, 3) of the vertices
    perspective: bool  # whether the depth divides the points


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
    height, width = (round(scale * side) for side in size)
    if not (surfaces and height and width):
        seen = np.zeros((4, height, width), np.float32)
    else:
        zoom = width / size[1], height / size[0]
        seen = _seen(surfaces, (height, width), zoom, supersample, ambient)
    return Rendering(cv2.merge(list(seen[:3])), seen[3])


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
    picture = picture.copy()
    low, high = _covered_corners(surfaces, picture.shape[:2])
    if (high <= low).any():
        return picture
    shift = torch.tensor([*low, 0.0], dtype=torch.float32)
    moved = [surface._replace(points=surface.points - shift) for surface in surfaces]
    width, height = high - low
    seen = _seen(moved, (height, width), (1.0, 1.0), supersample, ambient)
    part = (slice(low[1], high[1]), slice(low[0], high[0]))
    kept, added = 1 - alpha * seen[3], 255 * alpha * seen[:3]
    blended = [
        image * kept + more for image, more in zip(cv2.split(picture[part]), added)
    ]
    picture[part] = cv2.convertScaleAbs(cv2.merge(blended))
    return picture


def outline(surfaces: Sequence[Surface], size: tuple[int, int]) -> np.ndarray:
    """The share of each pixel that surfaces cover, (h, w) float32 in [0, 1]."""
    return render_mesh(surfaces, size).coverage


def _covered_corners(
    surfaces: Sequence[Surface], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x, y, (2,) whole pixels, of surfaces in a picture (h, w)."""
    points = torch.cat([torch.zeros(0, 3), *(surface.points for surface in surfaces)])[
        :, :2
    ]
    points = points[points.isfinite().all(dim=-1)].numpy()
    if not len(points):
        return np.zeros(2, int), np.zeros(2, int)
    low = np.clip(np.floor(points.min(axis=0)) - 1, 0, size[::-1]).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)) + 2, 0, size[::-1]).astype(int)
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


def _seen(
    surfaces: Sequence[Surface],
    size: tuple[int, int],
    zoom: tuple[float, float],
    samples: int,
    ambient: float,
) -> np.ndarray:
    """What a picture shows whose pixels are (x, y) ``zoom`` to one of the points.

    Args:
        size: (h, w) of the picture.
        samples: along each side of a pixel, where one does not tell.
    Returns: (4, h, w) float32 in [0, 1], RGB multiplied by the coverage, and that.
    """
    if len({surface.perspective for surface in surfaces}) > 1:
        raise UserError(
            'render_mesh got perspective and orthographic surfaces together, expected '
            'one kind: their depths do not compare; render them apart'
        )
    parts = [_shown_faces(surface, ambient) for surface in surfaces]
    corners, light = (np.concatenate(part) for part in zip(*parts))
    # Pixel centres are at integers: the frame spans -0.5 to size - 0.5.
    corners[..., :2] = (corners[..., :2] + 0.5) * zoom - 0.5
    seen = np.zeros((4, *size), np.float32)
    if samples == 1 or max(size) > SMALL:
        _look(corners, light, seen)
    if samples > 1:
        chosen = _bent(seen) if max(size) > SMALL else np.ones(size, bool)
        _look(corners, light, seen, chosen, samples)
    return seen


def _look(
    corners: np.ndarray,
    light: np.ndarray,
    seen: np.ndarray,
    chosen: np.ndarray | None = None,
    samples: int = 1,
) -> None:
    """Put the means of the samples of pixels into ``seen`` (4, h, w).

    Args:
        corners: (F, 3, 3) pixels and depth.
        light: (F, 3, 4) what the corners send back: RGB in [0, 1], and 1.
        chosen, samples: pixels (h, w), and samples along each side of them, see
            :func:`nearest`.
    """
    size = seen.shape[1:]
    if chosen is not None:
        touching = _touching(corners, chosen)
        corners, light = corners[touching], light[touching]
    corners = corners.copy()
    corners[..., :2] = samples * (corners[..., :2] + 0.5) - 0.5
    spans = find_spans(corners, tuple(samples * side for side in size))
    depth = Planes.through(corners, corners[..., 2:])
    hits = nearest(spans, depth, size, chosen, samples)
    means = Planes.through(corners, light).mean(hits)
    for picture, values in zip(seen, means):
        picture.ravel()[hits.pixel] = values.clip(0, 1)


def _touching(corners: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Faces (F,) of corners (F, 3, 3) whose box meets one of the pixels (h, w)."""
    high = np.array(chosen.shape[::-1])
    corners = corners[..., :2] + 0.5
    low = np.floor(farthest(np.minimum, corners)).clip(0, high).astype(int)
    high = np.ceil(farthest(np.maximum, corners)).clip(0, high).astype(int)
    total = cv2.integral(chosen.view(np.uint8))
    (left, top), (right, bottom) = low.T, high.T
    inside = total[bottom, right] - total[top, right] - total[bottom, left]
    return inside + total[top, left] > 0


def _bent(seen: np.ndarray) -> np.ndarray:
    """Pixels (h, w) of what is seen (4, h, w) that are off the line between their
    neighbours, in the row or in the column.
    """
    levels = cv2.convertScaleAbs(cv2.merge(list(seen)), alpha=255)
    bent = np.zeros(levels.shape, np.uint8)
    for kernel in (BENDING, BENDING.T):
        off = cv2.filter2D(levels, cv2.CV_16S, kernel, borderType=cv2.BORDER_REPLICATE)
        bent = cv2.max(bent, cv2.convertScaleAbs(off))
    bent = cv2.threshold(bent, BEND, 255, cv2.THRESH_BINARY)[1]
    return bent.view(np.uint32)[..., 0] > 0


def _shown_faces(surface: Surface, ambient: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners (F, 3, 3) and light (F, 3, 4), see :func:`_look`, of faces to be seen.

    Depths of a pinhole camera become -1 / depth, which is linear in the picture.
    """
    faces = surface.faces.numpy()
    corners = surface.points.double().numpy().take(faces, axis=0)
    points, perspective = surface.points.numpy(), surface.perspective
    shown = may_be_seen(points, faces, corners, perspective)
    shown &= np.isfinite(corners.sum(axis=(1, 2)))
    if perspective:
        shown &= (corners[..., 2] > 0).all(axis=1)
    shown = np.flatnonzero(shown)
    corners = corners.take(shown, axis=0)
    if perspective:
        corners[..., 2] = -1 / corners[..., 2]
    normals = vertex_normals(surface.vertices, surface.faces).nan_to_num()
    color = np.asarray(surface.color, np.float64) / 255
    light = np.ones((len(normals), 4))
    light[:, :3] = _brightness(normals, ambient).numpy()[:, None] * color
    light = light.take(faces.take(shown, axis=0), axis=0)
    vertices = surface.vertices.numpy()
    inner = seen_from_inside(vertices, faces.take(shown, axis=0), perspective)
    light[inner, :, :3] *= BACK_FACE
    return corners, light


def _brightness(normals: Tensor, ambient: float) -> Tensor:
    """Light that a visible surface sends back, (...) in [0, 1]; normals (..., 3)."""
    light = F.normalize(torch.tensor(LIGHT), dim=0)
    lambert = (F.normalize(normals, dim=-1) * light).sum(dim=-1).clamp(min=0)
    return ambient + (1 - ambient) * lambert
