"""One slot: the pair's right hand, and HaMeR's joints."""

import numpy as np
import pytest
import torch

from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import HandPair, SingleHand, load_cc0_hand
from tests.oracles import hamer_reference


def pose(batch=3):
    draw = torch.Generator().manual_seed(0)
    turns = 0.6 * torch.randn(batch, 1, 16, 3, generator=draw)
    return (matrix_from_axis_angle(turns), torch.randn(batch, 1, 10, generator=draw))


def test_it_is_the_right_hand_of_the_pair():
    rotations, betas = pose()
    one = SingleHand()(rotations, betas)
    both = HandPair()(rotations.expand(-1, 2, -1, -1, -1), betas.expand(-1, 2, -1))
    for ours, pairs in zip(one, both, strict=True):
        torch.testing.assert_close(ours[:, 0], pairs[:, 0])


def test_kinematic_joints_are_hamers():
    rotations, betas = pose()
    mesh = SingleHand(tips='smplx', joints='kinematic')(rotations, betas)
    vertices, joints = hamer_reference.hand(
        load_cc0_hand('right'), rotations[:, 0].double(), betas[:, 0].double()
    )
    joints_frame = mesh.joints + mesh.root[..., None, :]
    np.testing.assert_allclose(joints_frame[:, 0], joints, atol=1e-6)
    np.testing.assert_allclose(mesh.vertices[:, 0] + mesh.root, vertices, atol=1e-6)
    assert not mesh.joints[:, :, 0].any()
    regressed = SingleHand(tips='smplx')(rotations, betas)
    assert (regressed.joints - mesh.joints).norm(dim=-1).max() > 1e-3


def test_shapes_and_checkpoints_are_those_of_one_slot():
    hand = SingleHand()
    assert hand.faces.shape[0] == 1 and hand.template.shape == (1, 778, 3)
    assert hand.mean_rotations.shape == (1, 16, 3, 3)
    assert not hand.state_dict()
    torch.testing.assert_close(
        hand.regress_joints(hand.template[None])[:, :, 0],
        torch.zeros(1, 1, 3),
        rtol=0,
        atol=1e-6,
    )


def test_unknown_joints_are_refused():
    with pytest.raises(ValueError, match="joints='mesh'"):
        SingleHand(joints='mesh')
