"""HaMeR as an estimator: one slot inside, two outside, with or without error bars."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from mmhand_dne.models.estimators import hand_predictions
from tests.fake_samples import fake_samples, one_hand_samples
from tests.gradients import check_everything_learns
from tests.tiny_hamer import tiny_decoder, tiny_hamer

SIZE = 64
DECODER = tiny_decoder(depth=2)
KINDS = ['Diagonal', 'Full', 'Correlated']


def build(uncertainty_head=None, test_cfg=None):
    torch.manual_seed(0)
    return MODELS.build(
        tiny_hamer(
            depth=2,
            type='HandMeshEstimator',
            uncertainty_head=uncertainty_head,
            test_cfg=test_cfg,
        )
    )


def head_of(kind, decoder=DECODER, **options):
    return dict(
        type='JointUncertaintyHead',
        in_channels=24,
        decoder=decoder,
        covariance=dict(type=f'{kind}Covariance'),
        loss=dict(type=f'{kind}GaussianNLLLoss'),
        **options,
    )


def images(batch=2):
    return torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def predict(model):
    with torch.no_grad():
        return model.eval().predict(images(), one_hand_samples(size=SIZE))


@pytest.mark.parametrize('kind', KINDS)
def test_everything_but_the_dead_by_design_learns(kind):
    model = build(head_of(kind)).train()
    losses = model.loss(images(), one_hand_samples(size=SIZE))
    assert {'loss_joints', 'loss_joints_2d', 'loss_nll'} < set(losses)
    check_everything_learns(model, sum(losses.values()))


def test_the_small_config_learns(request):
    path = request.config.rootpath / 'configs/_base_/models/hamer_small.py'
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(str(path)).model).train()
    losses = model.loss(torch.randn(2, 3, 128, 128), one_hand_samples(size=128))
    check_everything_learns(model, sum(losses.values()))


def test_predictions_have_two_slots_of_which_the_second_is_empty():
    sample = predict(build(head_of('Correlated')))[0]
    fields = sample.pred_instances
    shapes = dict(
        hand_vertices=(778, 3),
        hand_joints=(21, 3),
        hand_camera=(2, 2),
        hand_root=(3,),
        hand_root_cam=(3,),
        hand_presence=(),
        mano_rotations=(16, 3, 3),
        mano_betas=(10,),
        coarse_vertices=(778, 3),
        hand_joint_covariance=(60, 60),
        hand_joint_std=(21,),
    )
    for name, shape in shapes.items():
        assert fields[name].shape == (1, 2, *shape), name
        assert fields[name].dtype == np.float32, name
        assert fields[name][:, 0].any() and not fields[name][:, 1].any(), name
    np.testing.assert_array_equal(fields.hand_presence, [[1, 0]])
    np.testing.assert_array_equal(fields.hand_type, [[1, 0]])
    assert fields.keypoints.shape == (1, 42, 3) and np.isnan(fields.rel_root_depth)


def test_error_bars_are_the_roots_of_the_blocks_traces():
    fields = predict(build(head_of('Full')))[1].pred_instances
    covariance = fields.hand_joint_covariance[0, 0]
    traces = [
        np.trace(covariance[3 * j : 3 * j + 3, 3 * j : 3 * j + 3]) for j in range(20)
    ]
    np.testing.assert_allclose(
        fields.hand_joint_std[0, 0], np.sqrt([0, *traces]), rtol=1e-5
    )


def test_released_frame_covers_all_joints():
    model = build(head_of('Correlated', aligned=False)).train()
    losses = model.loss(images(), one_hand_samples(size=SIZE))
    assert losses['loss_nll'].isfinite()
    fields = predict(model)[0].pred_instances
    assert fields.hand_joint_covariance.shape == (1, 2, 63, 63)
    assert fields.hand_root[0, 0].any() and not fields.hand_root[0, 1].any()


def test_the_regressors_token_serves_a_head_without_decoder():
    model = build(head_of('Diagonal', decoder=None)).train()
    losses = model.loss(images(), one_hand_samples(size=SIZE))
    check_everything_learns(model, sum(losses.values()))


def test_a_deterministic_model_has_no_error_bars():
    head = dict(
        type='JointUncertaintyHead',
        in_channels=24,
        covariance=dict(type='DeterministicCovariance'),
    )
    for model in (build(), build(head)):
        assert 'hand_joint_covariance' not in predict(model)[0].pred_instances
        assert 'loss_nll' not in model.loss(images(), one_hand_samples(size=SIZE))


def test_keypoints_follow_hamers_own_camera():
    model = build()
    fields = predict(model)[0].pred_instances
    with torch.no_grad():
        ndc = model(images(), None, mode='tensor').coarse.joints_ndc[0, 0].numpy()
    # The crop is the image in these samples; the wrist is the last of InterHand's.
    pixels = ((ndc[0] + 1) * SIZE - 1) / 2
    np.testing.assert_allclose(fields.keypoints[0, 20, :2], pixels, rtol=1e-4)


def test_two_hands_and_flip_test_are_refused():
    with pytest.raises(ValueError, match='one sample per hand'):
        build().loss(images(), fake_samples(size=SIZE))
    with pytest.raises(ValueError, match='flip_test'):
        build(test_cfg=dict(flip_test=True))


def test_a_camera_behind_the_hand_is_said_once(monkeypatch):
    said = []
    monkeypatch.setattr(
        hand_predictions, 'print_log', lambda text, *args, **kw: said.append(text)
    )
    hand_predictions.say_once.cache_clear()
    model = build()
    model.mano_head.init_cam[:, 0] = -4
    for _ in range(2):
        fields = predict(model)[0].pred_instances
        assert np.isnan(fields.hand_root_cam[0, 0]).all()
    assert len(said) == 1 and 'not positive' in said[0]
