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
from torch import Tensor

from mmhand_dne.geometry.scan_lines import Hits, Planes, find_spans, mean_of, nearest

from .seen_faces import may_be_seen, seen_from_inside, surface_normals

LIGHT = (-0.35, -0.55, -0.76)  # towards the light: from the upper left, before the hand
AMBIENT = 0.35  # share of the light that comes from everywhere
BACK_FACE = 0.4  # share of its brightness that an inner side keeps
SMALL = 128  # pixels of a part's longer side up to which all of it is looked at finely
SAMPLES = 3  # along each side of a pixel, where one does not tell its mean
BEND = 12  # of 255, from which a pixel is off the line between its neighbours
APART = 61  # of 255, between surfaces that are told apart


class Surface(NamedTuple):
    """One mesh as a picture needs it, float32 on the CPU."""

    vertices: Tensor  # (V, 3) metres, camera axes; for the shading only
    points: Tensor  # (V, 3) x, y in pixels (centres at integers) and depth in metres
    faces: Tensor  # (F, 3) int64, wound so that normals point outwards
    color: Sequence  # RGB, 0 to 255: of the whole, or (V, 3) of the vertices
    perspective: bool  # whether the depth divides the points


class Faces(NamedTuple):
    """The F faces of all surfaces that a picture may show, last in memory."""

    corners: np.ndarray  # (F, 3, 3) pixels of the picture, and a depth linear in it
    vertices: np.ndarray  # (F, 3) indices of vertices of the own surface
    surface: np.ndarray  # (F,) its number
    lamp: np.ndarray  # (F, 3) light of the lamp that corners send back, 0 to 1
    kept: np.ndarray  # (F,) share of the light that the side seen sends back

    def take(self, index: np.ndarray) -> 'Faces':
        """Some of them."""
        return Faces(*(part.T.take(index, axis=-1).T for part in self))


class Look(NamedTuple):
    """What n samples of each of P pixels show, and the faces that they count in."""

    hits: Hits
    faces: Faces  # corners in samples
    lamp: np.ndarray  # (n, P) float32, light of the lamp that is sent back, 0 to 1
    kept: np.ndarray  # (n, P) float32, share of all light that is; 0 of nothing

    def light(self, ambient: float) -> np.ndarray:
        """Light (n, P) that is sent back, of which a share comes from everywhere."""
        return ambient * self.kept + (1 - ambient) * self.lamp

    def of_face(self, values: np.ndarray, nothing: float) -> np.ndarray:
        """What of values (F,) samples (n, P) show."""
        spans = self.hits.spans.face
        return np.append(values.take(spans), nothing).take(self.hits.span)


class View(NamedTuple):
    """What a picture shows of surfaces, whatever their colours."""

    corner: np.ndarray  # (2,) x, y of its first pixel in the frame of the surfaces
    coverage: np.ndarray  # (h, w) float32 in [0, 1], the share of each that is covered
    looks: Sequence[Look]  # later ones replace what earlier ones saw of a pixel

    def shade(self, colors: Sequence, ambient: float) -> np.ndarray:
        """(h, w, 3) float32 RGB in [0, 1], multiplied by the coverage.

        Args:
            colors: of each surface, RGB or (V, 3) of its vertices, 0 to 255.
            ambient: share of the light that comes from everywhere.
        """
        plain = all(np.ndim(color) == 1 for color in colors)
        kinds = list(dict.fromkeys(map(tuple, colors))) if plain else range(3)
        planes = np.zeros((len(kinds), self.coverage.size), np.float32)
        for look in self.looks:
            light = look.light(ambient)
            if plain:  # of each colour the light of the surfaces that have it
                own = [kinds.index(tuple(color)) for color in colors]
                parts = _of_kinds(look, light, np.array(own), len(kinds))
            else:
                corners = _corner_colors(look.faces, colors)
                planes_of = Planes.through(look.faces.corners, corners)
                parts = (light * part for part in planes_of.samples(look.hits))
            for plane, part in zip(planes, parts):
                plane[look.hits.pixel] = mean_of(part)
        if plain:  # by a product of matrices where there are several
            mixed = (np.array(kinds, np.float32) / 255).T
            planes = mixed * planes if len(kinds) == 1 else mixed @ planes
        return cv2.merge([plane.reshape(self.coverage.shape) for plane in planes])

    def in_front(self) -> np.ndarray:
        """The number of the surface in the middle of each pixel (h, w), -1 of none."""
        number = np.full(self.coverage.size, -1)
        look = self.looks[0]  # at all pixels
        seen = look.of_face(look.faces.surface, -1)
        number[look.hits.pixel] = seen[len(seen) // 2]
        return number.reshape(self.coverage.shape)


def _of_kinds(
    look: Look, light: np.ndarray, own: np.ndarray, count: int
) -> list[np.ndarray]:
    """Light (n, P) of the surfaces of each kind.

    Args:
        own: kind of each surface.
        count: of kinds.
    """
    if count == 1:
        return [light]
    kind = look.of_face(own.take(look.faces.surface), -1)
    return [light * (kind == number) for number in range(count)]


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
    faces = Faces(
        *(np.concatenate([one.T for one in part], axis=-1).T for part in zip(*shown))
    )
    # Pixel centres are at integers: the frame spans -0.5 to size - 0.5.
    for flat, start, scale in zip(faces.corners.T, corner, zoom):
        flat += 0.5 - start
        flat *= scale
        flat -= 0.5
    coverage, looks = np.zeros(size, np.float32), []
    if samples == 1 or max(size) > SMALL:
        looks.append(_look(faces, size))
        coverage.ravel()[looks[0].hits.pixel] = 1
    if samples > 1:
        chosen = _bent(looks[0], size) if looks else np.ones(size, bool)
        looks.append(_look(faces, size, chosen, samples))
        seen = (looks[-1].hits.span >= 0).sum(axis=0, dtype=np.float32)
        coverage.ravel()[looks[-1].hits.pixel] = seen / samples**2
    return View(np.asarray(corner), coverage, looks)


def brightness(normals: np.ndarray) -> np.ndarray:
    """Lamp light that vertices send back, (V,) in [0, 1]; normals (3, V) of any length,
    of which none means none.
    """
    light = np.array(LIGHT) / np.linalg.norm(LIGHT) @ normals
    length = np.sqrt((normals**2).sum(axis=0))
    return np.nan_to_num(light / np.maximum(length, 1e-12)).clip(min=0)


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
    if chosen is not None:
        faces = faces.take(np.flatnonzero(_touching(faces.corners, chosen)))
        flat = faces.corners.T[:2]
        flat[:] = samples * flat + (samples - 1) / 2
    corners = faces.corners
    spans = find_spans(corners, tuple(samples * side for side in size))
    planes = Planes.through(corners, np.stack([corners.T[2], faces.lamp.T]).T)
    depth, lamp = (Planes(*(part[i : i + 1] for part in planes)) for i in range(2))
    hits = nearest(spans, depth, size, chosen, samples)
    kept = np.append(faces.kept.astype(np.float32).take(hits.spans.face), 0)
    [light] = lamp.samples(hits)
    kept = kept.take(hits.span)
    return Look(hits, faces, light.clip(0, 1) * kept, kept)


def _touching(corners: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Faces (F,) of corners (F, 3, 3) whose box meets one of the pixels (h, w)."""
    total = cv2.integral(chosen.view(np.uint8))
    x, y = corners.T[:2] + 0.5
    (left, right), (top, bottom) = (
        (
            np.floor(along.min(axis=0)).clip(0, side).astype(np.int64),
            np.ceil(along.max(axis=0)).clip(0, side).astype(np.int64),
        )
        for along, side in ((x, chosen.shape[1]), (y, chosen.shape[0]))
    )
    top, bottom, total = (
        (chosen.shape[1] + 1) * top,
        (chosen.shape[1] + 1) * bottom,
        total.ravel(),
    )
    inside = total.take(bottom + right) - total.take(top + right)
    return inside - total.take(bottom + left) + total.take(top + left) > 0


def _bent(look: Look, size: tuple[int, int]) -> np.ndarray:
    """Pixels (h, w) that are off the line between their neighbours, in the row or in
    the column, in white or since they are another surface's.
    """
    planes, faces = [255 * look.light(AMBIENT)[0]], look.faces
    if len(faces.surface) and faces.surface[0] != faces.surface[-1]:
        planes.append(look.of_face((1 + faces.surface) * APART % 256, 0)[0])
    bent = np.zeros(size, bool)
    for values in planes:
        plane = np.zeros(size, np.uint8)
        plane.ravel()[look.hits.pixel] = values
        wide = cv2.copyMakeBorder(plane, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        wide = wide.astype(np.int16)
        twice = 2 * wide[1:-1, 1:-1]
        bent |= np.abs(wide[:-2, 1:-1] + wide[2:, 1:-1] - twice) > BEND
        bent |= np.abs(wide[1:-1, :-2] + wide[1:-1, 2:] - twice) > BEND
    return bent


def _shown_faces(surface: Surface, number: int) -> Faces:
    """The faces that may be seen.

    Depths of a pinhole camera become -1 / depth, which is linear in the picture.
    """
    faces, perspective = surface.faces.numpy(), surface.perspective
    points, vertices = surface.points.numpy(), surface.vertices.numpy()
    index = np.ascontiguousarray(faces.T)
    corners = np.take(points.T.astype(np.float64), index, axis=1)
    shown = may_be_seen(points, faces, corners.T, perspective)
    if not np.isfinite(points).all():
        shown &= np.isfinite(corners).all(axis=(0, 1))
    if perspective:
        shown &= (corners[2] > 0).all(axis=0)
    shown = np.flatnonzero(shown)
    own, normals = surface_normals(vertices, faces)
    inner = seen_from_inside(vertices, index, own, perspective)
    kept = np.where(inner.take(shown), BACK_FACE, 1.0)
    corners, index = corners.take(shown, axis=2), index.take(shown, axis=1)
    if perspective:
        corners[2] = -1 / corners[2]
    lamp = brightness(normals).take(index).T
    return Faces(corners.T, index.T, np.full(len(shown), number), lamp, kept)
