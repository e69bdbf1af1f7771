"""What a picture shows of surfaces: which face, in what light, how much of each pixel.

Light is computed at the vertices. A pixel is first looked at once; only those off the
line between their neighbours, at outlines and edges inside, are looked at in more
places: where light changes evenly the middle of a pixel has its mean already. Colours
come last, so that one view serves a mesh in several of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmhand_dne.geometry.mesh import vertex_normals
from mmhand_dne.geometry.scan_lines import Hits, Planes, find_spans, nearest

from .seen_faces import farthest, may_be_seen, seen_from_inside

LIGHT = (-0.35, -0.55, -0.76)  # towards the light: from the upper left, before the hand
AMBIENT = 0.35  # share of the light that comes from everywhere
BACK_FACE = 0.4  # share of its brightness that an inner side keeps
SMALL = 128  # pixels of a part's longer side up to which all of it is looked at finely
SAMPLES = 3  # along each side of a pixel, where one does not tell its mean
BEND = 12  # of 255, from which a pixel is off the line between its neighbours
BENDING = np.array([[1.0, -2.0, 1.0]])  # how much it is, in a row
APART = 61  # of 255, between surfaces that are told apart


class Surface(NamedTuple):
    """One mesh as a picture needs it, float32 on the CPU."""

    vertices: Tensor  # (V, 3) metres, camera axes; for the shading only
    points: Tensor  # (V, 3) x, y in pixels (centres at integers) and depth in metres
    faces: Tensor  # (F, 3) int64, wound so that normals point outwards
    color: Sequence  # RGB, 0 to 255: of the whole, or (V, 3) of the vertices
    perspective: bool  # whether the depth divides the points


class Faces(NamedTuple):
    """The F faces of all surfaces that a picture may show."""

    corners: np.ndarray  # (F, 3, 3) pixels of the picture, and a depth linear in it
    vertices: np.ndarray  # (F, 3) indices of vertices of the own surface
    surface: np.ndarray  # (F,) its number
    lambert: np.ndarray  # (F, 3) light from the lamp at the corners, 0 to 1
    kept: np.ndarray  # (F,) share of the light that the side seen sends back

    def take(self, index: np.ndarray) -> 'Faces':
        """Some of them."""
        return Faces(*(part.take(index, axis=0) for part in self))


class Look(NamedTuple):
    """What samples of some pixels show, and the faces that they count in."""

    hits: Hits
    faces: Faces  # corners in samples

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Means (C, P) over pixels of values (F, 3, C) at the corners."""
        return Planes.through(self.faces.corners, values).mean(self.hits)


class View(NamedTuple):
    """What a picture shows of surfaces, whatever their colours."""

    corner: np.ndarray  # (2,) x, y of its first pixel in the frame of the surfaces
    coverage: np.ndarray  # (h, w) float32 in [0, 1], the share of each that is covered
    looks: Sequence[Look]  # later ones replace what earlier ones saw of a pixel

    def shade(self, colors: Sequence, ambient: float) -> np.ndarray:
        """(3, h, w) float32 RGB in [0, 1], multiplied by the coverage.

        Args:
            colors: of each surface, RGB or (V, 3) of its vertices, 0 to 255.
            ambient: share of the light that comes from everywhere.
        """
        plain = all(np.ndim(color) == 1 for color in colors)
        kinds = list(dict.fromkeys(map(tuple, colors))) if plain else []
        if not 0 < len(kinds) < 3:  # three channels, of each corner's own colour
            return self._planes(3, colors, ambient)
        # A channel for each colour: the light of the surfaces that have it.
        marks = [[float(tuple(color) == kind) for kind in kinds] for color in colors]
        planes = self._planes(len(kinds), 255 * np.array(marks), ambient)
        mixed = (np.array(kinds, np.float32) / 255).T @ planes.reshape(len(kinds), -1)
        return mixed.reshape(3, *self.coverage.shape)

    def _planes(self, count: int, colors: Sequence, ambient: float) -> np.ndarray:
        planes = np.zeros((count, *self.coverage.shape), np.float32)
        for look in self.looks:
            faces = look.faces
            light = (ambient + (1 - ambient) * faces.lambert) * faces.kept[:, None]
            values = light[..., None] * _corner_colors(faces, colors)
            for plane, seen in zip(planes, look.mean(values)):
                plane.ravel()[look.hits.pixel] = seen.clip(0, 1)
        return planes


def look_at(
    surfaces: Sequence[Surface],
    size: tuple[int, int],
    zoom: tuple[float, float] = (1.0, 1.0),
    samples: int = SAMPLES,
    corner: Sequence[float] = (0, 0),
) -> View:
    """What a picture shows of surfaces of one kind of camera.

    Args:
        surfaces: at least one.
        size: (h, w) of the picture.
        zoom: pixels of the picture to one of the surfaces' frame, x and y.
        samples: along each side of a pixel, where one does not tell.
        corner: x, y of the picture's first pixel in the surfaces' frame.
    """
    shown = [_shown_faces(surface, i) for i, surface in enumerate(surfaces)]
    faces = Faces(*(np.concatenate(part) for part in zip(*shown)))
    # Pixel centres are at integers: the frame spans -0.5 to size - 0.5.
    flat = faces.corners[..., :2]
    flat[:] = (flat - corner + 0.5) * zoom - 0.5
    coverage, looks = np.zeros(size, np.float32), []
    if samples == 1 or max(size) > SMALL:
        looks.append(_look(faces, size))
        coverage.ravel()[looks[0].hits.pixel] = 1
    if samples > 1:
        chosen = _bent(looks[0], size) if looks else np.ones(size, bool)
        looks.append(_look(faces, size, chosen, samples))
        hits = looks[-1].hits
        coverage.ravel()[hits.pixel] = (hits.span >= 0).mean(axis=0)
    return View(np.asarray(corner), coverage, looks)


def brightness(normals: Tensor) -> Tensor:
    """Lamp light that a surface sends back, (...) in [0, 1]; normals (..., 3)."""
    light = F.normalize(torch.tensor(LIGHT), dim=0)
    return (F.normalize(normals, dim=-1) * light).sum(dim=-1).clamp(min=0)


def _corner_colors(faces: Faces, colors: Sequence) -> np.ndarray:
    """Colours (F, 3, C) in [0, 1] of corners, (F, 1, C) where each surface has one."""
    if all(np.ndim(color) == 1 for color in colors):
        return np.asarray(colors, np.float64)[faces.surface, None] / 255
    # The vertices of all surfaces in one list.
    counts = [1 if np.ndim(color) == 1 else len(color) for color in colors]
    table = np.concatenate([np.reshape(color, (-1, 3)) for color in colors]) / 255
    first = np.cumsum([0, *counts[:-1]])[faces.surface, None]
    own = np.array(counts)[faces.surface, None] > 1
    return table.take(first + faces.vertices * own, axis=0)


def _look(
    faces: Faces,
    size: tuple[int, int],
    chosen: np.ndarray | None = None,
    samples: int = 1,
) -> Look:
    """What is nearest at the samples of pixels (h, w), see :func:`nearest`."""
    corners = faces.corners
    if chosen is not None:
        touching = np.flatnonzero(_touching(corners, chosen))
        corners = corners.take(touching, axis=0)
        corners[..., :2] = samples * (corners[..., :2] + 0.5) - 0.5
        faces = faces.take(touching)._replace(corners=corners)
    spans = find_spans(corners, tuple(samples * side for side in size))
    depth = Planes.through(corners, corners[..., 2:])
    return Look(nearest(spans, depth, size, chosen, samples), faces)


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


def _bent(look: Look, size: tuple[int, int]) -> np.ndarray:
    """Pixels (h, w) that are off the line between their neighbours, in the row or in
    the column, in white or since they are another surface's.
    """
    faces, hits = look.faces, look.hits
    light = (AMBIENT + (1 - AMBIENT) * faces.lambert) * faces.kept[:, None]
    planes = [np.zeros(size, np.uint8)]
    planes[0].ravel()[hits.pixel] = 255 * look.mean(light[..., None])[0].clip(0, 1)
    if len(faces.surface) and faces.surface[0] != faces.surface[-1]:
        mark = (1 + faces.surface) * APART % 256
        planes.append(np.zeros(size, np.uint8))
        planes[1].ravel()[hits.pixel] = mark.take(hits.spans.face.take(hits.span[0]))
    bent = np.zeros(size, np.uint8)
    for plane in planes:
        for kernel in (BENDING, BENDING.T):
            off = cv2.filter2D(
                plane, cv2.CV_16S, kernel, borderType=cv2.BORDER_REPLICATE
            )
            bent = cv2.max(bent, cv2.convertScaleAbs(off))
    return bent > BEND


def _shown_faces(surface: Surface, number: int) -> Faces:
    """The faces that may be seen.

    Depths of a pinhole camera become -1 / depth, which is linear in the picture.
    """
    faces, perspective = surface.faces.numpy(), surface.perspective
    points = surface.points.numpy()
    corners = points.astype(np.float64).take(faces, axis=0)
    shown = may_be_seen(points, faces, corners, perspective)
    shown &= np.isfinite(corners.sum(axis=(1, 2)))
    if perspective:
        shown &= (corners[..., 2] > 0).all(axis=1)
    shown = np.flatnonzero(shown)
    corners, faces = corners.take(shown, axis=0), faces.take(shown, axis=0)
    if perspective:
        corners[..., 2] = -1 / corners[..., 2]
    normals = vertex_normals(surface.vertices, surface.faces).nan_to_num()
    lambert = brightness(normals).double().numpy().take(faces)
    inner = seen_from_inside(surface.vertices.numpy(), faces, perspective)
    kept = np.where(inner, BACK_FACE, 1.0)
    return Faces(corners, faces, np.full(len(faces), number), lambert, kept)
