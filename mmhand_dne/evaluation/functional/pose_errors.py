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
from mmhand_dne.geometry.alignment import MIN_VARIANCE, best_rotation

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


def point_errors(points_ndc: ndarray, hands: MeshHands, images: int) -> ndarray:
    """How far predicted image points lie from the true vertices (MPVPE2D of u').

    Args:
        points_ndc: (S, B, 2, V, 2) crop NDC, one per vertex.
        hands: the images' true meshes.
        images: B.

    Returns: (S, B) crop pixels.
    """
    points = to_planes(_predicted(points_ndc, hands.where))
    found = _pixels(points, hands.half)
    return _of_images(hands.where, _mean_pixels(found, hands), images)


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
    centred = flat - flat.mean(-1, keepdims=True)
    shift = hands.pixels.mean(-1, keepdims=True)
    with np.errstate(invalid='ignore'):  # of hands without a place
        covariance = (centred * (hands.pixels - shift)).sum(-1, keepdims=True)
        variance = np.square(centred).sum(-1, keepdims=True)
        scale = covariance / np.maximum(variance, MIN_VARIANCE)
        found = scale * centred + shift
        return _of_images(hands.where, _mean_pixels(found, hands), images)


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

    One mesh after the other, so that what is computed stays in the cache.
    """
    found = {name: [] for name in ('MPVPE', 'PA-MPVPE', 'MPVPE2D')}
    for stage in zip(*pred):
        vertices, joints, camera = (_chosen(part, hands.where) for part in stage)
        mesh = to_planes(vertices, MILLIMETRES)
        seen = _projected(mesh, camera, hands.half)
        found['MPVPE2D'].append(_mean_pixels(seen, hands))
        aligned = _aligned_distances(mesh, hands.mesh, None, allow_reflection)
        found['PA-MPVPE'].append(aligned.mean(-1))
        mesh -= MILLIMETRES * joints[:, WRIST, :, None].astype(np.float64)
        mesh -= hands.mesh
        found['MPVPE'].append(lengths(mesh).mean(-1))
    return {name: (hands.where, np.array(errors)) for name, errors in found.items()}


def _aligned_distances(
    source: ndarray, target: ndarray, weights: ndarray | None, allow_reflection: bool
) -> ndarray:
    """Distances after the best similarity, as ``similarity_align`` finds it.

    Args:
        source: (..., H, 3, N) mm.
        target: (H, 3, N) mm.
        weights: (H, N), 0 or 1; None: all 1.

    Returns: (..., H, N) mm; of hands without weight they mean nothing.
    """
    if weights is None:
        share = 1 / source.shape[-1]
        x = source - source.mean(-1, keepdims=True)
        y = target - target.mean(-1, keepdims=True)
    else:
        share = (weights / np.maximum(weights.sum(-1, keepdims=True), 1))[:, None]
        x = source - (share * source).sum(-1, keepdims=True)
        y = target - (share * target).sum(-1, keepdims=True)
    cross = (share * y) @ x.swapaxes(-1, -2)
    rotation, trace = best_rotation(torch.from_numpy(cross), allow_reflection)
    square = np.square(x)
    square *= share
    variance = square.sum((-2, -1))
    scale = trace.numpy() / np.maximum(variance, MIN_VARIANCE)
    scale = np.where(variance > MIN_VARIANCE, scale, 1)
    moved = (scale[..., None, None] * rotation.numpy()) @ x
    moved -= y
    return lengths(moved)


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
    """(..., D, N) -> (..., N); overwrites its argument."""
    np.square(difference, out=difference)
    total = difference[..., 0, :] + difference[..., 1, :]
    for axis in range(2, difference.shape[-2]):
        total += difference[..., axis, :]
    return np.sqrt(total, out=total)


def _weighted_mean(values: ndarray, weights: ndarray) -> ndarray:
    """(..., N) with weights of 0 and 1 -> (...); NaN where no weight is 1."""
    with np.errstate(invalid='ignore'):
        return (values * weights).sum(-1) / weights.sum(-1)


def _mean_pixels(found: ndarray, hands: MeshHands) -> ndarray:
    """Mean distance of (..., H, 2, V) crop pixels to the true ones; NaN where these
    are not known. Overwrites its argument.
    """
    with np.errstate(invalid='ignore'):
        found -= hands.pixels
        return np.where(hands.placed, lengths(found).mean(-1), np.nan)


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
