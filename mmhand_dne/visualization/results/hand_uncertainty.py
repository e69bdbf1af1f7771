"""A hand's error bars as geometry: deviations of its vertices, ellipsoids at joints."""

from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
import scipy

from mmhand_dne.structures.hand_result import HandResult
from mmhand_dne.visualization.canvas.drawing import bones

ELLIPSOID_SHARE = 0.5  # probability that the true joint is inside its ellipsoid
# A Gaussian in three dimensions has this much inside so many standard deviations; one
# standard deviation would hold a fifth only.
ELLIPSOID_RADIUS = 1.5381722544550522  # root of chi-squared's quantile
OUTLINE_POINTS = 36  # of an ellipsoid's outline
SMOOTHING_STEPS = 3  # of the vertices' values over the edges


def vertex_deviation(
    vertices: np.ndarray, joints: np.ndarray, joint_std: np.ndarray, faces: np.ndarray
) -> np.ndarray:
    """Standard deviation of each vertex, (V,) millimetres, from those of the joints.

    A vertex takes the value of the nearest point of the skeleton, between the joints
    at the bone's ends linearly along it, then the mean with its neighbours, three
    times. [decided] Skinning weights would need the model's file, know nothing of
    fingertips, and paint whole phalanges alike.

    Args:
        vertices: (V, 3) metres.
        joints: (21, 3) metres, the same frame, OpenPose order.
        joint_std: (21,) millimetres.
        faces: (F, 3) indices of vertices.
    """
    ends = np.array(bones())
    joints = joints.astype(np.float64)
    start, along = joints[ends[:, 0]], joints[ends[:, 1]] - joints[ends[:, 0]]
    length = np.maximum((along**2).sum(axis=-1), 1e-12)  # square metres
    # The nearest point of each bone, then the nearest bone: the square of the way there
    # less that from the origin, which is the same for all bones.
    points = vertices.astype(np.float64)
    way = points @ along.T - (start * along).sum(axis=-1)  # (V, bones)
    share = (way / length).clip(0, 1)
    apart = (start**2).sum(axis=-1) - 2 * points @ start.T
    bone = (apart + share * (share * length - 2 * way)).argmin(axis=1)
    share = share[np.arange(len(vertices)), bone]
    # Linear between the joints at its ends.
    std = np.asarray(joint_std, dtype=np.float64)
    values = (1 - share) * std[ends[bone, 0]] + share * std[ends[bone, 1]]
    return _smooth(values, faces)


def hand_deviation(hand: HandResult) -> np.ndarray | None:
    """As :func:`vertex_deviation` of a hand, found once; None without error bars."""
    if hand.joint_std is None:
        return None
    if hand not in _FOUND:
        args = hand.vertices, hand.joints, hand.joint_std, hand.faces
        _FOUND[hand] = vertex_deviation(*args)
    return _FOUND[hand]


_FOUND: WeakKeyDictionary[HandResult, np.ndarray] = WeakKeyDictionary()


def usable_joints(covariance: np.ndarray) -> np.ndarray:
    """Indices (K,) of the joints that have an ellipsoid.

    The wrist, to which the others are relative, has none, and nor has a joint whose
    block is not finite.

    Args:
        covariance: (21, 3, 3) square metres, each joint's own block.
    """
    known = np.isfinite(covariance).all(axis=(1, 2))
    return np.flatnonzero(known & (np.trace(covariance, axis1=1, axis2=2) > 0))


def ellipsoid_outlines(axes: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """What an affine camera sees ellipsoids end at: (..., OUTLINE_POINTS, 2), ellipses.

    The image of the unit sphere under a map of rank two is an ellipse, whose half-axes
    are the map's singular vectors times its singular values.

    Args:
        axes: (..., 3, 3) metres, as of ``ellipsoid_axes``.
        camera: (3, 2), a step in metres times it is the step in pixels.
    Returns: pixels from the ellipsoids' middles.
    """
    directions, lengths, _ = np.linalg.svd(camera.T @ axes)
    angles = np.linspace(0, 2 * np.pi, OUTLINE_POINTS, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return circle * lengths[..., None, :] @ directions.swapaxes(-2, -1)


def ellipsoid_axes(blocks: np.ndarray) -> np.ndarray:
    """The maps (..., 3, 3), metres, from the unit sphere to joints' ellipsoids.

    Args:
        blocks: (..., 3, 3) covariances, square metres.
    """
    variances, axes = np.linalg.eigh(blocks)
    # Mirrored axes would wind the faces inwards.
    axes = axes * np.where(np.linalg.det(axes) < 0, -1, 1)[..., None, None]
    return ELLIPSOID_RADIUS * axes * np.sqrt(variances.clip(min=0))[..., None, :]


@lru_cache(maxsize=4)
def unit_sphere(subdivisions: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """A subdivided octahedron: vertices (N, 3) of length 1, faces (M, 3) outwards.

    Two subdivisions give 66 vertices and 128 faces.
    """
    points = [tuple(s * e) for e in np.eye(3) for s in (1.0, -1.0)]
    faces = [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4),
             (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]  # fmt: skip
    for _ in range(subdivisions):
        index: dict[tuple[int, int], int] = {}
        finer = []
        for a, b, c in faces:
            ab, bc, ca = (
                _middle(points, index, *pair) for pair in ((a, b), (b, c), (c, a))
            )
            finer += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        faces = finer
    found = np.array(points), np.array(faces)
    for array in found:
        array.flags.writeable = False  # every caller gets the same
    return found


def _middle(points: list, index: dict, a: int, b: int) -> int:
    """The number of the point half-way between two, which is made once."""
    edge = (min(a, b), max(a, b))
    if edge not in index:
        middle = np.add(points[a], points[b])
        points.append(tuple(middle / np.linalg.norm(middle)))
        index[edge] = len(points) - 1
    return index[edge]


def _smooth(values: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Means of each vertex with its neighbours, ``SMOOTHING_STEPS`` times."""
    faces = np.asarray(faces, np.int64)
    means = _neighbour_means(faces.tobytes(), len(values))
    for _ in range(SMOOTHING_STEPS):
        values = means @ values
    return values


@lru_cache(maxsize=8)
def _neighbour_means(faces: bytes, count: int) -> scipy.sparse.csr_matrix:
    """The mean of each of ``count`` vertices and its neighbours, as a matrix; of int64
    faces as bytes.
    """
    faces = np.frombuffer(faces, np.int64).reshape(-1, 3)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    own = np.arange(count)
    rows, columns = np.concatenate([ends.T, ends.T[::-1], [own, own]], axis=1)
    near = scipy.sparse.csr_matrix(
        (np.ones(len(rows)), (rows, columns)), (count, count)
    )
    near.data[:] = 1.0  # an edge of two faces counts once
    near.data /= np.repeat(near.getnnz(axis=1), near.getnnz(axis=1))
    return near
