"""MMPose's RTMPose for hands, from its config in configs/mix, as a mesh model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.structures import InstanceData
from mmpose.registry import METRICS, MODELS

from mmhand_dne.geometry.camera import ndc_to_pixels
from tests.fake_samples import one_hand_samples

CONFIG = Path(__file__).resolve().parents[3] / 'configs/mix/rtmpose_hand_mesh.py'
SIZE = 256


class GivenKeypoints(torch.nn.Module):
    """In place of a trained head: finds what it is told, in pixels of the crop."""

    def __init__(self, pixels, scores):
        super().__init__()
        self.pixels, self.scores = pixels.numpy(), scores.numpy()

    def predict(self, features, data_samples, test_cfg):
        return [
            InstanceData(keypoints=points[None], keypoint_scores=scores[None])
            for points, scores in zip(self.pixels, self.scores)
        ]


@pytest.fixture
def config():
    cfg = Config.fromfile(str(CONFIG))
    cfg.model.backbone.update(
        deepen_factor=0.1, widen_factor=0.125, init_cfg=None, norm_cfg=dict(type='BN')
    )
    cfg.model.head.in_channels = 128
    return cfg


def build(cfg):
    torch.manual_seed(0)
    return MODELS.build(cfg.model).eval()


def images(count):
    return torch.randn(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def predict(model, samples):
    return model.predict(images(len(samples)), samples)


def given_truth(model, samples, scores=None):
    """Let the model's head find the true joints."""
    ndc = torch.cat([s.gt_instance_labels.hand_joints_ndc[:, 0] for s in samples])
    scores = torch.ones(len(samples), 21) if scores is None else scores
    model.head = GivenKeypoints(ndc_to_pixels(ndc, SIZE), scores)
    return ndc


def seen_joints(fields):
    """(21, 2) crop NDC."""
    scale, shift = np.moveaxis(fields.hand_camera[0, 0], -1, 0)
    return fields.hand_joints[0, 0, :, :2] * scale + shift


def test_random_weights_predict_the_fields_of_a_mesh_model(config):
    model = build(config)
    assert model.test_cfg['flip_test']  # as the keypoint model has it
    fields = predict(model, one_hand_samples(2, SIZE))[1].pred_instances
    shapes = dict(
        hand_vertices=(778, 3),
        hand_joints=(21, 3),
        hand_camera=(2, 2),
        hand_root_cam=(3,),
        mano_rotations=(16, 3, 3),
        coarse_vertices=(778, 3),
        landmarks_ndc=(21, 2),
        landmark_scores=(21,),
    )
    for name, shape in shapes.items():
        assert fields[name].shape == (1, 2, *shape), name
        assert np.isfinite(fields[name]).all() and not fields[name][:, 1].any(), name
    np.testing.assert_array_equal(fields.hand_presence, [[1, 0]])


def test_the_mesh_is_seen_where_the_head_sees_the_hand(config):
    model, samples = build(config), one_hand_samples(3, SIZE)
    ndc = given_truth(model, samples)
    for sample, wanted in zip(predict(model, samples), ndc.numpy()):
        fields = sample.pred_instances
        box = np.ptp(wanted, 0).max()
        gap = np.linalg.norm(seen_joints(fields) - wanted, axis=-1).mean()
        assert gap < 0.01 * box  # the truth is seen in perspective
        np.testing.assert_allclose(fields.landmarks_ndc[0, 0], wanted, atol=1e-5)


def test_the_mesh_metrics_score_it(config):
    model, samples = build(config), one_hand_samples(3, SIZE)
    given_truth(model, samples)
    metrics = [METRICS.build(metric) for metric in config.test_evaluator]
    for metric in metrics:
        metric.process(None, [s.to_dict() for s in predict(model, samples)])
    scores = metrics[0].evaluate(3)
    assert scores['PA-MPJPE_All'] < 5 and scores['MPVPE2D_All'] < 0.02 * SIZE


def test_an_unsure_keypoint_counts_less(config):
    model, samples = build(config), one_hand_samples(1, SIZE)
    scores = torch.ones(1, 21)
    ndc = given_truth(model, samples, scores)
    clean = seen_joints(predict(model, samples)[0].pred_instances)
    gaps = []
    for score in (1.0, 0.01):
        model.head.pixels[0, 8] = ndc_to_pixels(ndc[0, 8] + 0.3, SIZE)
        model.head.scores[0, 8] = score
        fields = predict(model, samples)[0].pred_instances
        gaps.append(np.abs(seen_joints(fields) - clean).max())
    assert gaps[1] < 0.2 * gaps[0]


def test_a_released_checkpoint_of_the_keypoint_model_fits(config):
    plain = {**config.model, 'type': 'TopdownPoseEstimator'}
    for name in ('landmark_fit', 'hand_model'):
        plain.pop(name)
    wanted = MODELS.build(plain).state_dict()
    assert wanted.keys() == build(config).state_dict().keys()


def test_crops_that_are_not_ours_and_other_keypoints_are_refused(config):
    model, samples = build(config), one_hand_samples(1, SIZE)
    model.head = GivenKeypoints(torch.zeros(1, 17, 2), torch.ones(1, 17))
    with pytest.raises(ValueError, match='17 keypoints'):
        predict(model, samples)
    del samples[0].gt_instance_labels.crop_intrinsics
    with pytest.raises(ValueError, match='crop_intrinsics'):
        predict(model, samples)


@pytest.mark.parametrize(
    'name',
    [
        'topdown_regression/onehand10k/td-reg_res50_8xb64-210e_onehand10k-256x256',
        'topdown_heatmap/onehand10k/td-hm_res50_8xb32-210e_onehand10k-256x256',
    ],
)
def test_other_keypoint_models_of_mmpose_become_mesh_models(name):
    cfg = get_config(f'mmpose::hand_2d_keypoint/{name}.py')
    cfg.model.update(type='KeypointMeshEstimator')
    cfg.model.backbone.update(depth=18, init_cfg=None)
    cfg.model.head.in_channels = 512
    fields = predict(build(cfg), one_hand_samples(2, SIZE))[0].pred_instances
    assert np.isfinite(fields.hand_vertices).all() and fields.hand_vertices.any()
