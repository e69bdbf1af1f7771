"""The typed result refuses what does not fit its documentation."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from mmhand_dne.structures.hand_result import HandResult, ManoParameters


def hand(**changes):
    zeros = np.zeros
    fields = dict(
        side='left',
        presence=0.5,
        vertices=zeros((778, 3)),
        joints=zeros((21, 3)),
        faces=zeros((1538, 3), int),
        mano=ManoParameters(zeros(3), zeros(45), zeros(10), zeros(3)),
        translation=zeros(3),
        intrinsics=np.eye(3),
        metric=True,
        joints_2d=zeros((21, 2)),
        vertices_2d=zeros((778, 2)),
        box=zeros(4),
        crop_camera=zeros((2, 2)),
        crop_affine=zeros((2, 3)),
    )
    return HandResult(**{**fields, **changes})


def test_optional_parts_may_be_absent_and_nothing_else():
    assert hand().joint_std is None
    assert hand(joint_std=np.zeros(21)).joint_std.shape == (21,)
    with pytest.raises(ValueError, match='joints_2d has shape'):
        hand(joints_2d=None)


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        (
            dict(joints=np.zeros((20, 3))),
            r'joints has shape \(20, 3\), expected \(21, 3\)',
        ),
        (dict(vertices_2d=np.zeros((777, 2))), 'vertices_2d has shape'),
        (dict(joint_covariance_full=np.zeros((63, 63))), 'joint_covariance_full'),
        (dict(side='up'), "side is 'up'"),
    ],
)
def test_other_shapes_are_one_sentence(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        hand(**changes)
    with pytest.raises(ValueError, match='hand_pose'):
        replace(hand().mano, hand_pose=np.zeros(48))


def test_a_result_cannot_be_changed_by_accident():
    with pytest.raises(FrozenInstanceError):
        hand().side = 'right'
