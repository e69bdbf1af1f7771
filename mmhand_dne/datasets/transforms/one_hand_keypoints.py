"""One hand of an image as MMPose's 2D hand data sets annotate it."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmhand_dne.conventions import MILLIMETRES, NUM_JOINTS, SIDES
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.bounding_boxes import corners_of, tight_box
from mmhand_dne.geometry.camera import project_perspective


@TRANSFORMS.register_module()
class OneHandKeypoints(BaseTransform):
    """Keep 21 keypoints and the box of the hand in ``hand_slot``, for MMPose's models.

    The order is OpenPose's, that of MMPose's COCO-WholeBody hands and of RTMPose. The
    rest of the pipeline is MMPose's: ``GetBBoxCenterScale``, ``TopdownAffine``,
    ``GenerateTarget``, ``PackPoseInputs``. A left hand is not mirrored. Joints are the
    mesh's where there is one; visible are those inside the image and before the camera.
    The box is the visible joints' tight one.

    Raises:
        UserError: there is no ``hand_slot``, the image is cropped already, or none of
            the hand's joints is visible.
    """

    def transform(self, results: dict) -> dict:
        """Replace the keypoints of both hands; the rest of the sample stays."""
        slot, path = results.get('hand_slot'), results.get('img_path')
        if slot not in (0, 1) or 'input_size' in results:
            raise UserError(
                f'{path}: OneHandKeypoints needs hand_slot and an image that is not '
                'cropped yet; wrap the data set in SingleHandDataset and put it first'
            )
        joints, known = results['joints_cam'][slot], results['joints_valid'][slot]
        if results['mesh_valid'][slot]:
            joints = results['mesh_joints'][slot] + results['mesh_root'][slot]
            known = np.ones(NUM_JOINTS, bool)
        known = known.astype(bool) & (joints[:, 2] > 0)
        pixels = project_perspective(joints, results['intrinsics'], known)
        height, width = results['img'].shape[:2]
        inside = (pixels >= 0) & (pixels <= np.array([width, height]) - 1)
        visible = known & inside.all(-1)
        if not visible.any():
            raise UserError(
                f'{path}: no joint of its {SIDES[slot]} hand lies in the image; leave '
                'it out with min_joints of SingleHandDataset'
            )
        points = np.where(visible[:, None], pixels, 0)
        results.update(
            hand_side=SIDES[slot],
            bbox=corners_of(tight_box(points[visible])),
            keypoints=points[None].astype(np.float32),
            keypoints_cam=(MILLIMETRES * joints)[None].astype(np.float32),
            keypoints_visible=visible[None].astype(np.float32),
            flip_indices=list(range(NUM_JOINTS)),
        )
        return results
