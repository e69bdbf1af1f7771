"""Random evaluated samples of FreiHAND's and HO-3D's kind, and what they are of."""

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

# InterHand order: from the tip to the base, the wrist last; typed from its definition.
INTERHAND_FROM_OPENPOSE = [
    4,
    3,
    2,
    1,
    8,
    7,
    6,
    5,
    12,
    11,
    10,
    9,
    16,
    15,
    14,
    13,
    20,
    19,
    18,
    17,
    0,
]
HO3D_FROM_OPENPOSE = [
    0,
    5,
    6,
    7,
    9,
    10,
    11,
    17,
    18,
    19,
    13,
    14,
    15,
    1,
    2,
    3,
    4,
    8,
    12,
    16,
    20,
]
NUM_VERTICES = 40


def slots(value):
    """The right hand's value in slot 0, noise in the left hand's: (1, 2, ...)."""
    value = np.asarray(value, np.float64)
    return np.stack([value, np.full_like(value, 7.0)])[None]


def right_hand_sample(index, seed=0, kind='noisy', num_vertices=NUM_VERTICES):
    """A float64 sample as ``predict()`` returns it, and its hands in camera metres.

    Returns: sample, predicted (joints, vertices), true (joints, vertices).
    """
    rng = np.random.default_rng([seed, index])
    centre = rng.normal(0, 0.1, 3) + [0, 0, 0.7]
    joints = centre + 0.04 * rng.normal(size=(21, 3))
    vertices = centre + 0.04 * rng.normal(size=(num_vertices, 3))
    pred = [_change(points, kind, rng) for points in (joints, vertices)]
    root = pred[0][0]
    mesh_root = vertices[:3].mean(0)  # not the annotated wrist: as for HO-3D
    keypoints = np.concatenate([joints[INTERHAND_FROM_OPENPOSE], np.full((21, 3), 9.0)])
    sample = PoseDataSample(
        metainfo=dict(
            img_id=index,
            id=index,
            img_path=f'{index:08d}.jpg',
            sample_idx=index,
            input_size=(64, 64),
            hand_type=np.array([[1, 0]]),
        )
    )
    sample.gt_instance_labels = InstanceData(
        **{
            name: torch.from_numpy(v)
            for name, v in dict(
                hand_joints_valid=np.stack([np.ones(21), np.zeros(21)])[None],
                hand_vertices_valid=np.array([[1, 0]]),
                hand_root_valid=np.array([[1, 0]]),
                hand_vertices=slots(vertices - mesh_root),
                hand_root_cam=slots(mesh_root),
            ).items()
        }
    )
    sample.gt_instances = InstanceData(keypoints_cam=1000 * keypoints[None])
    sample.pred_instances = InstanceData(
        hand_joints=slots(pred[0] - root),
        hand_vertices=slots(pred[1] - root),
        hand_root_cam=slots(root),
    )
    return sample, pred, [joints, vertices]


def _change(points, kind, rng):
    if kind == 'noisy':
        return points + 0.005 * rng.normal(size=points.shape)
    if kind == 'mirrored':
        return points * [-1, 1, 1] + 0.002 * rng.normal(size=points.shape)
    if kind == 'collinear':
        return points[:, :1] * np.array([1.0, 2.0, -1.0]) + 0.1
    if kind == 'zero':
        return np.zeros_like(points)
    assert kind == 'random'
    return rng.normal(size=points.shape)


def official(hand, protocol):
    """Joints and vertices in the data set's own order and axes."""
    joints, vertices = hand
    if protocol == 'freihand':
        return joints, vertices
    flip = np.diag([1.0, -1.0, -1.0])
    return joints[HO3D_FROM_OPENPOSE] @ flip, vertices @ flip
