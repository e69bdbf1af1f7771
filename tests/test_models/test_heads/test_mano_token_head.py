"""A coarse hand from a landmark network's token."""

import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.conventions import MIDDLE, WRIST
from mmhand_dne.models.estimators.one_hand_slot import slots_of
from mmhand_dne.structures.hand_landmarks import HandLandmarks
from mmhand_dne.structures.hand_targets import HandTargets
from tests.fake_samples import one_hand_samples

CHANNELS = 32


@pytest.fixture(scope='module')
def head():
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='MANOTokenHead',
            in_channels=CHANNELS,
            hidden_channels=16,
            hand_model=dict(type='SingleHand'),
        )
    ).eval()


def test_training_starts_at_an_upright_hand(head):
    joints = head(torch.rand(2, CHANNELS, 7, 7)).state.joints
    ahead = joints[:, 0, MIDDLE] - joints[:, 0, WRIST]
    assert (ahead[:, 1] < -0.05).all()  # up, metres
    assert (ahead[:, 0].abs() < 0.03).all()


def test_the_camera_brings_the_joints_onto_the_landmarks(head):
    joints = head(torch.rand(2, CHANNELS, 7, 7)).state.joints
    shift = torch.tensor([0.2, -0.3])
    points = 7.5 * joints[..., :2] + shift
    points[..., 4, :] += 0.5  # a tip does not count
    camera = head.camera(torch.zeros(2, 1, 3), joints, points)
    expected = torch.tensor([[7.5, 0.2], [7.5, -0.3]]).expand(2, 1, 2, 2)
    torch.testing.assert_close(camera, expected, atol=1e-4, rtol=1e-4)


def test_it_is_the_least_squares_camera(head):
    torch.manual_seed(1)
    joints, points = torch.rand(1, 1, 21, 3), torch.rand(1, 1, 21, 2)
    points = points + 3 * joints[..., :2]
    fixing = [i for i in range(21) if i not in (4, 8, 12, 16, 20)]
    flat, seen = joints[0, 0, fixing, :2], points[0, 0, fixing]
    rows = torch.zeros(2 * len(fixing), 3)
    rows[:, 0] = flat.flatten()
    rows[0::2, 1] = rows[1::2, 2] = 1
    solution = torch.linalg.lstsq(rows, seen.flatten()[:, None]).solution[:, 0]
    camera = head.camera(torch.zeros(1, 1, 3), joints, points)[0, 0]
    torch.testing.assert_close(camera[:, 0], solution[:1].expand(2))
    torch.testing.assert_close(camera[:, 1], solution[1:])


def test_a_hand_against_its_landmarks_keeps_the_least_scale(head):
    joints = torch.rand(1, 1, 21, 3)
    camera = head.camera(torch.zeros(1, 1, 3), joints, -joints[..., :2])
    assert (camera[..., 0] == head.least_scale).all()


def test_only_the_mean_of_the_map_counts(head):
    features = torch.rand(2, CHANNELS, 7, 7)
    shuffled = features.flatten(2)[..., torch.randperm(49)].unflatten(2, (7, 7))
    expected, found = head(features), head(shuffled)
    torch.testing.assert_close(found.state.vertices, expected.state.vertices)


def test_the_landmarks_are_offered_in_units_of_about_one(head, monkeypatch):
    corner = torch.tensor([223.5, -0.5, 0.0]).expand(1, 21, 3)
    read = HandLandmarks(corner, None, None, torch.full((1, 21, 3), 0.1))
    monkeypatch.setattr(head.readout, 'forward', lambda token: read)
    points, world = head.scaled(head.readout(torch.rand(1, CHANNELS)))
    torch.testing.assert_close(points[0, 3], torch.tensor([1.0, -1, 0]))
    torch.testing.assert_close(world, torch.ones(1, 21, 3))


def test_one_scale_serves_both_axes(head):
    camera = head(torch.rand(1, CHANNELS, 7, 7)).state.camera
    assert camera.shape == (1, 1, 2, 2)
    assert camera[0, 0, 0, 0] == camera[0, 0, 1, 0]


def test_losses_vanish_at_the_ground_truth(head):
    samples = one_hand_samples(2, 224)
    targets = slots_of(HandTargets.from_samples(samples), 1)
    coarse = head(torch.rand(2, CHANNELS, 7, 7))
    perfect = coarse._replace(
        state=coarse.state._replace(vertices=targets.vertices, joints=targets.joints),
        rotations_6d=targets.rotations[..., :2].transpose(-1, -2).flatten(-2),
        betas=targets.betas,
    )
    losses = head.loss(perfect, targets)
    for name in ('loss_theta', 'loss_beta', 'coarse.loss_vertices'):
        assert losses[name] == pytest.approx(0, abs=1e-6), name
    assert head.loss(coarse, targets)['loss_theta'] > 0.01


def test_a_pair_of_hands_is_refused():
    with pytest.raises(ValueError, match='reads one hand .*SingleHand'):
        MODELS.build(
            dict(
                type='MANOTokenHead',
                in_channels=CHANNELS,
                hand_model=dict(type='HandPair'),
            )
        )


def test_the_readout_reads_the_last_channels_alone():
    torch.manual_seed(0)
    head = MODELS.build(
        dict(
            type='MANOTokenHead',
            in_channels=2 * CHANNELS,
            read_channels=CHANNELS,
            hidden_channels=16,
            hand_model=dict(type='SingleHand'),
        )
    ).eval()
    features = torch.rand(1, 2 * CHANNELS, 7, 7)
    before = head(features)
    features[:, :CHANNELS] += 1
    after = head(features)
    assert torch.equal(before.landmarks_ndc, after.landmarks_ndc)
    assert not torch.equal(before.rotations, after.rotations)
    read = head.readout(features[:, CHANNELS:].mean((2, 3)))
    points, _ = head.scaled(read)
    torch.testing.assert_close(after.landmarks_ndc[:, 0], points[..., :2])
    torch.testing.assert_close(after.presence_logits[:, 0], read.presence_logits)
