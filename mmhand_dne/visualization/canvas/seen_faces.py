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
    (ax, ay, az), (bx, by, bz) = (corners.T[:, i] - corners.T[:, 0] for i in (1, 2))
    px, py, pz = (corners.T[:, 0].T - middle).T
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
    over = front
    for along, ends in zip(corners.T[:2], rim.T):
        near = (along.max(axis=0) >= ends.min()) & (along.min(axis=0) <= ends.max())
        over = near if over is front else over & near
    return front | over


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


def surface_normals(
    vertices: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Normals of faces (3, F), as long as twice their area, and of vertices (3, V),
    their sums, float64; outwards.

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3) indices of vertices.
    """
    index = np.ascontiguousarray(faces.T)
    a, b, c = np.take(vertices.T.astype(np.float64), index, axis=1).swapaxes(0, 1)
    (ux, uy, uz), (vx, vy, vz) = b - a, c - a
    own = np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])
    index, count = index.ravel(), len(vertices)
    sums = [np.bincount(index, np.tile(part, 3), count) for part in own]
    return own, np.stack(sums)


def seen_from_inside(
    vertices: np.ndarray, index: np.ndarray, normals: np.ndarray, perspective: bool
) -> np.ndarray:
    """Faces (F,) that turn their inner side to the camera.

    Args:
        vertices: (V, 3) metres, camera axes.
        index: (3, F) indices of vertices.
        normals: (3, F) of the faces, outwards.
        perspective: as of :func:`may_be_seen`.
    """
    if not perspective:
        return normals[2] > 0
    return (normals * vertices.T.take(index[0], axis=1)).sum(axis=0) > 0
