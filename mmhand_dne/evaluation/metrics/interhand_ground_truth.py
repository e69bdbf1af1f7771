"""What InterHand2.6M's own evaluations take for the ground truth of an image."""

from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.conventions import (
    MILLIMETRES,
    OPENPOSE_FROM_INTERHAND,
    WRIST,
)
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.bounding_boxes import tight_corners

from .image_results import hand_flags, read_field

BOX_PADDING = 1.2  # of the tight box of a hand's joints


class InterHandGroundTruth(NamedTuple):
    """Of right and left hand; metres, camera axes, OpenPose order."""

    joints: np.ndarray  # (2, 21, 3) annotated joints from the camera
    seen: np.ndarray  # (2, 21) bool: in the image, its wrist too, its hand has a box
    vertices: np.ndarray  # (2, V, 3) from the own wrist
    vertices_valid: np.ndarray  # (2) bool
    interacting: bool
    swapped: bool  # the left hand was in slot 0, mirrored


def read_interhand_ground_truth(
    sample: dict, image: str, name: str
) -> InterHandGroundTruth:
    """The annotation of an image.

    A set of one sample per hand has every hand in slot 0, a left one mirrored: it goes
    to its own slot (``hand_side``), still mirrored.

    Args:
        name: of the protocol, for errors.

    Raises:
        ValueError: a field is missing or has another shape.
    """
    labels, seen = sample['gt_instance_labels'], _seen_joints(sample, image, name)
    annotated = read_field(labels, 'hand_joints_valid', (2, 21), image, name).numpy()
    valid = read_field(labels, 'hand_vertices_valid', (2,), image, name).numpy()
    vertices = read_field(labels, 'hand_vertices', (2, -1, 3), image, name).numpy()
    if not annotated[:, WRIST].any():
        seen[:] = False  # the image is skipped
    swapped = sample.get('hand_side') == 'left'
    order = [1, 0] if swapped else [0, 1]
    return InterHandGroundTruth(
        _keypoints(sample, 'keypoints_cam', 3, image, name)[order] / MILLIMETRES,
        seen[order],
        vertices[order],
        valid[order] > 0,
        all(hand_flags(sample, image)),
        swapped,
    )


def _seen_joints(sample: dict, image: str, name: str) -> np.ndarray:
    """(2, 21) bool: joints in the image of a hand that has a box."""
    seen = _keypoints(sample, 'keypoints_visible', 1, image, name)[..., 0] > 0
    pixels = _keypoints(sample, 'keypoints', 3, image, name)[..., :2]
    size = np.array(sample.get('ori_shape', (np.inf, np.inf))[1::-1], float)
    for slot in range(2):
        seen[slot] &= has_box(pixels[slot][seen[slot]], size)
    return seen


def _keypoints(sample: dict, key: str, width: int, image: str, name: str) -> np.ndarray:
    """An annotated field, (2, 21, width), OpenPose order."""
    instances, values = sample.get('gt_instances', {}), np.empty(0)
    if key in instances:
        values = torch.as_tensor(instances[key]).double().numpy()
    if values.size != 42 * width:
        raise UserError(
            f'image {image}: gt_instances.{key} has shape {values.shape}, expected '
            f'(1, 42, {width}) for {name}; pack the sample with PackHandInputs'
        )
    return values.reshape(2, 21, width)[:, OPENPOSE_FROM_INTERHAND]


def has_box(pixels: np.ndarray, size: np.ndarray) -> bool:
    """Whether the padded box of points has an area inside the image, as InterWild asks.

    Args:
        pixels: (N, 2).
        size: (2) width and height.
    """
    if not len(pixels):
        return False
    low, high = np.split(tight_corners(pixels), 2)
    extent = BOX_PADDING * (high - low)
    corner = np.maximum((low + high - extent) / 2, 0)
    end = np.minimum(size - 1, corner + np.maximum(extent - 1, 0))
    return bool((extent > 0).all() and (end > corner).all())
