"""The discriminator's parameters, judgements and losses are HaMeR's."""

import numpy as np
import pytest
import torch

from mmhand_dne.hand_model.cc0_hand import load_cc0_hand
from mmhand_dne.models.adversarial import MANOPriorDiscriminator, RealHands
from mmhand_dne.models.adversarial.mano_prior_discriminator import (
    discriminator_loss,
    generator_loss,
)
from tests.oracles.hamer_official import discriminator_shapes


def draw(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    angles = torch.randn(count, 15, 3, 3, generator=generator)
    return torch.linalg.qr(angles)[0], torch.randn(count, 10, generator=generator)


def test_parameters_are_those_of_the_released_weights():
    state = MANOPriorDiscriminator().state_dict()
    found = {f'discriminator.{name}': tuple(v.shape) for name, v in state.items()}
    assert found == discriminator_shapes()
    assert sum(value.numel() for value in state.values()) == 1_545_211


def test_judgements_equal_the_sums_written_out():
    torch.manual_seed(0)
    judge = MANOPriorDiscriminator().double()
    w = {name: value.numpy() for name, value in judge.state_dict().items()}
    rotations, betas = (value.double() for value in draw(3))
    found = judge(rotations, betas).detach().numpy()

    def linear(name, x):
        return (
            w[f'{name}.weight'].reshape(len(w[f'{name}.bias']), -1) @ x
            + w[f'{name}.bias']
        )

    for hand in range(3):
        joints = []
        for joint in range(15):
            x = rotations[hand, joint].numpy().reshape(9)  # row by row
            x = np.maximum(linear('D_conv1', x), 0)
            joints.append(np.maximum(linear('D_conv2', x), 0))
            single = linear(f'pose_out.{joint}', joints[-1])
            np.testing.assert_allclose(found[hand, joint], single[0])
        shape = np.maximum(linear('betas_fc1', betas[hand].numpy()), 0)
        shape = np.maximum(linear('betas_fc2', shape), 0)
        np.testing.assert_allclose(found[hand, 15], linear('betas_out', shape)[0])
        x = np.stack(joints, 1).reshape(-1)  # channel by channel
        for name in ('D_alljoints_fc1', 'D_alljoints_fc2'):
            x = np.maximum(linear(name, x), 0)
        np.testing.assert_allclose(found[hand, 16], linear('D_alljoints_out', x)[0])


def test_losses_are_sums_over_the_number_of_fake_hands():
    fake, real = torch.full((2, 17), 0.25), torch.full((4, 17), 0.5)
    assert generator_loss(fake).item() == pytest.approx(17 * 0.75**2)
    assert discriminator_loss(fake, real).item() == pytest.approx(
        17 * 0.25**2 + 2 * 17 * 0.5**2
    )


def test_the_global_rotation_is_refused():
    with pytest.raises(ValueError, match=r'\(2, 16, 3, 3\), expected \(N, 15, 3, 3\)'):
        MANOPriorDiscriminator()(torch.eye(3).expand(2, 16, 3, 3), torch.zeros(2, 10))


def test_real_hands_of_the_batch_are_its_own():
    rotations, betas = draw(3)
    turns, shapes = RealHands('batch').draw(8, rotations, betas)
    assert turns.shape == (8, 15, 3, 3) and shapes.shape == (8, 10)
    for turn, shape in zip(turns, shapes):
        assert any(
            torch.equal(turn, r) and torch.equal(shape, b)
            for r, b in zip(rotations, betas)
        )
    turns, shapes = RealHands('batch').draw(8, rotations[:0], betas[:0])
    assert len(turns) == len(shapes) == 0


def test_real_hands_of_the_cc0_hand_are_around_its_mean_pose():
    torch.manual_seed(0)
    turns, _ = RealHands('cc0').draw(2000, *draw(1))
    torch.testing.assert_close(
        turns @ turns.mT, torch.eye(3).expand_as(turns), atol=1e-5, rtol=0
    )
    from mmhand_dne.geometry.rotation import axis_angle_from_matrix

    angles = axis_angle_from_matrix(turns).flatten(1)
    mean = torch.from_numpy(np.float32(load_cc0_hand()['hands_mean']))
    assert (angles.mean(0) - mean).abs().max() < 0.05
    assert angles.std(0).max() > 0.1


@pytest.mark.parametrize('columns', [45, 48])
def test_real_hands_of_a_file_leave_out_the_global_rotation(tmp_path, columns):
    poses = np.zeros((3, columns), np.float32)
    poses[:, :3] += 3 * (columns == 48)  # the global rotation
    poses[:, -45] = 0.1
    path = tmp_path / 'mocap.npz'
    np.savez(path, hand_pose=poses, betas=np.ones((3, 10), np.float32))
    turns, shapes = RealHands(str(path)).draw(5, *draw(2))
    assert shapes.eq(1).all()
    expected = torch.tensor(
        [[1, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]]
    )
    torch.testing.assert_close(turns[:, 0], expected.float().expand(5, 3, 3))
    torch.testing.assert_close(turns[:, 1:], torch.eye(3).expand(5, 14, 3, 3))


@pytest.mark.parametrize(
    ('arrays', 'sentence'),
    [
        (None, "there is no file '.*mocap.npz'; give the path"),
        (dict(betas=np.zeros((3, 10))), "has no array 'hand_pose' but"),
        (
            dict(hand_pose=np.zeros((3, 40)), betas=np.zeros((3, 10))),
            r'hand_pose is \(3, 40\) and betas \(3, 10\), expected \(N, 45 or 48\)',
        ),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, arrays, sentence):
    path = tmp_path / 'mocap.npz'
    if arrays is not None:
        np.savez(path, **arrays)
    with pytest.raises(ValueError, match=sentence):
        RealHands(str(path))
