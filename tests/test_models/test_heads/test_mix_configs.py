"""Covariances on MMPose's own models: built from configs/mix, trained two steps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData, PixelData

from mmhand_dne.models.heads.internet_maps_head import centre_of_mass, peak

MIX = Path(__file__).resolve().parents[3] / 'configs/mix'
CELLS, SIZE = 8, 32


def internet():
    cfg = Config.fromfile(str(MIX / 'internet_correlated_res50_interhand3d-256x256.py'))
    head, codec = cfg.model.head, cfg.codec
    cfg.model.backbone.update(depth=18, init_cfg=None)
    for part in (head.keypoint_head_cfg, head.root_head_cfg, head.hand_type_head_cfg):
        part.in_channels = 512
    head.keypoint_head_cfg.update(
        out_channels=21 * CELLS, depth_size=CELLS, deconv_out_channels=(8, 8, 8)
    )
    codec.update(image_size=[SIZE, SIZE], heatmap_size=[CELLS] * 3, depth_size=CELLS)
    head.decoder.update(codec)
    return cfg, internet_sample


def regression():
    cfg = Config.fromfile(
        str(MIX / 'regression_correlated_res18_onehand10k-256x256.py')
    )
    cfg.model.backbone.init_cfg = None
    return cfg, regression_sample


def internet_sample(draw):
    places = torch.randint(1, CELLS - 1, (42, 3), generator=draw)
    grid = torch.stack(torch.meshgrid(*[torch.arange(CELLS)] * 3, indexing='ij'), -1)
    square = (grid - places[:, None, None, None].flip(-1)).square().sum(-1)
    fields = PixelData(
        heatmaps=(255 * torch.exp(-square / 2)).reshape(42 * CELLS, CELLS, CELLS)
    )
    weights = torch.ones(1, 42)
    weights[0, 3] = 0
    return fields, InstanceData(
        keypoint_weights=weights,
        root_depth=torch.tensor([30.0]),
        root_depth_weight=torch.ones(1),
        type=torch.ones(1, 2),
        type_weight=torch.ones(1),
    )


def regression_sample(draw):
    weights = torch.ones(1, 21)
    weights[0, 3] = 0
    return None, InstanceData(
        keypoint_labels=torch.rand(1, 21, 2, generator=draw), keypoint_weights=weights
    )


def make_batch(one, count=2):
    from mmpose.structures import PoseDataSample

    draw, samples = torch.Generator().manual_seed(0), []
    for _ in range(count):
        sample = PoseDataSample(
            metainfo=dict(
                input_size=(SIZE, SIZE),
                input_center=np.array([16.0, 16.0]),
                input_scale=np.array([32.0, 32.0]),
                flip_indices=list(range(42)),
            )
        )
        fields, sample.gt_instance_labels = one(draw)
        if fields is not None:
            sample.gt_fields = fields
            sample.gt_instance_labels.type = sample.gt_instance_labels.type[0][None]
        sample.gt_instances = InstanceData(
            bboxes=np.zeros((1, 4)),
            bbox_scores=np.ones(1),
            bbox_centers=np.array([[16.0, 16.0]]),
            bbox_scales=np.array([[32.0, 32.0]]),
        )
        samples.append(sample)
    return torch.rand(count, 3, SIZE, SIZE, generator=draw), samples


@pytest.mark.parametrize('make', [internet, regression])
def test_two_steps_train_the_covariance_too(make):
    from mmpose.registry import MODELS

    cfg, one = make()
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    inputs, samples = make_batch(one)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    values = []
    for _ in range(2):
        losses = model.loss(inputs, samples)
        loss = sum(v.mean() for k, v in losses.items() if k.startswith('loss'))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(losses['loss_nll'].item())
    assert values[1] < values[0]
    moved = {
        name for name, p in model.named_parameters() if not torch.equal(p, before[name])
    }
    assert {name for name in before if 'gaussian' in name} <= moved
    assert len([name for name in before if 'gaussian' in name]) == 3


@pytest.mark.parametrize('make, joints, dims', [(internet, 42, 3), (regression, 21, 2)])
def test_predictions_carry_standard_deviations(make, joints, dims):
    from mmpose.registry import MODELS

    cfg, one = make()
    cfg.model.test_cfg = {}
    model = MODELS.build(cfg.model).eval()
    inputs, samples = make_batch(one)
    with torch.no_grad():
        found = model.predict(inputs, samples)
    for sample in found:
        std = sample.pred_instances.keypoint_std
        assert std.shape == (1, joints, dims)
        wrists = [20, 41] if joints == 42 else []
        assert (std[0, wrists] == 0).all()
        assert (np.delete(std, wrists, 1) > 0).all()


def test_peak_and_centre_of_mass_are_x_y_z():
    maps = torch.zeros(1, 1, 4, 5, 6)
    maps[0, 0, 1, 2, 3] = 2
    assert peak(maps).tolist() == centre_of_mass(maps).tolist() == [[[3, 2, 1]]]
    maps[0, 0, 3, 2, 3] = 2
    assert centre_of_mass(maps).tolist() == [[[3, 2, 2]]]
    assert centre_of_mass(0 * maps).tolist() == [[[0, 0, 0]]]
