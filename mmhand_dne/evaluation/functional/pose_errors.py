"""Errors of two-hand meshes: metres in, millimetres or crop pixels out.

Everything is float64, on NumPy arrays of some images at once, and a number of an image
is the same to the bit whatever images are beside it. NaN means that the image has no
ground truth for that error.

Averages [decided]: an error of a hand is the mean over its valid points, an error of
an image the mean over its hands with ground truth, so that an image of two hands counts
once. Wrist root on both sides, no scaling; the wrist's own error, 0, stays in MPJPE.

Only hands with ground truth are computed, with their points in the last dimension, so
that sums run along memory: (S, H, 3, N) for S meshes of H hands.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy import ndarray

from mmhand_dne.conventions import MILLIMETRES, WRIST
from mmhand_dne.geometry.alignment import MIN_VARIANCE

MIN_ALIGNED_POINTS = 3  # a similarity fits two points exactly: the error says nothing
ERROR_NAMES = ('MPJPE', 'MPVPE', 'PA-MPJPE', 'PA-MPVPE', 'MPVPE2D', 'MPJPE2D')


class HandMeshGroundTruth(NamedTuple):
    """What B images know; invalid entries hold any finite number."""

    vertices: ndarray  # (B, 2, V, 3) metres, relative to the own wrist
    vertices_valid: ndarray  # (B, 2) bool
    joints: ndarray  # (B, 2, J, 3) metres, relative to the own wrist
    joints_valid: ndarray  # (B, 2, J) bool
    joints_ndc: ndarray  # (B, 2, J, 2) crop NDC
    joints_ndc_valid: ndarray  # (B, 2, J) bool
    root_cam: ndarray  # (B, 2, 3) wrist, metres, camera
    root_valid: ndarray  # (B, 2) bool
    intrinsics: ndarray  # (B, 3, 3) of the crop, pixels
    size: ndarray  # (B, 2) W, H of the crop, pixels


class HandMeshPrediction(NamedTuple):
    """S meshes of each of B images, e.g. one per stage; arrays, or lists of S."""

    vertices: Sequence[ndarray]  # (S, B, 2, V, 3) metres, as the camera projects them
    joints: Sequence[ndarray]  # (S, B, 2, J, 3) metres, the same frame
    camera: Sequence[ndarray]  # (S, B, 2, 2, 2) rows (scale, shift), crop NDC


class MeshHands(NamedTuple):
    """The H hands of some images that have a true mesh."""

    where: ndarray  # (H) number of image and slot, 2 b + s
    mesh: ndarray  # (H, 3, V) true, mm, from the own wrist
    pixels: ndarray  # (H, 2, V) its perspective projection, crop pixels
    placed: ndarray  # (H) bool, its wrist is known, so that the projection is
    half: ndarray  # (H, 2, 1) half of the crop's sides, pixels


def mesh_hands(gt: HandMeshGroundTruth) -> MeshHands:
    """Those hands with a true mesh, and where the true camera sees them."""
    where = np.flatnonzero(gt.vertices_valid)
    mesh = to_planes(_chosen(gt.vertices, where), MILLIMETRES)
    root = _chosen(gt.root_cam, where).astype(np.float64)[..., None]
    image = gt.intrinsics[where // 2].astype(np.float64) @ (mesh / MILLIMETRES + root)
    placed = _chosen(gt.root_valid, where) > 0
    with np.errstate(divide='ignore', invalid='ignore'):  # of hands without a place
        pixels = image[:, :2] / image[:, 2:]
    half = np.asarray(gt.size, np.float64)[where // 2][..., None] / 2
    return MeshHands(where, mesh, pixels, placed, half)


def hand_mesh_errors(
    pred: HandMeshPrediction,
    gt: HandMeshGroundTruth,
    hands: MeshHands,
    allow_reflection: bool = False,
) -> dict[str, ndarray]:
    """The errors of B images, each the mean of its hands with ground truth.

    Args:
        pred: of the images.
        gt: of the images.
        hands: :func:`mesh_hands` of ``gt``.
        allow_reflection: of the alignment behind PA.

    Returns: for each of ``ERROR_NAMES`` an array (S, B): mm, or crop pixels for 2D.
    """
    found = {
        **_joint_errors(pred, gt, allow_reflection),
        **_vertex_errors(pred, hands, allow_reflection),
    }
    return {name: _of_images(*found[name], len(gt.vertices)) for name in ERROR_NAMES}


def point_errors(
    points_ndc: Sequence[ndarray], hands: MeshHands, images: int
) -> ndarray:
    """How far predicted image points lie from the true vertices (MPVPE2D of u').

    Args:
        points_ndc: (S, B, 2, V, 2) crop NDC, one per vertex.
        hands: the images' true meshes.
        images: B.

    Returns: (S, B) crop pixels.
    """
    true = (hands.pixels + 0.5) / hands.half - 1
    found = []
    for stage in points_ndc:
        points = _chosen(stage, hands.where).swapaxes(-1, -2)
        apart = np.subtract(points, true, order='C', dtype=np.float64)
        apart *= hands.half
        found.append(np.where(hands.placed, lengths(apart).mean(-1), np.nan))
    return _of_images(hands.where, np.array(found), images)


def camera_floor(hands: MeshHands, images: int) -> ndarray:
    """MPVPE2D of the true mesh under its best scaled orthographic camera.

    No camera of that kind sees a mesh as a perspective one does. Best is in the least
    squares sense, a scale and a shift for each axis, as in Eq. 6-7 with xi = 0.

    Args:
        hands: the images' true meshes.
        images: B.

    Returns: (B) crop pixels.
    """
    flat = hands.mesh[:, :2]
    flat = flat - flat.mean(-1, keepdims=True)
    with np.errstate(invalid='ignore'):  # of hands without a place
        pixels = hands.pixels - hands.pixels.mean(-1, keepdims=True)
        covariance = np.einsum('hdv,hdv->hd', flat, pixels)
        variance = np.einsum('hdv,hdv->hd', flat, flat)
        scale = covariance / np.maximum(variance, MIN_VARIANCE)
        flat *= scale[..., None]
        flat -= pixels
        error = np.where(hands.placed, lengths(flat).mean(-1), np.nan)
        return _of_images(hands.where, error, images)


def _joint_errors(
    pred: HandMeshPrediction, gt: HandMeshGroundTruth, allow_reflection: bool
) -> dict[str, tuple]:
    """Where (H) and how large (S, H) the joints' errors are."""
    where = np.flatnonzero((gt.joints_valid | gt.joints_ndc_valid).any(-1))
    joints = to_planes(_predicted(pred.joints, where), MILLIMETRES)
    true = to_planes(_chosen(gt.joints, where), MILLIMETRES)
    valid = _chosen(gt.joints_valid, where)
    weights = valid.astype(np.float64)
    rooted = joints - joints[..., WRIST, None]
    aligned = _aligned_distances(joints, true, weights, allow_reflection)
    enough = valid.sum(-1) >= MIN_ALIGNED_POINTS
    half = np.asarray(gt.size, np.float64)[where // 2][..., None] / 2
    seen = _chosen(gt.joints_ndc_valid, where).astype(np.float64)
    moved = _projected(joints, _predicted(pred.camera, where), half)
    moved -= _pixels(to_planes(_chosen(gt.joints_ndc, where)), half)
    return {
        'MPJPE': (where, _weighted_mean(lengths(rooted - true), weights)),
        'PA-MPJPE': (
            where,
            np.where(enough, _weighted_mean(aligned, weights), np.nan),
        ),
        'MPJPE2D': (where, _weighted_mean(lengths(moved), seen)),
    }


def _vertex_errors(
    pred: HandMeshPrediction, hands: MeshHands, allow_reflection: bool
) -> dict[str, tuple]:
    """Where (H) and how large (S, H) the vertices' errors are.

    All three errors are lengths of linear maps of the same points: one product of
    matrices for a mesh yields them. One mesh after the other, so that what is computed
    stays in the cache.
    """
    centre = hands.mesh.mean(-1, keepdims=True)
    # The predicted mesh in metres from its first vertex, ones, the true mesh in mm.
    rows = np.empty((len(centre), 7, hands.mesh.shape[-1]))
    rows[:, 3] = 1
    np.subtract(hands.mesh, centre, out=rows[:, 4:])
    moved, found = torch.empty(len(rows), 8, rows.shape[-1], dtype=torch.float64), []
    for stage in zip(*pred):
        vertices, joints, camera = (_chosen(part, hands.where) for part in stage)
        first, wrist = (
            points[:, number].astype(np.float64)
            for points, number in ((vertices, 0), (joints, WRIST))
        )
        points = vertices.swapaxes(-1, -2)
        np.subtract(points, first[..., None], out=rows[:, :3], dtype=np.float64)
        maps = np.zeros((len(rows), 8, 7))
        maps[:, :3, :4] = _aligning(rows, allow_reflection)
        maps[:, :3, 4:] = maps[:, 3:6, 4:] = -np.eye(3)
        maps[:, 3:6, :3] = MILLIMETRES * np.eye(3)
        maps[:, 3:6, 3] = MILLIMETRES * (first - wrist) - centre[..., 0]
        maps[:, 6:, :4] = _projecting(camera.astype(np.float64), first, hands.half)
        # Torch has products of many small matrices; each sum here has seven terms.
        torch.bmm(torch.from_numpy(maps), torch.from_numpy(rows), out=moved)
        found.append(_mean_lengths(moved.numpy(), hands))
    errors = np.array(found).reshape(len(found), 3, len(rows)).swapaxes(0, 1)
    names = 'PA-MPVPE', 'MPVPE', 'MPVPE2D'
    return {name: (hands.where, error) for name, error in zip(names, errors)}


def _mean_lengths(moved: ndarray, hands: MeshHands) -> ndarray:
    """Of planes 0 to 2, 3 to 5 and, from the true pixels, 6 and 7, of (H, 8, V).

    Returns: (3, H); the last NaN where the true pixels are not known.
    """
    pixels = moved[:, 6:]
    with np.errstate(invalid='ignore'):  # of hands without a place
        pixels -= hands.pixels
        parts = moved[:, :3], moved[:, 3:6], pixels
        found = np.stack([lengths(part).mean(-1) for part in parts])
    found[2, ~hands.placed] = np.nan
    return found


def _aligning(rows: ndarray, allow_reflection: bool) -> ndarray:
    """The best similarity (H, 3, 4), a linear map and a step, of the points in rows 0
    to 2 of (H, 7, N), metres, to those in rows 4 to 6, mm with mean 0; row 3 is 1.
    """
    products = rows @ rows[:, :4].swapaxes(-1, -2) / rows.shape[-1]
    mean = products[:, 3, :3]
    variance = products[:, :3, :3].trace(axis1=-2, axis2=-1) - np.square(mean).sum(-1)
    linear = _scaled_rotation(
        products[:, 4:, :3], variance, MILLIMETRES, allow_reflection
    )
    step = -(linear * mean[:, None]).sum(-1, keepdims=True)
    return np.concatenate([linear, step], -1)


def _projecting(camera: ndarray, first: ndarray, half: ndarray) -> ndarray:
    """The camera (H, 2, 2), see :class:`HandMeshPrediction`, as a map (H, 2, 4) to crop
    pixels of points in metres from ``first`` (H, 3), with a step in the last column.
    """
    found = np.zeros((len(camera), 2, 4))
    scale = camera[..., 0] * half[..., 0]
    found[:, 0, 0], found[:, 1, 1] = scale.T
    found[..., 3] = scale * first[:, :2] + _pixels(camera[..., 1, None], half)[..., 0]
    return found


def _aligned_distances(
    source: ndarray, target: ndarray, weights: ndarray, allow_reflection: bool
) -> ndarray:
    """Distances after the best similarity, as ``similarity_align`` finds it.

    Args:
        source: (..., H, 3, N) mm.
        target: (H, 3, N) mm.
        weights: (H, N), 0 or 1.

    Returns: (..., H, N) mm; of hands without weight they mean nothing.
    """
    share = (weights / np.maximum(weights.sum(-1, keepdims=True), 1))[:, None]
    x = source - (share * source).sum(-1, keepdims=True)
    y = target - (share * target).sum(-1, keepdims=True)
    cross = (share * y) @ x.swapaxes(-1, -2)
    variance = (share * np.square(x)).sum((-2, -1))
    moved = _scaled_rotation(cross, variance, 1, allow_reflection) @ x
    moved -= y
    return lengths(moved)


def _scaled_rotation(
    cross: ndarray, variance: ndarray, unit: float, allow_reflection: bool
) -> ndarray:
    """Scale times rotation, (..., 3, 3), of the best similarity of centred points.

    The rotation is :func:`best_rotation`'s, which on Torch's decompositions would make
    scoring a sixth slower.

    Args:
        cross: (..., 3, 3) mean of target times source, mm times the source's unit.
        variance: (...) of the source, in its unit.
        unit: that unit in mm: the scale of a source without extent.
        allow_reflection: the rotation may mirror.
    """
    u, singular, vh = np.linalg.svd(cross)
    if not allow_reflection:
        sign = np.sign(_determinant(u) * _determinant(vh))
        u[..., 2] *= sign[..., None]
        singular[..., 2] *= sign
    known = unit**2 * variance > MIN_VARIANCE
    scale = np.where(known, singular.sum(-1) / np.where(known, variance, 1), unit)
    return scale[..., None, None] * (u @ vh)


def _determinant(matrix: ndarray) -> ndarray:
    """(..., 3, 3) -> (...)."""
    (a, b, c), (d, e, f), (g, h, i) = np.moveaxis(matrix, (-2, -1), (0, 1))
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _chosen(values: ndarray, where: ndarray) -> ndarray:
    """The hands at (H) numbers of (B, 2, ...): (H, ...)."""
    return values.reshape(-1, *values.shape[2:])[where]


def _predicted(values: Sequence[ndarray], where: ndarray) -> ndarray:
    """The hands at (H) numbers of (S, B, 2, ...): (S, H, ...)."""
    return np.stack([_chosen(stage, where) for stage in values])


def to_planes(points: ndarray, unit: float = 1.0) -> ndarray:
    """(..., N, D) of any float type -> (..., D, N) float64, times the unit."""
    planes = np.array(points.swapaxes(-1, -2), np.float64, order='C')
    return planes if unit == 1 else np.multiply(planes, unit, out=planes)


def _projected(points: ndarray, camera: ndarray, half: ndarray) -> ndarray:
    """Scaled orthographic projection (DNE Eq. 5) of (..., H, 3, N) mm.

    Returns: (..., H, 2, N) pixels of a crop with those halves of its sides, (H, 2, 1).
    """
    camera = camera.astype(np.float64)[..., None]
    found = points[..., :2, :] * (camera[..., 0, :] * (half / MILLIMETRES))
    found += _pixels(camera[..., 1, :], half)
    return found


def _pixels(ndc: ndarray, half: ndarray) -> ndarray:
    """Crop NDC (..., 2, N) to pixels, as ``ndc_to_pixels``; overwrites it."""
    ndc += 1
    ndc *= half
    ndc -= 0.5
    return ndc


def lengths(difference: ndarray) -> ndarray:
    """(..., D, N) -> (..., N)."""
    square = np.einsum('...dn,...dn->...n', difference, difference)
    return np.sqrt(square, out=square)


def _weighted_mean(values: ndarray, weights: ndarray) -> ndarray:
    """(..., N) with weights of 0 and 1 -> (...); NaN where no weight is 1."""
    with np.errstate(invalid='ignore'):
        return (values * weights).sum(-1) / weights.sum(-1)


def _of_images(where: ndarray, errors: ndarray, images: int) -> ndarray:
    """Errors (..., H) of hands to (..., B) of images: the mean of what is known."""
    hands = np.full((*errors.shape[:-1], 2 * images), np.nan)
    hands[..., where] = errors
    hands = hands.reshape(*errors.shape[:-1], images, 2)
    known = ~np.isnan(hands)
    with np.errstate(invalid='ignore'):
        return np.where(known, hands, 0).sum(-1) / known.sum(-1)


def relative_root_error(pred: ndarray, gt: ndarray, valid: ndarray) -> ndarray:
    """Distance of the left wrist seen from the right one (MRRPE).

    Args:
        pred: (..., 2, 3) wrists right and left, metres, camera axes.
        gt: (..., 2, 3) alike.
        valid: (..., 2) bool, of the ground truth.

    Returns: (...) mm, NaN unless both wrists have ground truth.
    """
    miss = np.diff(pred.astype(np.float64), axis=-2) - np.diff(
        gt.astype(np.float64), axis=-2
    )
    error = MILLIMETRES * np.linalg.norm(miss[..., 0, :], axis=-1)
    return np.where(valid.all(-1), error, np.nan)


def presence_correct(
    probability: ndarray, presence: ndarray, valid: ndarray
) -> ndarray:
    """1 where every slot with ground truth lies on its side of one half, else 0.

    InterHand2.6M's handedness accuracy, on images: both slots must be right.

    Args:
        probability: (..., 2) predicted presence.
        presence: (..., 2) true presence, 0 or 1.
        valid: (..., 2) bool, which slots have ground truth.

    Returns: (...) float64, NaN where no slot has ground truth.
    """
    right = (((probability > 0.5) == (presence > 0.5)) | ~valid).all(-1)
    return np.where(valid.any(-1), right.astype(np.float64), np.nan)
