"""One hand of an image, as a right hand."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmhand_dne.conventions import MIRROR_POINTS, SIDES
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.bounding_boxes import corners_of, tight_box
from mmhand_dne.geometry.camera import (
    mirror_intrinsics,
    mirror_pixels,
    project_perspective,
)
from mmhand_dne.structures.raw_sample import MMPOSE, absent_value, names_of

from .mesh_geometry import PER_HAND, mirror_hands

INTERHAND = (1, 2, 21)  # MMPose's keypoint fields by hand


@TRANSFORMS.register_module()
class SelectHand(BaseTransform):
    """Keep the hand in ``hand_slot`` alone, in the right hand's slot.

    For a left hand the source image is mirrored first, u -> W-1-u, with all ground
    truth, as HaMeR does it; a finished crop that is mirrored is another image. Slot 1
    is emptied: nothing is known there. ``hand_type`` goes on telling what the image
        shows,
    so that errors are still reported for single and for interacting hands.

    Sets ``flip`` (mirrored), ``hand_side`` (the true side) and ``bbox``, the tight box
    of the hand's joints, of its mesh where it has one, in the (mirrored) image.

    Raises:
        ValueError: there is no ``hand_slot``, or that hand has no ground truth.
    """

    def transform(self, results: dict) -> dict:
        """Isolate the hand."""
        slot = results.get('hand_slot')
        if slot not in (0, 1):
            raise UserError(
                f'{results["img_path"]}: hand_slot is {slot}, expected 0 or 1; wrap '
                'the data set in SingleHandDataset'
            )
        results['flip'], results['hand_side'] = bool(slot), SIDES[slot]
        if results['flip']:
            mirror_source(results)
        empty_slot(results, 1)
        results['hand_presence'] = np.float32([1, 0])
        results['hand_presence_valid'] = np.float32([1, 0])
        results['bbox'] = corners_of(joint_box(results))
        return results


def mirror_source(results: dict) -> None:
    """Mirror the image with its camera, all ground truth and MMPose's own fields."""
    width = results['img'].shape[1]
    results['img'] = np.ascontiguousarray(results['img'][:, ::-1])
    results['intrinsics'] = mirror_intrinsics(results['intrinsics'], width)
    mirror_hands(results)
    if 'keypoints' not in results:
        return
    visible = results['keypoints_visible'].astype(bool)
    keypoints = results['keypoints'].copy()
    keypoints[visible, 0] = mirror_pixels(keypoints[visible, 0], width)
    results['keypoints'] = swap_slots(keypoints)
    results['keypoints_cam'] = swap_slots(
        results['keypoints_cam'] * MIRROR_POINTS.astype(np.float32)
    )
    results['keypoints_visible'] = swap_slots(results['keypoints_visible'])
    results['abs_depth'] = results['abs_depth'][::-1].copy()
    results['principal_pt'] = results['principal_pt'].copy()
    results['principal_pt'][0] = mirror_pixels(results['principal_pt'][0], width)


def in_slots(values: np.ndarray) -> np.ndarray:
    """(1, 42, ...) of both hands as (1, 2, 21, ...), the same memory."""
    return values.reshape(*INTERHAND, *values.shape[2:])


def swap_slots(values: np.ndarray) -> np.ndarray:
    """(1, 42, ...) with right and left exchanged."""
    return in_slots(values)[:, ::-1].reshape(values.shape)


def empty_slot(results: dict, slot: int) -> None:
    """Nothing is known of a hand: zeros, rotations identity."""
    for name in PER_HAND:
        results[name] = results[name].copy()
        results[name][slot] = absent_value(name)
    for name in names_of(MMPOSE):
        if name in results:
            value = results[name].copy()
            by_hand = value[None] if name == 'abs_depth' else in_slots(value)
            by_hand[:, slot] = absent_value(name)
            results[name] = value


def joint_box(results: dict) -> np.ndarray:
    """Tight box (x, y, w, h) of the joints of slot 0 that lie before the camera."""
    points = hand_joints(results)
    if results['mano_valid'][0] <= 0:
        points = points[results['joints_valid'][0].astype(bool)]
    points = points[points[:, 2] > 0]
    if not len(points):
        raise UserError(
            f'{results["img_path"]}: its {results["hand_side"]} hand has neither a '
            'valid joint nor a mesh before the camera; leave it out'
        )
    return tight_box(project_perspective(points, results['intrinsics']))


def hand_joints(results: dict) -> np.ndarray:
    """Joints (21, 3) of slot 0, metres, camera axes: the mesh's where there is one."""
    if results['mano_valid'][0] > 0:
        return results['mesh_joints'][0] + results['mesh_root'][0]
    return results['joints_cam'][0]
