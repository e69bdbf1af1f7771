"""The box of a crop that is turned with the hand."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmhand_dne.geometry.bounding_boxes import corners_of
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.geometry.hand_rois import LANDMARK_SCALE, roi_of_landmarks

from .select_hand import hand_joints


@TRANSFORMS.register_module()
class UprightHandBox(BaseTransform):
    """Turn the box of the hand in slot 0 so that the hand points up in its crop.

    Comes after :class:`SelectHand` and before :class:`HaMeRCrop`, whose ``padding`` of
    2 then cuts the square that MediaPipe Hands cuts about known landmarks
    (:func:`roi_of_landmarks`). At inference a detector gives such boxes.

    Sets ``bbox``, half as wide as that square, and ``box_angle``.
    """

    def transform(self, results: dict) -> dict:
        """Turn the box."""
        joints = hand_joints(results)
        roi = roi_of_landmarks(project_perspective(joints, results['intrinsics']))
        side = roi.side / LANDMARK_SCALE
        results['bbox'] = corners_of([*(roi.centre - side / 2), side, side])
        angle = float(np.degrees(roi.angle))
        # The angle is told of the image as it is stored.
        results['box_angle'] = -angle if results.get('flip', False) else angle
        return results
