"""The whole model: gradients, masks, mirrors, predictions."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import METRICS, MODELS

from mmhand_dne.conventions import INTERHAND_JOINTS, OPENPOSE_JOINTS, reorder
from mmhand_dne.models.estimators.mirroring import mirror_coarse, mirror_state
from tests.fake_samples import fake_labels, fake_samples
from tests.gradients import wake

CONFIG = 'configs/dne_rendered.py'
SIZE = 64


@pytest.fixture
def config(request):
    cfg = Config.fromfile(str(request.config.rootpath / CONFIG)).model
    cfg.refine_head.map_size = SIZE // 4
    return cfg


def build(config, **changes):
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build({**config, **changes})
    wake(model)
    return model


def images(batch=2):
    return torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def total(losses):
    return sum(value for name, value in losses.items() if 'loss' in name)


def test_every_parameter_gets_a_gradient(config):
    model = build(config).train()
    total(model.loss(images(), fake_samples())).backward()
    silent = [
        name
        for name, p in model.named_parameters()
        if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert silent == []


def test_a_batch_without_a_valid_hand_teaches_nothing(config):
    model = build(config).train()
    labels = fake_labels(2, SIZE)
    none = {
        name: torch.zeros_like(value)
        for name, value in labels.items()
        if name.endswith('valid')
    }
    losses = model.loss(images(), fake_samples(**none))
    assert all(value.item() == 0 for value in losses.values())
    total(losses).backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.parameters())


def test_an_absent_hand_adds_nothing(config):
    model = build(config).train()
    labels = fake_labels(2, SIZE)
    mask = {
        name: torch.ones_like(value)
        for name, value in labels.items()
        if name.endswith('valid')
    }
    for value in mask.values():
        value[:, 1] = 0
    garbage = {
        name: 7 + torch.zeros_like(labels[name])
        for name in ('hand_joints', 'hand_joints_ndc', 'mano_betas')
    }
    for name, value in garbage.items():
        value[:, 0] = labels[name][:, 0]
    torch.manual_seed(0)
    clean = model.loss(images(), fake_samples(**mask))
    torch.manual_seed(0)
    dirty = model.loss(images(), fake_samples(**mask, **garbage))
    for name, value in clean.items():
        torch.testing.assert_close(dirty[name], value)
    assert total(clean) > 0


def test_frames_without_mano_learn_from_joints(config):
    model = build(config).train()
    no_mesh = dict(hand_vertices_valid=torch.zeros(2, 2), mano_valid=torch.zeros(2, 2))
    losses = model.loss(images(), fake_samples(**no_mesh))
    positive = {name for name, value in losses.items() if value > 0}
    assert positive == {
        'loss_presence',
        'loss_heatmaps',
        'coarse.loss_joints',
        'coarse.loss_joints_2d',
        'stage1.loss_joints',
        'stage1.loss_joints_2d',
    }


def test_flip_test_commutes_with_the_mirror(config):
    model = build(config, test_cfg=dict(flip_test=True)).eval()
    with torch.no_grad():
        upright = model.predict(images(), fake_samples())
        mirrored = model.predict(images().flip(-1), fake_samples())
    for name in ('hand_vertices', 'coarse_vertices'):
        seen = mirrored[0].pred_instances[name][:, ::-1] * [-1, 1, 1]
        np.testing.assert_allclose(seen, upright[0].pred_instances[name], atol=1e-5)
    np.testing.assert_allclose(
        mirrored[0].pred_instances.hand_presence[:, ::-1],
        upright[0].pred_instances.hand_presence,
        atol=1e-5,
    )


def test_mirroring_twice_is_the_identity(config):
    model = build(config).eval()
    with torch.no_grad():
        coarse = model.run_heads(images()).coarse
    twice = mirror_coarse(mirror_coarse(coarse))
    torch.testing.assert_close(twice.rotations, coarse.rotations)
    for ours, other in zip(coarse.state, mirror_state(mirror_state(coarse.state))):
        torch.testing.assert_close(ours, other)


def test_baseline_and_plain_regressor(config):
    baseline = build(config, refine_head=None).eval()
    with torch.no_grad():
        sample = baseline.predict(images(), fake_samples())[0]
    np.testing.assert_array_equal(
        sample.pred_instances.hand_vertices, sample.pred_instances.coarse_vertices
    )
    plain = build(config, refine_head=None, aux_head=None).train()
    assert total(plain.loss(images(), fake_samples())) > 0


def test_maps_are_added_on_demand(config):
    model = build(config, test_cfg=dict(output_maps=True)).eval()
    with torch.no_grad():
        sample = model.predict(images(), fake_samples())[0]
    assert sample.pred_fields.parts.shape == (34, SIZE // 4, SIZE // 4)


def test_mmpose_metric_runs_unchanged_on_predictions(config):
    model = build(config).eval()
    with torch.no_grad():
        samples = model.predict(images(), fake_samples())
    to_interhand = reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS)
    metric = METRICS.build(dict(type='InterHandMetric'))
    errors = []
    for sample in samples:
        labels = sample.gt_instance_labels
        joints = 1000 * (labels.hand_joints + labels.hand_root_cam[:, :, None])[0]
        sample.gt_instances = InstanceData(
            keypoints_cam=joints[:, to_interhand].reshape(1, 42, 3).numpy(),
            keypoints_visible=np.ones((1, 42)),
        )
        errors.append(sample.to_dict())
    metric.process({}, errors)
    result = metric.evaluate(len(samples))
    assert 0 < result['MPJPE_all'] < 1000 and np.isfinite(result['MRRPE'])


def test_heads_must_be_there(config):
    with pytest.raises(ValueError, match='mano_head'):
        build(config, mano_head=None)
