"""A data set's ground truth, predicted: every metric of both kinds is perfect."""

import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from mmpose.evaluation import InterHandMetric

import mmhand_dne  # noqa: F401  registers our modules
from mmhand_dne.datasets.datasets.interhand_mesh_dataset import InterHandMeshDataset
from mmhand_dne.evaluation import HandMeshMetric
from mmhand_dne.structures.mmpose_predictions import interhand_prediction

PIPELINE = [
    dict(type='LoadHandImage'),
    dict(type='MeshCrop', rotation=60, shift=10, scale=(0.9, 1.1)),
    dict(type='PackHandInputs'),
]


@pytest.fixture
def samples(real_data):
    with DefaultScope.overwrite_default_scope('mmpose'):
        dataset = InterHandMeshDataset(
            ann_file='test_interhand2.6m_data.json',
            camera_file='test_interhand2.6m_camera.json',
            joint_file='test_interhand2.6m_joint_3d.json',
            data_root=str(real_data / 'interhand2.6m'),
            data_prefix=dict(img=''),
            pipeline=PIPELINE,
        )
    np.random.seed(0)
    return [dataset[i]['data_samples'] for i in range(len(dataset))]


def gt_as_prediction(sample):
    """All fields of a prediction; the mesh, unknown here, is zeros."""
    labels = sample.gt_instance_labels
    joints, roots = labels.hand_joints.numpy(), labels.hand_root_cam.numpy()
    ndc, presence = labels.hand_joints_ndc.numpy(), labels.hand_presence.numpy()
    return InstanceData(
        hand_vertices=np.zeros_like(labels.hand_vertices),
        hand_joints=joints,
        hand_camera=np.zeros((1, 2, 2, 2), np.float32),
        hand_root_cam=roots,
        hand_presence=presence,
        **interhand_prediction(
            joints[0], ndc[0], presence[0], roots[0], sample.metainfo
        ),
    )


def test_both_metrics_find_no_error_in_real_annotations(samples):
    for sample in samples:
        sample.pred_instances = gt_as_prediction(sample)
    evaluator = Evaluator([HandMeshMetric(), InterHandMetric(prefix='mmpose')])
    evaluator.process(samples)
    metrics = evaluator.evaluate(len(samples))
    assert metrics['presence_acc'] == metrics['mmpose/HandednessAcc'] == 1
    for name in ('MPJPE_All', 'MRRPE', 'mmpose/MPJPE_all', 'mmpose/MRRPE'):
        assert metrics[name] < 0.05, name  # mm
    assert any(s.gt_instances.keypoints_visible.any() for s in samples)
