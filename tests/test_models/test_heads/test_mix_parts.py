"""Our parts in MMPose's own estimators: built from configs/mix, trained two steps."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.registry import MODELS

from mmhand_dne.conventions import INTERHAND_FROM_OPENPOSE
from mmhand_dne.engine.runner.shared_hand import hand_of_model
from mmhand_dne.evaluation.metrics import HandMeshMetric
from mmhand_dne.geometry.camera import ndc_to_pixels, project
from mmhand_dne.geometry.ridge_camera import ridge_camera
from mmhand_dne.models.heads.internet_maps_head import peak
from tests.fake_samples import fake_samples

from .test_mix_configs import internet, make_batch

MIX = Path(__file__).resolve().parents[3] / 'configs/mix'
SIZE = 64


def read(name):
    cfg = Config.fromfile(str(MIX / name))
    cfg.model.backbone.init_cfg = None
    return cfg


def refined():
    cfg = read('hrnet_dne_rendered-128x128.py')
    cfg.model.head.refine_head.map_size = SIZE // 4
    return cfg.model, two_hand_batch()


def regressed():
    cfg = read('regression_ridge_camera_res18_rendered-128x128.py')
    return cfg.model, two_hand_batch()


def three_view():
    cfg, sample = internet()
    head = dict(read('internet_three_view_res50_interhand3d-256x256.py').model.head)
    small = cfg.model.head
    for name in ('keypoint_head_cfg', 'root_head_cfg', 'hand_type_head_cfg', 'decoder'):
        head[name] = small[name]
    cfg.model.head = head
    return cfg.model, make_batch(sample)


def two_hand_batch():
    samples = fake_samples(2, SIZE)
    for sample in samples:
        # The crop lies at (10, 20) of the image, at half its size.
        sample.set_metainfo(
            dict(
                crop_affine=np.array([[0.5, 0, -5.25], [0, 0.5, -10.25]]),
                input_center=np.array([10.0 + SIZE, 20.0 + SIZE]),
                input_scale=np.array([2.0 * SIZE, 2.0 * SIZE]),
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1)
        )
    draw = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, SIZE, SIZE, generator=draw), samples


def build(make):
    config, batch = make()
    torch.manual_seed(0)
    model = MODELS.build(config)
    assert type(model).__module__ == 'mmpose.models.pose_estimators.topdown'
    return model, batch


@pytest.mark.parametrize(
    'make, part',
    [
        (refined, 'head.refine_head.stages'),
        (three_view, 'head.offset'),
        (regressed, 'head.fc_3d'),
    ],
)
def test_two_steps_train_our_part_and_the_backbone(make, part):
    model, (inputs, samples) = build(make)
    model.train()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(2):
        losses = model.loss(inputs, samples)
        loss = sum(v.mean() for k, v in losses.items() if 'loss' in k)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.isfinite()
    moved = {
        name for name, p in model.named_parameters() if not torch.equal(p, before[name])
    }
    own = {name for name in before if name.startswith(part)}
    assert own and own <= moved
    assert any(name.startswith('backbone') for name in moved)


def test_refined_hands_are_scored_and_their_keypoints_lie_in_the_image():
    model, (inputs, samples) = build(refined)
    assert hand_of_model(model) is model.head.hand_model
    with torch.no_grad():
        found = model.eval().predict(inputs, samples)
    metric = HandMeshMetric()
    metric.process(None, [sample.to_dict() for sample in found])
    scores = metric.evaluate(2)
    assert {'MPVPE_All', 'coarse/MPVPE_All', 'stage1/MPVPE_All'} <= set(scores)
    for sample in found:
        hands = sample.pred_instances
        joints = torch.from_numpy(hands.hand_joints[0])
        crop = ndc_to_pixels(
            project(joints, torch.from_numpy(hands.hand_camera[0])), (SIZE, SIZE)
        )
        image = 2 * crop + torch.tensor([10.5, 20.5])
        wanted = image[:, INTERHAND_FROM_OPENPOSE].reshape(1, 42, 2)
        np.testing.assert_allclose(hands.keypoints[..., :2], wanted, atol=1e-2)


def test_the_camera_of_the_regression_sees_its_joints_at_its_points():
    model, (inputs, samples) = build(regressed)
    with torch.no_grad():
        points, joints, camera = model.eval().head(model.extract_feat(inputs))
        found = model.predict(inputs, samples)
    incoming = torch.ones(2, 2, 2, 2)
    torch.testing.assert_close(camera, ridge_camera(joints, points, incoming, 1e-4))
    for i, sample in enumerate(found):
        image = 2 * ndc_to_pixels(points[i], (SIZE, SIZE)) + torch.tensor([10.5, 20.5])
        wanted = image[:, INTERHAND_FROM_OPENPOSE].reshape(1, 42, 2)
        keypoints = sample.pred_instances.keypoints
        np.testing.assert_allclose(keypoints[..., :2], wanted, atol=1e-2)
        depth = 1000 * joints[i, :, INTERHAND_FROM_OPENPOSE, 2].reshape(1, 42)
        np.testing.assert_allclose(keypoints[..., 2], depth, atol=1e-3)


def test_an_offset_of_a_cell_moves_keypoints_by_a_cell():
    model, (inputs, samples) = build(three_view)
    model.eval()
    model.test_cfg = {}
    with torch.no_grad():
        before = [s.pred_instances.keypoints for s in model.predict(inputs, samples)]
        model.head.offset.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
        after = [s.pred_instances.keypoints for s in model.predict(inputs, samples)]
    decoder = model.head.decoder
    cell = (*decoder.scale_factor, decoder.heatmap3d_depth_bound / decoder.depth_size)
    for one, other in zip(before, after):
        moved = np.broadcast_to(np.multiply([1, 2, 3], cell), one.shape)
        np.testing.assert_allclose(other - one, moved, rtol=1e-4, atol=1e-3)


def test_a_keypoint_reads_its_cell_and_the_cells_of_its_own_hand():
    model, _ = build(three_view)
    head = model.head.eval()
    torch.manual_seed(1)
    torch.nn.init.normal_(head.offset.weight)
    maps = torch.rand(1, 42, 8, 8, 8)
    features = torch.rand(1, 512, 8, 8)
    cells = peak(maps)[0].long()
    with torch.no_grad():
        base = head.offsets(features, maps)
        x, y, _ = cells[0]
        features[:, :, y, x] += 5
        changed = (head.offsets(features, maps) - base).abs().sum(-1)[0] > 1e-6
    at_cell = (cells[:, 0] == x) & (cells[:, 1] == y)
    assert changed[0] and (changed[at_cell]).all()
    assert not changed[21:].any() or at_cell[21:].any()
