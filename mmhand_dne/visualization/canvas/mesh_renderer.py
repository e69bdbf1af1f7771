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
import torch.nn.functional as F
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import ndc_to_pixels, project, project_perspective
from mmhand_dne.geometry.mesh import face_normals, vertex_normals
from mmhand_dne.geometry.rasterize import front_facing, interpolate, rasterize

# Okabe and Ito's blue and orange: told apart in every common form of colour blindness.
RIGHT_COLOR = (86, 180, 233)
LEFT_COLOR = (230, 159, 0)
HAND_COLORS = (RIGHT_COLOR, LEFT_COLOR)

LIGHT = (-0.35, -0.55, -0.76)  # towards the light: from the upper left, before the hand
AMBIENT = 0.35  # share of the light that comes from everywhere
BACK_FACE = 0.4  # share of its brightness that an inner side keeps
EXACT = 128  # pixels of a part's longer side up to which all of it is drawn in full
LAYER = 192  # pixels that the shading of a larger part is drawn with [decided]
OUTLINE = 2  # samples along each side of a pixel, of outlines
FRACTION = 4  # bits of a pixel in which OpenCV places corners
FARTHEST = 1e5  # pixels from the picture that corners may lie
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
    supersample: int = 2,
    ambient: float = AMBIENT,
) -> Rendering:
    """Shade surfaces with a Lambert term and an ambient one, in one z-buffer.

    Args:
        surfaces: all of perspective cameras, or all of orthographic ones.
        size: (h, w) of the frame in which the surfaces' points are pixels.
        scale: output pixels per pixel of that frame.
        supersample: samples along each side of an output pixel.
        ambient: share of the light that comes from everywhere.
    Returns: Rendering of round(scale h) x round(scale w) pixels.
    Raises:
        ValueError: if the two kinds of camera are mixed.
    """
    height, width = (round(scale * side) for side in size)
    if not surfaces:
        return Rendering(
            np.zeros((height, width, 3), np.float32),
            np.zeros((height, width), np.float32),
        )
    if len({surface.perspective for surface in surfaces}) > 1:
        raise UserError(
            'render_mesh got perspective and orthographic surfaces together, expected '
            'one kind: their depths do not compare; render them apart'
        )
    shaded, covered = _shade(surfaces, (height, width), size, supersample, ambient)
    color = F.avg_pool2d(shaded, supersample)[0].permute(1, 2, 0).numpy()
    coverage = F.avg_pool2d(covered, supersample)[0, 0].numpy()
    return Rendering(color, coverage)


def render_overlay(
    image: np.ndarray,
    surfaces: Sequence[Surface],
    alpha: float = 0.85,
    scale: float = 1.0,
    supersample: int = 2,
    ambient: float = AMBIENT,
) -> np.ndarray:
    """Blend shaded surfaces over an image; pixels that no surface covers stay.

    Args:
        image: (h, w, 3) uint8 RGB, the frame in which the surfaces' points are pixels.
        surfaces: as in ``render_mesh``; none gives the (resized) image.
        alpha: opacity of the surfaces, 0 to 1.
        scale: output pixels per pixel of the image.
        supersample: samples along each side of an output pixel.
        ambient: share of the light that comes from everywhere; more of it keeps
            colours that have a meaning closer to their legend.
    Returns: (round(scale h), round(scale w), 3) uint8 RGB.
    Raises:
        ValueError: if the image is not (h, w, 3) uint8.
    """
    check_image(image)
    rendering = render_mesh(surfaces, image.shape[:2], scale, supersample, ambient)
    height, width = rendering.coverage.shape
    background = resize(image, (height, width))
    opacity = alpha * rendering.coverage[..., None]
    blended = background * (1 - opacity) + 255 * alpha * rendering.color
    blended = np.rint(blended).clip(0, 255).astype(np.uint8)
    return np.where(opacity > 0, blended, background)


def paint(
    picture: np.ndarray,
    surfaces: Sequence[Surface],
    alpha: float,
    ambient: float = AMBIENT,
) -> np.ndarray:
    """Shaded surfaces over a picture; only the part that they cover is worked on.

    Where that is larger than EXACT, what the surfaces look like is drawn with one
    sample a pixel and LAYER pixels at most, and where they are, their outline, in full:
    so a large picture costs hardly more than a small one.

    Args:
        picture: (h, w, 3) uint8 RGB, in whose pixels the surfaces' points are.
        surfaces: as in ``render_mesh``; points that are not finite are not drawn.
        alpha: opacity, 0 to 1.
        ambient: as in ``render_mesh``.
    """
    low, high = _covered_corners(surfaces, picture.shape[:2])
    if (high <= low).any():
        return picture
    shift = torch.tensor([*low, 0.0], dtype=torch.float32)
    moved = [surface._replace(points=surface.points - shift) for surface in surfaces]
    part = (slice(low[1], high[1]), slice(low[0], high[0]))
    picture = picture.copy()
    if max(high - low) <= EXACT:
        picture[part] = render_overlay(picture[part], moved, alpha, ambient=ambient)
        return picture
    color, coverage = enlarged_layer(moved, picture[part].shape[:2], ambient)
    opacity = alpha * coverage[..., None]
    blended = picture[part] * (1 - opacity) + 255 * opacity * color
    picture[part] = np.rint(blended).clip(0, 255).astype(np.uint8)
    return picture


def enlarged_layer(
    surfaces: Sequence[Surface], size: tuple[int, int], ambient: float = AMBIENT
) -> tuple[np.ndarray, np.ndarray]:
    """Surfaces with shading of LAYER pixels at most and outlines of full size.

    Args:
        surfaces, ambient: as in ``render_mesh``.
        size: (h, w) of the frame in which the surfaces' points are pixels.
    Returns: RGB (h, w, 3) in [0, 1], not multiplied by the coverage, and the coverage
        (h, w) in [0, 1]; float32.
    """
    scale = min(1.0, LAYER / max(size))
    small = render_mesh(surfaces, size, scale, supersample=1, ambient=ambient)
    # Beyond the edge of the small picture its colours go on.
    around, weight = (cv2.blur(part, (5, 5)) for part in small)
    inside = small.coverage > 0
    color = np.where(inside[..., None], small.color, around)
    color /= np.maximum(np.where(inside, small.coverage, weight), 1e-6)[..., None]
    color = cv2.resize(color, size[::-1], interpolation=cv2.INTER_LINEAR)
    return color, outline(surfaces, size)


def outline(surfaces: Sequence[Surface], size: tuple[int, int]) -> np.ndarray:
    """The share of each pixel that surfaces cover, (h, w) float32 in [0, 1]."""
    height, width = size
    mask = np.zeros((OUTLINE * height, OUTLINE * width), np.uint8)
    for surface in surfaces:
        corners = surface.points.numpy()[surface.faces.numpy()].astype(np.float64)
        usable = np.isfinite(corners).all(axis=(1, 2)) & _may_be_seen(surface).numpy()
        if surface.perspective:
            usable &= (corners[..., 2] > 0).all(axis=1)
        pixels = OUTLINE * (corners[usable, :, :2] + 0.5) - 0.5
        pixels = np.rint(pixels.clip(-FARTHEST, FARTHEST) * 2**FRACTION)
        for triangle in pixels.astype(np.int32):
            cv2.fillConvexPoly(mask, triangle, 255, shift=FRACTION)
    small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def _covered_corners(
    surfaces: Sequence[Surface], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x, y, (2,) whole pixels, of surfaces in a picture (h, w)."""
    points = torch.cat([surface.points for surface in surfaces])[:, :2]
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


def _shade(
    surfaces: Sequence[Surface],
    out_size: tuple[int, int],
    size: tuple[int, int],
    supersample: int,
    ambient: float,
) -> tuple[Tensor, Tensor]:
    """Colours (1, 3, k h, k w), zero where empty, and coverage (1, 1, k h, k w)."""
    fine = tuple(supersample * side for side in out_size)
    points, faces, values = _join(surfaces)
    # Pixel centres are at integers: the frame spans -0.5 to size - 0.5.
    zoom = torch.tensor([fine[1] / size[1], fine[0] / size[0]])
    points = torch.cat([(points[:, :2] + 0.5) * zoom - 0.5, points[:, 2:]], dim=-1)
    shown = torch.cat([_may_be_seen(surface) for surface in surfaces])
    fragments = rasterize(
        points[None], faces, fine, shown[None], surfaces[0].perspective
    )
    seen = interpolate(fragments, faces, values[None])[0]
    covered = (fragments.face[0] >= 0).float()
    inner = torch.cat([_seen_from_inside(s) for s in surfaces])[fragments.face[0]]
    brightness = _brightness(seen[..., :3], ambient) * covered
    brightness = brightness * torch.where(inner, BACK_FACE, 1.0)
    shaded = seen[..., 3:] * brightness[..., None]
    return shaded.permute(2, 0, 1)[None], covered[None, None]


def _join(surfaces: Sequence[Surface]) -> tuple[Tensor, Tensor, Tensor]:
    """Points (N, 3), faces (M, 3) and values (N, 6: normal, colour) of one mesh."""
    offsets = np.cumsum([0] + [len(surface.points) for surface in surfaces])
    faces = [s.faces + int(first) for s, first in zip(surfaces, offsets[:-1])]
    values = []
    for surface in surfaces:
        color = torch.as_tensor(surface.color, dtype=torch.float32) / 255
        normals = vertex_normals(surface.vertices, surface.faces).nan_to_num()
        values.append(torch.cat([normals, color.expand_as(normals)], dim=-1))
    points = torch.cat([surface.points for surface in surfaces])
    return points, torch.cat(faces), torch.cat(values)


def _brightness(normals: Tensor, ambient: float) -> Tensor:
    """Light that a visible surface sends back, (...) in [0, 1]; normals (..., 3)."""
    light = F.normalize(torch.tensor(LIGHT), dim=0)
    lambert = (F.normalize(normals, dim=-1) * light).sum(dim=-1).clamp(min=0)
    return ambient + (1 - ambient) * lambert


def _may_be_seen(surface: Surface) -> Tensor:
    """Faces (F,) that something of the picture may show.

    Who looks from outside sees the inner side of a surface only through its openings:
    a ray meets an outer side first, unless it came in where there is no face. So faces
    that turn their inner side to the camera count where an opening is before them.
    """
    front = front_facing(surface.points[None], surface.faces)[0]
    if not _volume(surface) > 0:  # inside out, flat, or not finite
        return torch.ones_like(front)
    edges = torch.cat([surface.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    edges, count = torch.unique(edges.sort(dim=1).values, dim=0, return_counts=True)
    rim = surface.points[edges[count == 1].flatten()]
    if not len(rim):
        return front
    behind = surface.perspective and bool((surface.points[:, 2] <= 0).any())
    if behind or not rim.isfinite().all():
        return torch.ones_like(front)
    corners = surface.points[surface.faces][..., :2]
    low, high = rim[:, :2].amin(dim=0), rim[:, :2].amax(dim=0)
    over = (corners.amax(dim=1) >= low) & (corners.amin(dim=1) <= high)
    return front | over.all(dim=-1)


def _volume(surface: Surface) -> float:
    """Six times the volume that the faces wind around, in the unit of the points."""
    points = surface.points - surface.points.mean(dim=0)
    a, b, c = points[surface.faces].unbind(dim=1)
    return float((a * torch.linalg.cross(b, c)).sum())


def _seen_from_inside(surface: Surface) -> Tensor:
    """Faces (F,) that turn their inner side to the camera."""
    normals = face_normals(surface.vertices, surface.faces)
    if not surface.perspective:
        return normals[:, 2] > 0
    return (normals * surface.vertices[surface.faces[:, 0]]).sum(dim=-1) > 0
