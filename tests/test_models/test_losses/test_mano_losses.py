"""HaMeR's losses from their definitions."""

import numpy as np
import pytest
import torch

from mmhand_dne.models.estimators.one_hand_slot import slots_of
from mmhand_dne.models.losses import HaMeRLoss
from mmhand_dne.structures.hand_state import CoarseHands, HandState
from mmhand_dne.structures.hand_targets import HandTargets
from tests.fake_samples import one_hand_samples


def prediction(batch=3):
    draw = torch.Generator().manual_seed(5)

    def noise(*shape):
        return 0.3 * torch.randn(batch, 1, *shape, generator=draw)

    state = HandState(noise(778, 3), noise(21, 3), noise(3), noise(2, 2))
    return CoarseHands(
        state,
        noise(16, 6),
        noise(16, 3, 3),
        noise(10),
        noise(),
        noise(4),
        joints_ndc=noise(21, 2),
    )


def gt(batch=3, **overrides):
    samples = one_hand_samples(batch, **overrides)
    return slots_of(HandTargets.from_samples(samples), 1)


def official(coarse, targets):
    """Sums over everything, as the released training code writes them."""
    ours = {
        name: value.numpy()
        for name, value in dict(
            joints=coarse.state.joints,
            ndc=coarse.joints_ndc,
            rotations=coarse.rotations,
            betas=coarse.betas,
        ).items()
    }
    known = targets.mano_valid.numpy()
    squares = (
        known[..., None, None, None]
        * (ours['rotations'] - targets.rotations.numpy()) ** 2
    )
    return dict(
        loss_joints=0.05
        * (
            targets.joints_valid.numpy()[..., None]
            * np.abs(ours['joints'] - targets.joints.numpy())
        ).sum(),
        loss_joints_2d=0.01
        * (
            targets.joints_ndc_valid.numpy()[..., None]
            * np.abs(ours['ndc'] - targets.joints_ndc.numpy())
            / 2
        ).sum(),
        loss_orient=0.001 * squares[:, :, 0].sum(),
        loss_pose=0.001 * squares[:, :, 1:].sum(),
        loss_betas=0.0005
        * (known[..., None] * (ours['betas'] - targets.betas.numpy()) ** 2).sum(),
    )


def some_hidden():
    valid = torch.ones(3, 2, 21)
    valid[1, 0, 4:9] = 0
    return dict(
        hand_joints_valid=valid,
        hand_joints_ndc_valid=valid.flip(-1),
        mano_valid=torch.tensor([[1.0, 0], [0, 0], [1, 0]]),
    )


def test_sum_is_the_released_loss():
    coarse, targets = prediction(), gt(**some_hidden())
    found = HaMeRLoss(reduction='sum')(coarse, targets)
    for name, value in official(coarse, targets).items():
        assert found.pop(name).item() == pytest.approx(value, rel=1e-5), name
    assert not found


def test_mean_is_the_sum_over_the_batch_size():
    coarse, targets = prediction(), gt()
    mean = HaMeRLoss()(coarse, targets)
    for name, value in HaMeRLoss(reduction='sum')(coarse, targets).items():
        torch.testing.assert_close(mean[name], value / 3)


def test_mean_ignores_hands_without_ground_truth():
    coarse, targets = prediction(), gt(**some_hidden())
    loss = HaMeRLoss(lambda_betas=1.0)(coarse, targets)['loss_betas']
    errors = (coarse.betas - targets.betas)[[0, 2], 0].square().sum(-1)
    torch.testing.assert_close(loss, errors.mean())


@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_without_ground_truth_it_is_zero_with_a_graph(reduction):
    nothing = {name: torch.zeros(3, 2) for name in ('mano_valid', 'hand_root_valid')}
    nothing.update(
        {
            name: torch.zeros(3, 2, 21)
            for name in ('hand_joints_valid', 'hand_joints_ndc_valid')
        }
    )
    coarse = prediction()
    coarse.betas.requires_grad_()
    losses = HaMeRLoss(reduction=reduction)(coarse, gt(**nothing))
    assert all(value.item() == 0 for value in losses.values())
    losses['loss_betas'].backward()
    assert not coarse.betas.grad.any()


def test_bad_options_and_shapes_are_refused():
    with pytest.raises(ValueError, match="reduction='max'"):
        HaMeRLoss(reduction='max')
    with pytest.raises(ValueError, match='differ in shape'):
        HaMeRLoss()(prediction(), HandTargets.from_samples(one_hand_samples(3)))
