"""DNE with error bars: both papers in one model."""

from copy import deepcopy
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from tests.fake_samples import fake_labels, fake_samples
from tests.gradients import check_everything_learns, wake

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
SIZE = 64


@lru_cache
def read(name):
    return Config.fromfile(str(CONFIGS / name))


def build(name='dne_correlated_rendered.py', **changes):
    cfg = deepcopy(read(name).model)
    cfg.update(
        backbone={**cfg.backbone, 'init_cfg': None},
        refine_head={**cfg.refine_head, 'map_size': SIZE // 4},
        **changes,
    )
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    wake(model)
    return model


def images(batch=2):
    return torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    'name', ['dne_correlated_rendered.py', 'dne_correlated_interhand.py']
)
def test_everything_learns_and_error_bars_come_out(name):
    model = build(name).train()
    losses = model.loss(images(), fake_samples(size=SIZE))
    assert losses['loss_nll'].isfinite()
    check_everything_learns(
        model, sum(value for key, value in losses.items() if 'loss' in key)
    )
    with torch.no_grad():
        sample = model.eval().predict(images(), fake_samples(size=SIZE))[0]
    fields = sample.pred_instances
    assert fields.hand_joint_covariance.shape == (1, 2, 60, 60)
    assert (np.linalg.eigvalsh(fields.hand_joint_covariance[0]) > 0).all()
    assert (fields.hand_joint_std[0, :, 1:] > 0).all()
    assert not fields.hand_joint_std[0, :, 0].any()
    assert not np.allclose(*fields.hand_joint_covariance[0])  # one W a side


def test_one_map_of_correlations_a_side():
    covariance = build().uncertainty_head.covariance
    assert covariance.lower_upper.shape == (2, 60, 60)


def test_an_absent_hand_adds_nothing_to_the_likelihood():
    model = build().eval()
    labels = fake_labels(2, SIZE)
    masks = {
        name: value.clone() for name, value in labels.items() if name.endswith('valid')
    }
    for value in masks.values():
        value[:, 1] = 0
    wrong = labels['hand_joints'].clone()
    wrong[:, 1] = 7.0
    clean = model.loss(images(), fake_samples(size=SIZE, **masks))['loss_nll']
    dirty = model.loss(images(), fake_samples(size=SIZE, **masks, hand_joints=wrong))[
        'loss_nll'
    ]
    torch.testing.assert_close(clean, dirty)
    both = model.loss(images(), fake_samples(size=SIZE))['loss_nll']
    assert clean != both
    none = {name: torch.zeros_like(value) for name, value in masks.items()}
    assert model.loss(images(), fake_samples(size=SIZE, **none))['loss_nll'] == 0


def test_error_bars_in_the_hands_axes_turn_with_the_regressed_wrist():
    head = read('dne_correlated_rendered.py').model.uncertainty_head
    model = build(uncertainty_head={**head, 'frame': 'hand'}).train()
    assert model.loss(images(), fake_samples(size=SIZE))['loss_nll'].isfinite()
    model.eval()
    with torch.no_grad():
        outputs = model.run_heads(images())
        turned = model.error_bars(outputs)['hand_joint_covariance']
        model.uncertainty_head.in_hand = False
        own = model.error_bars(outputs)['hand_joint_covariance']
    axes = outputs.coarse.rotations[:, :, 0]
    blocks = own.unflatten(-1, (20, 3)).unflatten(-3, (20, 3))
    expected = torch.einsum('bsxy,bsjykz,bswz->bsjxkw', axes, blocks, axes)
    torch.testing.assert_close(
        turned, expected.reshape(turned.shape), rtol=1e-3, atol=1e-8
    )


def test_error_bars_wait_for_the_second_phase():
    model = build().train()
    model.refines_in_training = False
    assert 'loss_nll' not in model.loss(images(), fake_samples(size=SIZE))
    hook = read('dne_correlated_rendered.py').custom_hooks[0]
    assert hook.type == 'TwoPhaseHook'
    assert not {'refine_head', 'hand_token', 'uncertainty_head'} & set(hook.modules)


def test_flip_test_keeps_the_upright_error_bars():
    plain, flipped = (
        build(test_cfg=dict(flip_test=flip)).eval() for flip in (False, True)
    )
    with torch.no_grad():
        first, second = (
            model.predict(images(), fake_samples(size=SIZE))[0].pred_instances
            for model in (plain, flipped)
        )
    np.testing.assert_array_equal(
        first.hand_joint_covariance, second.hand_joint_covariance
    )
    assert not np.allclose(first.hand_joints, second.hand_joints)


def test_a_token_of_unrefined_hands_is_refused():
    model = build()
    model.refine_head = None
    with pytest.raises(ValueError, match='not refined'):
        model.loss(images(), fake_samples(size=SIZE))
