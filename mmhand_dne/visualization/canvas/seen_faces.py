"""Which faces of a mesh the camera may see, before any pixel is looked at."""

from functools import lru_cache

import numpy as np


def may_be_seen(
    points: np.ndarray, faces: np.ndarray, corners: np.ndarray, perspective: bool
) -> np.ndarray:
    """Faces (F,) that something of the picture may show.

    Who looks from outside sees the inner side of a surface only through its openings:
    a ray meets an outer side first, unless it came in where there is no face. So faces
    that turn their inner side to the camera count where an opening is before them.

    Args:
        points: (V, 3) x, y in pixels and depth in metres.
        faces: (F, 3) indices of points, wound so that normals point outwards.
        corners: (F, 3, 3) the points of the faces, float64.
        perspective: whether the depth divides the points.
    """
    middle = points.mean(axis=0, dtype=np.float64)
    (ax, ay, az), (bx, by, bz) = (corners[:, i].T - corners[:, 0].T for i in (1, 2))
    px, py, pz = (corners[:, 0] - middle).T
    facing = ax * by - ay * bx
    # Six times the volume that the faces wind around.
    volume = px * (ay * bz - az * by) + py * (az * bx - ax * bz) + pz * facing
    if not volume.sum() > 0:  # inside out, flat, or not finite
        return np.ones(len(corners), bool)
    front = facing < 0
    rim = points[list(_rim(faces.tobytes(), str(faces.dtype)))]
    if not len(rim):
        return front
    behind = perspective and bool((corners[..., 2] <= 0).any())
    if behind or not np.isfinite(rim).all():
        return np.ones(len(corners), bool)
    low, high = rim[:, :2].min(axis=0), rim[:, :2].max(axis=0)
    flat = corners[..., :2]
    over = (farthest(np.maximum, flat) >= low) & (farthest(np.minimum, flat) <= high)
    return front | over.all(axis=-1)


@lru_cache(maxsize=16)
def _rim(faces: bytes, kind: str) -> tuple[int, ...]:
    """Vertices at the openings of a mesh of faces, given as bytes: those of edges that
    one face alone has.
    """
    faces = np.frombuffer(faces, kind).reshape(-1, 3)
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    number = edges[:, 0] * (faces.max(initial=0) + 1) + edges[:, 1]
    _, where, count = np.unique(number, return_index=True, return_counts=True)
    return tuple(np.unique(edges[where[count == 1]]).tolist())


def seen_from_inside(
    vertices: np.ndarray, faces: np.ndarray, perspective: bool
) -> np.ndarray:
    """Faces (F,) that turn their inner side to the camera.

    Args:
        vertices: (V, 3) metres, camera axes.
        faces: (F, 3) indices of vertices.
        perspective: as of :func:`may_be_seen`.
    """
    a, b, c = vertices.take(faces.T, axis=0)
    if not perspective:
        (ux, uy), (vx, vy) = (b - a)[:, :2].T, (c - a)[:, :2].T
        return ux * vy - uy * vx > 0
    return (np.cross(b - a, c - a) * a).sum(axis=-1) > 0


def farthest(which: np.ufunc, corners: np.ndarray) -> np.ndarray:
    """Of each coordinate of corners (F, 3, ...) the least or the most, (F, ...).

    Args:
        which: ``np.minimum`` or ``np.maximum``.
    """
    return which(which(corners[:, 0], corners[:, 1]), corners[:, 2])
