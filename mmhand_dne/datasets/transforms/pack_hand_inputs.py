"""From a pipeline's dictionary to MMPose's data sample."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from mmpose.registry import TRANSFORMS
from mmpose.structures import PoseDataSample

from mmhand_dne.conventions import WRIST
from mmhand_dne.geometry.camera import pixels_to_ndc, project_perspective
from mmhand_dne.structures.ground_truth_fields import (
    HAND_LABELS,
    HandLabels,
    check_labels,
)

from .mesh_geometry import box_corners

META_KEYS = (
    'id',
    'img_id',
    'img_path',
    'ori_shape',
    'img_shape',
    'input_size',
    'input_center',
    'input_scale',
    'crop_affine',
    'flip',
    'hand_side',
    'sample_idx',
    'dataset_name',
    'hand_type',
    'hand_type_valid',
    'abs_depth',
    'focal',
    'principal_pt',
    'image_mean',
)


def hand_labels(results: dict) -> dict[str, np.ndarray]:
    """The fields of ``HAND_LABELS`` from what the transforms left behind."""
    mesh = results['mesh_valid'] > 0
    valid = results['joints_valid'].astype(bool)
    wrist = valid[:, WRIST]
    joints_cam = np.where(
        mesh[:, None, None],
        results['mesh_joints'] + results['mesh_root'][:, None],
        results['joints_cam'],
    )
    known = mesh[:, None] | valid
    root = np.where((mesh | wrist)[:, None], joints_cam[:, WRIST], 0)
    relative = valid & wrist[:, None]
    size = results['input_size']
    pixels = project_perspective(joints_cam, results['intrinsics'], known)
    pixels = torch.from_numpy(pixels)
    seen = valid & (joints_cam[..., 2] > 0)
    return dict(
        hand_vertices=results['mesh_vertices'],
        hand_vertices_valid=mesh,
        hand_joints=np.where(relative[..., None], joints_cam - root[:, None], 0),
        hand_joints_valid=relative,
        hand_joints_ndc=np.where(
            seen[..., None], pixels_to_ndc(pixels, size).numpy(), 0
        ),
        hand_joints_ndc_valid=seen,
        hand_root_cam=root,
        hand_root_valid=mesh | wrist,
        mano_rotations=results['mano_rotations'],
        mano_betas=results['mano_betas'],
        mano_valid=results['mano_valid'] > 0,
        hand_presence=results['hand_presence'],
        hand_presence_valid=results['hand_presence_valid'],
        crop_intrinsics=results['intrinsics'],
    )


@TRANSFORMS.register_module()
class PackHandInputs(BaseTransform):
    """Check the fields and pack ``inputs`` (3, H, W) uint8 and a data sample.

    Raises:
        ValueError: a field is absent, has another shape or is not finite.
    """

    def transform(self, results: dict) -> dict:
        """Return ``dict(inputs, data_samples)``."""
        labels = hand_labels(results)
        check_labels(labels, str(results.get('img_path', 'sample')))
        sample = PoseDataSample(
            metainfo={key: results[key] for key in META_KEYS if key in results}
        )
        sample.gt_instance_labels = HandLabels(
            **{
                name: torch.from_numpy(np.asarray(labels[name], np.float32))[None]
                for name in HAND_LABELS
            }
        )
        sample.gt_instances = InstanceData(
            keypoints=results['keypoints'],
            keypoints_cam=results['keypoints_cam'],
            keypoints_visible=results['keypoints_visible'],
            bboxes=np.float32(box_corners(results)[None]),
            bbox_scores=np.ones(1, np.float32),
        )
        image = np.ascontiguousarray(results['img'].transpose(2, 0, 1))
        return dict(inputs=torch.from_numpy(image), data_samples=sample)
