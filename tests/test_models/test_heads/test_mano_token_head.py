"""A coarse hand from a landmark network's token."""

import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.conventions import MIDDLE, WRIST
from mmhand_dne.geometry.camera import project
from mmhand_dne.models.estimators.one_hand_slot import slots_of
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


def test_training_starts_at_an_upright_hand_in_the_middle_of_the_crop(head):
    coarse = head(torch.rand(2, CHANNELS, 7, 7))
    joints = project(coarse.state.joints, coarse.state.camera)
    ahead = joints[:, 0, MIDDLE] - joints[:, 0, WRIST]
    assert (ahead[:, 1] < -0.5).all()  # up, a quarter of the crop
    assert (ahead[:, 0].abs() < 0.2).all()
    assert (joints.abs() < 2).all()


def test_only_the_mean_of_the_map_counts(head):
    features = torch.rand(2, CHANNELS, 7, 7)
    shuffled = features.flatten(2)[..., torch.randperm(49)].unflatten(2, (7, 7))
    expected, found = head(features), head(shuffled)
    torch.testing.assert_close(found.state.vertices, expected.state.vertices)


def test_the_landmarks_are_offered_in_units_of_about_one(head):
    landmarks = head.readout(torch.rand(1, CHANNELS))
    corner = torch.tensor([223.5, -0.5, 0.0]).expand(1, 21, 3)
    landmarks = landmarks._replace(points=corner, world=torch.full((1, 21, 3), 0.1))
    inputs = head.landmark_inputs(landmarks)
    expected = torch.tensor([1.0, -1, 0]).repeat(21)
    torch.testing.assert_close(inputs[0, :63], expected)
    torch.testing.assert_close(inputs[0, 63:], torch.ones(63))


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
