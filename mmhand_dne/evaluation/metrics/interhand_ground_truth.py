"""What InterHand2.6M's own evaluations take for the ground truth of an image."""

from typing import NamedTuple

import numpy as np

from mmhand_dne.conventions import (
    MILLIMETRES,
    OPENPOSE_FROM_INTERHAND,
    WRIST,
)
from mmhand_dne.errors import UserError

from .image_batch import ImageBatch, as_array

BOX_PADDING = 1.2  # of the tight box of a hand's joints


class InterHandGroundTruth(NamedTuple):
    """Of right and left hands of B images; metres, camera axes, OpenPose order."""

    joints: np.ndarray  # (B, 2, 21, 3) annotated joints from the camera
    seen: np.ndarray  # (B, 2, 21) bool: in the image, its wrist too, its hand has a box
    vertices: np.ndarray  # (B, 2, V, 3) from the own wrist
    vertices_valid: np.ndarray  # (B, 2) bool
    interacting: np.ndarray  # (B) bool
    order: np.ndarray  # (B, 2) slots of the right and the left hand


def read_interhand_ground_truth(batch: ImageBatch, name: str) -> InterHandGroundTruth:
    """The annotations of some images.

    A set of one sample per hand has every hand in slot 0, a left one mirrored: it goes
    to its own slot (``hand_side``), still mirrored.

    Args:
        name: of the protocol, for errors.

    Raises:
        ValueError: a field is missing or has another shape.
    """
    swapped = np.array([side == 'left' for side in batch.meta('hand_side', None)])
    order = np.where(swapped[:, None], [1, 0], [0, 1])
    seen = _seen_joints(batch, name)
    annotated = batch.labels('hand_joints_valid', (2, 21), name)
    seen &= annotated[:, :, WRIST].any(1)[:, None, None]  # else the image is skipped
    valid = batch.labels('hand_vertices_valid', (2,), name) > 0
    vertices = batch.labels('hand_vertices', (2, -1, 3), name)
    joints = _keypoints(batch, 'keypoints_cam', 3, name) / MILLIMETRES
    return InterHandGroundTruth(
        in_order(joints, order),
        in_order(seen, order),
        in_order(vertices, order),
        in_order(valid, order),
        batch.hand_flags().all(1),
        order,
    )


def in_order(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Slots (B, 2, ...) put into another order, (B, 2), of each image."""
    if (order == [0, 1]).all():
        return values
    return values[np.arange(len(values))[:, None], order]


def _seen_joints(batch: ImageBatch, name: str) -> np.ndarray:
    """(B, 2, 21) bool: joints in the image of a hand that has a box."""
    seen = _keypoints(batch, 'keypoints_visible', 1, name)[..., 0] > 0
    pixels = _keypoints(batch, 'keypoints', 3, name)[..., :2]
    sizes = [shape[1::-1] for shape in batch.meta('ori_shape', (np.inf, np.inf))]
    size = np.array(sizes, float)[:, None]
    return seen & has_box(pixels, seen, size)[..., None]


def _keypoints(batch: ImageBatch, key: str, width: int, name: str) -> np.ndarray:
    """An annotated field, (B, 2, 21, width) float64, OpenPose order."""
    rows = []
    for sample, image in zip(batch.samples, batch.images):
        instances = sample.get('gt_instances', {})
        values = as_array(instances[key]) if key in instances else np.empty(0)
        if values.size != 42 * width:
            raise UserError(
                f'image {image}: gt_instances.{key} has shape {values.shape}, expected '
                f'(1, 42, {width}) for {name}; pack the sample with PackHandInputs'
            )
        rows.append(values.reshape(2, 21, width))
    return np.array(rows, np.float64)[:, :, OPENPOSE_FROM_INTERHAND]


def has_box(pixels: np.ndarray, seen: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Whether the padded box of points has an area inside the image, as InterWild asks.

    Args:
        pixels: (..., N, 2).
        seen: (..., N) bool, the points that count.
        size: (..., 2) width and height.

    Returns: (...) bool; False without points.
    """
    seen = seen[..., None]
    low = np.where(seen, pixels, np.inf).min(-2)
    high = np.where(seen, pixels, -np.inf).max(-2)
    some = seen.any((-2, -1))[..., None]
    low, high = np.where(some, low, 0), np.where(some, high, 0)
    extent = BOX_PADDING * (high - low)
    corner = np.maximum((low + high - extent) / 2, 0)
    end = np.minimum(size - 1, corner + np.maximum(extent - 1, 0))
    return ((extent > 0) & (end > corner)).all(-1)
