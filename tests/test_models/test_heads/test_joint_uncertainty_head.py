"""JointUncertaintyHead: frames, slots, absent hands, what it refuses."""

import itertools

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.distributions import MultivariateNormal

from mmhand_dne.geometry.camera import project
from mmhand_dne.models.covariances import LandmarkGapToken
from mmhand_dne.models.heads import JointUncertaintyHead
from mmhand_dne.structures.hand_state import CoarseHands, HandState
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


@pytest.mark.parametrize('name', KINDS)
def test_a_covariance_in_the_hands_axes_turns_with_the_hand(name):
    """Its density is that of the turned residual; hidden joints are integrated out."""
    valid = torch.ones(3, 2, 21)
    valid[:, 0, 7] = 0
    head, (token, joints, targets) = (
        make(name, frame='hand'),
        batch(hand_joints_valid=valid),
    )
    turns = Rotation.random(6, random_state=0).as_matrix()
    axes = torch.from_numpy(turns).float().view(3, 2, 3, 3)
    with torch.no_grad():
        head.covariance.init_weights()
        for parameter in head.covariance.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    head.eval()
    params = head(token)
    own = head.covariance.gaussian(params, joints[..., 1:, :]).covariance()
    step = torch.einsum('jk,bsxy->bsjxky', torch.eye(20), axes).reshape(3, 2, 60, 60)
    hands = head.gaussian(params, joints, axes=axes)
    torch.testing.assert_close(
        hands.covariance(), step @ own @ step.mT, rtol=1e-4, atol=1e-7
    )
    expected = -hands.log_prob(targets.joints[..., 1:, :], valid[..., 1:])
    known = 3 * valid[..., 1:].sum(-1)
    expected = expected - 0.5 * known * torch.tensor(2 * torch.pi).log()
    axes.requires_grad_()
    found = head.loss(params, joints, targets, axes=axes)['loss_nll']
    torch.testing.assert_close(found, expected.mean(), rtol=1e-4, atol=1e-3)
    found.backward()
    assert axes.grad is None


def test_the_hands_axes_are_needed_where_the_covariance_is_in_them():
    head, (token, joints, targets) = make(frame='hand'), batch()
    for call in (head.gaussian, lambda *_: head.loss(head(token), joints, targets)):
        with pytest.raises(ValueError, match='needs axes'):
            call(head(token), joints)
    for options in (dict(frame='image'), dict(frame='hand', image_loss=True)):
        with pytest.raises(ValueError, match="is 'camera' or 'hand'"):
            make(**options)


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


def photos(camera, missing=()):
    """Hands with joints in the image only, that ``camera`` sees, of a batch of three;
    ``missing`` (image, slot, joint) are not seen."""
    token, joints, targets = batch()
    shown = torch.ones(3, 2, 21)
    for place in missing:
        shown[place] = 0
    truth = joints + 0.01 * torch.randn(
        joints.shape, generator=torch.Generator().manual_seed(1)
    )
    targets = targets._replace(
        joints=torch.zeros_like(joints),
        joints_valid=torch.zeros(3, 2, 21),
        joints_ndc=project(truth, camera),
        joints_ndc_valid=shown,
    )
    return token, joints, targets, truth - truth[..., :1, :]


@pytest.mark.parametrize('name', KINDS)
def test_joints_of_a_photo_are_scored_across_the_line_of_sight(name):
    camera = torch.tensor([[7.0, 0.1], [6.0, -0.2]]).expand(3, 2, 2, 2)
    head = make(name, image_loss=True)
    token, joints, targets, truth = photos(camera, missing=[(0, 1, 4)])
    params = head(token)
    losses = head.loss(params, joints, targets, camera=camera)
    assert losses['loss_nll'] == 0
    hands = head.gaussian(params, joints)
    rows = []
    for image, slot in itertools.product(range(3), range(2)):
        known = [
            3 * k + axis
            for k in range(20)
            for axis in range(2)
            if (image, slot, k + 1) != (0, 1, 4)
        ]
        plane = MultivariateNormal(
            hands.mean[image, slot, known].double(),
            hands.covariance()[image, slot][known][:, known].double(),
        )
        value = plane.log_prob(truth[image, slot, 1:].flatten()[known].double())
        rows.append(-value - len(known) / 2 * torch.tensor(2 * torch.pi).log())
    expected = torch.stack(rows).mean().to(joints)
    torch.testing.assert_close(losses['loss_image_nll'], expected, rtol=1e-4, atol=1e-3)


def test_only_photos_with_a_visible_wrist_are_scored_in_the_image():
    camera = torch.tensor([[7.0, 0.1], [6.0, -0.2]]).expand(3, 2, 2, 2)
    head, (token, joints, targets) = make(image_loss=True), batch()
    found = head.loss(head(token), joints, targets, camera=camera)
    assert found['loss_image_nll'] == 0 and found['loss_nll'] != 0
    wrists = [(image, slot, 0) for image in range(3) for slot in range(2)]
    token, joints, targets, _ = photos(camera, missing=wrists)
    found = head.loss(head(token), joints, targets, camera=camera)
    assert found['loss_image_nll'] == 0 and found['loss_nll'] == 0
    with pytest.raises(ValueError, match='image_loss needs aligned=True'):
        make(image_loss=True, aligned=False)


def seen_hands(count):
    """Hands without meshes whose joints a camera sees."""
    draw = torch.Generator().manual_seed(0)
    return HandState(
        torch.zeros(count, 1, 778, 3),
        torch.randn(count, 1, 21, 3, generator=draw) * 0.05,
        torch.zeros(count, 1, 3),
        torch.tensor([[5.0, 0.0], [5.0, 0.0]]).expand(count, 1, 2, 2),
    )


def test_gap_token_tells_where_landmarks_lie_and_moves_nothing():
    state = seen_hands(2)
    state.joints.requires_grad_()
    seen = project(state.joints, state.camera).detach()
    away = seen.clone()
    away[1, 0, 8] += torch.tensor([0.3, 0.4])
    coarse = CoarseHands(*[None] * 8)._replace(
        state=state, token=torch.ones(2, 1, IN, requires_grad=True), landmarks_ndc=away
    )
    told = LandmarkGapToken()(coarse, [])
    assert told.shape == (2, 1, IN + 63)
    dx, dy, length = told[..., IN:].unflatten(-1, (21, 3)).unbind(-1)
    assert dx[0].abs().max() < 1e-5 and dy[0].abs().max() < 1e-5
    size = (away[1, 0].amax(0) - away[1, 0].amin(0)).amax()
    torch.testing.assert_close(dx[1, 0, 8] / dy[1, 0, 8], torch.tensor(0.75))
    expected = torch.log(0.5 / size + 0.02)
    torch.testing.assert_close(length[1, 0, 8], expected, rtol=1e-4, atol=1e-4)
    told.sum().backward()
    assert coarse.token.grad is not None and state.joints.grad is None
    with pytest.raises(ValueError, match='no token or reads no landmarks'):
        LandmarkGapToken()(coarse._replace(landmarks_ndc=None), [])


def test_landmarks_on_one_point_do_not_blow_the_token_up():
    state = seen_hands(1)
    coarse = CoarseHands(*[None] * 8)._replace(
        state=state, token=torch.ones(1, 1, IN), landmarks_ndc=torch.zeros(1, 1, 21, 2)
    )
    assert LandmarkGapToken()(coarse, []).abs().max() <= 10.0
