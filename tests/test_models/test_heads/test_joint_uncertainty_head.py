"""JointUncertaintyHead: frames, slots, absent hands, what it refuses."""

import pytest
import torch

from mmhand_dne.models.heads import JointUncertaintyHead
from mmhand_dne.structures.hand_targets import HandTargets
from tests.fake_samples import fake_samples

KINDS = {'Diagonal': {}, 'Full': {}, 'Correlated': {}}
IN = 8


def make(name='Correlated', slots=2, **options):
    torch.manual_seed(0)
    return JointUncertaintyHead(
        IN,
        covariance=dict(type=f'{name}Covariance'),
        loss=dict(type=f'{name}GaussianNLLLoss'),
        num_slots=slots,
        **options,
    )


def batch(**labels):
    targets = HandTargets.from_samples(fake_samples(3, 64, **labels))
    draw = torch.Generator().manual_seed(0)
    token = torch.randn(3, 2, IN, generator=draw)
    joints = targets.joints + 0.02 * torch.randn(targets.joints.shape, generator=draw)
    return token, joints, targets


@pytest.mark.parametrize('slots', [1, 2])
@pytest.mark.parametrize('name', KINDS)
def test_loss_is_minus_the_log_density_without_its_constant(name, slots):
    head, (token, joints, targets) = make(name, slots), batch()
    params = head(token)
    hands = head.gaussian(params, joints)
    assert hands.mean.shape == (3, 2, 60)
    expected = (
        -hands.log_prob(targets.joints[..., 1:, :])
        - 30 * torch.tensor(2 * torch.pi).log()
    )
    found = head.loss(params, joints, targets)
    torch.testing.assert_close(found['loss_nll'], expected.mean(), rtol=1e-4, atol=1e-3)


def test_standard_deviation_starts_at_two_centimetres_and_the_wrist_has_none():
    head, (token, joints, _) = make(), batch()
    std = head.joint_std(head.gaussian(head(0 * token), joints))
    assert std.shape == (3, 2, 21)
    assert torch.equal(std[..., 0], torch.zeros(3, 2))
    torch.testing.assert_close(std[..., 1:], torch.full((3, 2, 20), 0.02 * 3**0.5))


def test_unaligned_frame_is_the_released_codes():
    head, (token, joints, targets) = make(aligned=False), batch()
    root = torch.full((3, 2, 3), 0.1)
    params = head(token)
    hands = head.gaussian(params, joints, root)
    assert hands.mean.shape == (3, 2, 63) and head.covariance.log_unit == 0
    torch.testing.assert_close(hands.mean.unflatten(-1, (21, 3)), joints + 0.1)
    gt = targets.joints + targets.root_cam[..., None, :]
    expected = -hands.log_prob(gt) - 31.5 * torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(
        head.loss(params, joints, targets, root)['loss_nll'],
        expected.mean(),
        rtol=1e-4,
        atol=1e-3,
    )
    assert head.joint_std(hands).shape == (3, 2, 21)
    with pytest.raises(ValueError, match='needs root'):
        head.gaussian(params, joints)


def test_absent_hands_add_nothing():
    valid = torch.ones(3, 2, 21)
    valid[1:, 1] = 0
    head, (token, joints, targets) = make(), batch(hand_joints_valid=valid)
    token.requires_grad_()
    value = head.loss(head(token), joints, targets)['loss_nll']
    value.backward()
    silent = (token.grad == 0).all(-1)
    assert torch.equal(silent, valid[..., 0] == 0)


def test_hidden_joints_are_integrated_out():
    valid = torch.ones(3, 2, 21)
    valid[:, :, 4] = 0
    head, (token, joints, targets) = make('Full'), batch(hand_joints_valid=valid)
    params = head(token)
    hands = head.gaussian(params, joints)
    shown = [i for i in range(20) if i != 3]  # joint 4 without the wrist
    part = hands.marginal(shown)
    expected = -part.log_prob(targets.joints[..., 1:, :][..., shown, :])
    expected = expected - 28.5 * torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(
        head.loss(params, joints, targets)['loss_nll'],
        expected.mean(),
        rtol=1e-4,
        atol=1e-3,
    )


def test_two_slots_have_a_w_each():
    head, (token, joints, targets) = make(), batch()
    head.loss(head(token), joints, targets)['loss_nll'].backward()
    first, second = head.covariance.lower_upper.grad
    assert (first != 0).all() and (second != 0).all()
    assert not torch.equal(first, second)


def test_deterministic_has_no_loss():
    head = JointUncertaintyHead(IN, dict(type='DeterministicCovariance'))
    token, joints, targets = batch()
    assert head.loss(head(token), joints, targets) == {}


def test_what_it_refuses():
    head, (token, joints, _) = make(), batch()
    with pytest.raises(ValueError, match='got no token'):
        head(None)
    with pytest.raises(ValueError, match='16 joints, expected num_joints=21'):
        head.gaussian(head(token), joints[..., :16, :])
    with pytest.raises(ValueError, match='one token per image'):
        make(decoder=dict(context_channels=4))


def test_decoder_of_its_own_reads_the_feature_map():
    head = make(
        slots=1,
        decoder=dict(context_channels=4, depth=1, num_heads=2, head_dims=4, ffn_dims=8),
    )
    image = torch.randn(3, 4, 6, 5, requires_grad=True)
    params = head(None, image)
    assert params.log_var.shape == (3, 1, 60)
    params.log_var.square().sum().backward()
    assert image.grad.abs().sum() > 0
    with pytest.raises(ValueError, match='needs features'):
        head(torch.zeros(3, 1, IN))
