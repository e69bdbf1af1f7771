"""From a pipeline's dictionary to MMPose's data sample."""

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from mmpose.registry import TRANSFORMS
from mmpose.structures import PoseDataSample

from mmhand_dne.structures.ground_truth_fields import (
    HAND_LABELS,
    HandLabels,
    check_labels,
)
from mmhand_dne.structures.hand_parameters import complete_row
from mmhand_dne.structures.posed_fields import KnownHands, label_fields
from mmhand_dne.structures.unposed_labels import UnposedLabels

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
KEYPOINTS = ('keypoints', 'keypoints_cam', 'keypoints_visible')


def hand_labels(results: dict) -> dict[str, np.ndarray]:
    """The fields of ``HAND_LABELS`` from what the transforms left behind."""

    def of(name: str) -> torch.Tensor:
        return torch.from_numpy(np.asarray(results[name]))[None]

    hands = KnownHands(
        mesh=of('mesh_vertices'),
        mesh_joints=of('mesh_joints'),
        mesh_root=of('mesh_root'),
        mesh_valid=of('mesh_valid') > 0,
        joints=of('joints_cam'),
        joints_valid=of('joints_valid') > 0,
        rotations=of('mano_rotations'),
        betas=of('mano_betas'),
        mano_valid=of('mano_valid') > 0,
        presence=of('hand_presence'),
        presence_valid=of('hand_presence_valid'),
        intrinsics=of('intrinsics'),
    )
    fields = label_fields(hands, tuple(results['input_size']))
    return {name: value[0].numpy() for name, value in fields.items()}


@TRANSFORMS.register_module()
class PackHandInputs(BaseTransform):
    """Check the fields and pack ``inputs`` (3, H, W) uint8 and a data sample.

    Hands that the data set left to be posed with their batch (``posed=False``) are
    packed as :class:`UnposedLabels`, without the keypoints that MMPose's own metrics
    read.

    Raises:
        ValueError: a field is absent, has another shape or is not finite.
    """

    takes_unposed = True

    def transform(self, results: dict) -> dict:
        """Return ``dict(inputs, data_samples)``."""
        source = str(results.get('img_path', 'sample'))
        sample, box = PoseDataSample(), np.float32(box_corners(results)[None])
        meta = {key: results[key] for key in META_KEYS if key in results}
        # Neither copied nor checked one by one, as set_metainfo and set_field do.
        vars(sample).update(meta)
        vars(sample)['_metainfo_fields'].update(meta)
        instances = dict(bboxes=box, bbox_scores=np.ones(1, np.float32))
        if 'hand_parameters' in results:
            sample.gt_instance_labels = _unposed(results, source)
            sample.gt_instances = _instances(instances)
        else:
            sample.gt_instance_labels = _posed(results, source)
            for key in KEYPOINTS:
                instances[key] = results[key]
            sample.gt_instances = InstanceData(**instances)
        return dict(inputs=channels_first(results['img']), data_samples=sample)


def _instances(fields: dict[str, np.ndarray]) -> InstanceData:
    """Arrays (1, ...) of one image as an instance, without a check of each length."""
    found = InstanceData()
    vars(found).update(fields)
    vars(found)['_data_fields'].update(fields)
    return found


def _posed(results: dict, source: str) -> HandLabels:
    labels = hand_labels(results)
    check_labels(labels, source)
    return HandLabels(
        **{
            name: torch.from_numpy(np.asarray(labels[name], np.float32))[None]
            for name in HAND_LABELS
        }
    )


def _unposed(results: dict, source: str) -> UnposedLabels:
    row = complete_row(
        results['hand_parameters'],
        results['parameter_axes'],
        results['intrinsics'],
        source,
    )
    return UnposedLabels.of_row(row, results['hand_name'], results['input_size'])


def channels_first(image: np.ndarray) -> torch.Tensor:
    """(H, W, C) as a tensor (C, H, W) of its own memory; a tenth of NumPy's time."""
    planes = np.empty((image.shape[2], *image.shape[:2]), image.dtype)
    cv2.split(np.ascontiguousarray(image), list(planes))
    return torch.from_numpy(planes)
