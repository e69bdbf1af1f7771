"""The training pipeline as it was before hands were posed with their batch.

What ``data_path.py`` measures against, and tests compare with: each worker poses the
hands in float64 with NumPy, copies a mirrored image and packs all fields.
"""

import cv2
import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmhand_dne.conventions import WRIST
from mmhand_dne.datasets.transforms import (
    LoadHandImage,
    MeshCrop,
    PackHandInputs,
    RandomMeshFlip,
)
from mmhand_dne.datasets.transforms.mesh_crop import PAPER_SIZE
from mmhand_dne.datasets.transforms.mesh_geometry import (
    box_angle,
    box_corners,
    rotate_camera,
)
from mmhand_dne.datasets.transforms.pack_hand_inputs import KEYPOINTS, META_KEYS
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.randomness.pipeline import draws
from mmhand_dne.structures.ground_truth_fields import (
    HAND_LABELS,
    HandLabels,
    check_labels,
)


class CopyingCrop(MeshCrop):
    """OpenCV is given the mirrored view, which it copies; maps made by small arrays."""

    takes_unposed = False

    def transform(self, results: dict) -> dict:
        """Add the crop as ``img`` and bring all ground truth into its camera frame."""
        x0, y0, x1, y1 = box_corners(results).tolist()
        extent = (x1 - x0) * self.padding, (y1 - y0) * self.padding
        zooms = [side / span for side, span in zip(self.size, extent) if span > 0]
        centre, size = np.array([x0 + x1, y0 + y1]) / 2, np.array(self.size)
        zoom = min(zooms) * draws().uniform(*self.scale)
        angle = np.deg2rad(
            draws().uniform(-self.rotation, self.rotation) - box_angle(results)
        )
        reach = self.shift * min(self.size) / PAPER_SIZE
        shift = draws().uniform(-reach, reach, 2)
        cos, sin = np.cos(angle), np.sin(angle)
        rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        affine = rotation.copy()
        affine[:2, :2] *= zoom
        affine[:2, 2] = (size - 1) / 2 + shift - affine[:2, :2] @ centre
        results['img'] = self.cut(results['img'], affine)
        rotate_camera(results, rotation)
        results['intrinsics'] = affine @ results['intrinsics'] @ rotation.T
        results['crop_affine'] = affine[:2]
        results['input_size'] = self.size
        results['input_scale'] = size / zoom
        results['input_center'] = centre + 0.5 / zoom
        return results

    def cut(self, image: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """The crop, always by OpenCV."""
        return cv2.warpAffine(image, affine[:2], self.size, flags=cv2.INTER_LINEAR)


class PosedPack(PackHandInputs):
    """All fields of ``HAND_LABELS`` and MMPose's, as arrays of each sample."""

    takes_unposed = False

    def transform(self, results: dict) -> dict:
        """Return ``dict(inputs, data_samples)``."""
        labels = numpy_labels(results)
        check_labels(labels, results['img_path'])
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
            bboxes=np.float32(box_corners(results)[None]),
            bbox_scores=np.ones(1, np.float32),
            **{key: results[key] for key in KEYPOINTS},
        )
        image = np.ascontiguousarray(results['img'].transpose(2, 0, 1))
        return dict(inputs=torch.from_numpy(image), data_samples=sample)


def numpy_labels(results: dict) -> dict[str, np.ndarray]:
    """The fields of ``HAND_LABELS`` from a posed raw sample, float64."""
    mesh = results['mesh_valid'] > 0
    valid = results['joints_valid'].astype(bool)
    placed = mesh | valid[:, WRIST]
    mesh_joints = results['mesh_joints'] + results['mesh_root'][:, None]
    joints = np.where(mesh[:, None, None], mesh_joints, results['joints_cam'])
    root = np.where(placed[:, None], joints[:, WRIST], 0)
    relative = valid & valid[:, WRIST, None]
    pixels = project_perspective(joints, results['intrinsics'], mesh[:, None] | valid)
    seen = valid & (joints[..., 2] > 0)
    ndc = (2 * pixels + 1) / np.array(results['input_size']) - 1
    return dict(
        hand_vertices=results['mesh_vertices'],
        hand_vertices_valid=mesh,
        hand_joints=np.where(relative[..., None], joints - root[:, None], 0),
        hand_joints_valid=relative,
        hand_joints_ndc=np.where(seen[..., None], ndc, 0),
        hand_joints_ndc_valid=seen,
        hand_root_cam=root,
        hand_root_valid=placed,
        mano_rotations=results['mano_rotations'],
        mano_betas=results['mano_betas'],
        mano_valid=results['mano_valid'] > 0,
        hand_presence=results['hand_presence'],
        hand_presence_valid=results['hand_presence_valid'],
        crop_intrinsics=results['intrinsics'],
    )


def transforms_before(crop: MeshCrop, flip_prob: float) -> list:
    """The pipeline of before with another one's crop and mirror."""
    copying = CopyingCrop(
        crop.size, crop.padding, crop.shift, crop.rotation, crop.scale
    )
    return [LoadHandImage(), RandomMeshFlip(flip_prob), copying, PosedPack()]
