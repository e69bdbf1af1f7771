"""Random evaluated data samples."""

import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

NUM_VERTICES, NUM_JOINTS, SIZE = 11, 21, (64, 48)
HAND_TYPES = ('right', 'left', 'interacting')


def random_gt(rng, hand_type):
    """Arrays of one image: masks drawn, the absent hand without any ground truth."""
    present = np.array([hand_type != 'left', hand_type != 'right'])
    joints = rng.normal(0, 0.05, (2, NUM_JOINTS, 3))
    mesh_valid = present & (rng.random(2) > 0.2)
    return dict(
        hand_vertices=rng.normal(0, 0.05, (2, NUM_VERTICES, 3)),
        hand_vertices_valid=mesh_valid,
        hand_joints=joints - joints[:, :1],
        hand_joints_valid=present[:, None] & (rng.random((2, NUM_JOINTS)) > 0.3),
        hand_joints_ndc=rng.uniform(-1, 1, (2, NUM_JOINTS, 2)),
        hand_joints_ndc_valid=present[:, None] & (rng.random((2, NUM_JOINTS)) > 0.3),
        hand_root_cam=rng.normal([0, 0, 0.8], 0.05, (2, 3)),
        hand_root_valid=present & (rng.random(2) > 0.3),
        hand_presence=present,
        hand_presence_valid=np.full(2, rng.random() > 0.2),
        crop_intrinsics=np.array([[90.0, 1.0, 31], [0, 88, 25], [0, 0, 1]]),
    )


def random_prediction(rng, stages=('hand', 'coarse', 'stage1')):
    found = dict(
        hand_presence=rng.random(2), hand_root_cam=rng.normal(0.5, 0.1, (2, 3))
    )
    for stage in stages:
        found[f'{stage}_vertices'] = rng.normal(0, 0.05, (2, NUM_VERTICES, 3))
        found[f'{stage}_joints'] = rng.normal(0, 0.05, (2, NUM_JOINTS, 3))
        found[f'{stage}_camera'] = rng.normal([8, 0], 0.3, (2, 2, 2))
    if 'stage1' in stages:
        found['stage1_points_ndc'] = rng.uniform(-1, 1, (2, NUM_VERTICES, 2))
    return found


def random_sample(index, hand_type=None, seed=0):
    """A PoseDataSample as predict() returns it, the same for the same index."""
    rng = np.random.default_rng([seed, index])
    hand_type = hand_type or HAND_TYPES[rng.integers(3)]
    sample = PoseDataSample(
        metainfo=dict(
            img_id=1000 + index,
            id=index,
            img_path=f'{index}.jpg',
            sample_idx=index,
            input_size=SIZE,
            hand_type=hand_type,
        )
    )
    gt = random_gt(rng, hand_type)
    sample.gt_instance_labels = InstanceData(
        **{k: torch.from_numpy(np.float32(v))[None] for k, v in gt.items()}
    )
    sample.pred_instances = InstanceData(
        **{k: np.float32(v)[None] for k, v in random_prediction(rng).items()}
    )
    return sample


def batches(indices, size=2):
    indices = list(indices)
    return [indices[i : i + size] for i in range(0, len(indices), size)]
