"""Tangent vectors of poses, and the joints' motion with them."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmhand_dne.apis.temporal.pose_jacobian import (
    joint_jacobian,
    right_jacobian,
    rotations_at,
    tangents_at,
)
from mmhand_dne.apis.temporal.posed_hand import PosedHand, fit_pose
from mmhand_dne.conventions import MANO_JOINTS, OPENPOSE_JOINTS
from tests.moving_hands import hand_pair


@pytest.fixture(scope='module')
def poses():
    rng = np.random.default_rng(0)
    vectors = 0.3 * rng.normal(size=(3, 16, 3))
    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(3, 16, 3, 3)


def mean_rotations(poses):
    joints = Rotation.from_matrix(poses.swapaxes(0, 1).reshape(-1, 3, 3))
    return np.stack([joints[3 * k : 3 * k + 3].mean().as_matrix() for k in range(16)])


def test_right_jacobian_is_that_of_the_exponential_map():
    vectors = np.array([[0.0, 0, 0], [1e-5, 0, 0], [0.3, -1.0, 0.4], [2.0, 2.0, -0.5]])
    for v, jacobian in zip(vectors, right_jacobian(vectors)):
        for step, column in zip(1e-6 * np.eye(3), jacobian.T):
            ahead, back = (Rotation.from_rotvec(v + s) for s in (step, -step))
            change = (back.inv() * ahead).as_rotvec() / 2e-6
            np.testing.assert_allclose(change, column, atol=1e-8)


def parent_of(joint: str) -> str:
    """The MANO joint about which an OpenPose joint moves."""
    number = int(joint[-1])
    return 'wrist' if number == 1 else f'{joint[:-1]}{number - 1}'


def chain(rotations, offsets):
    """Joints (21, 3) of rigid bones: offsets (21, 3) in the frame of each parent."""
    chained, positions = {'wrist': rotations[0]}, {'wrist': np.zeros(3)}
    for joint in OPENPOSE_JOINTS[1:]:
        parent = parent_of(joint)
        positions[joint] = (
            positions[parent] + chained[parent] @ offsets[OPENPOSE_JOINTS.index(joint)]
        )
        if joint in MANO_JOINTS:
            chained[joint] = chained[parent] @ rotations[MANO_JOINTS.index(joint)]
    return np.stack([positions[joint] for joint in OPENPOSE_JOINTS])


def test_jacobian_is_the_motion_of_rigid_bones(poses):
    offsets = 0.03 * np.random.default_rng(2).normal(size=(21, 3))
    centres = mean_rotations(poses)
    tangents = tangents_at(centres, poses)
    joints = np.stack([chain(pose, offsets) for pose in poses])
    jacobian = joint_jacobian(poses, tangents, joints)
    for coordinate in range(48):
        step = np.zeros(48)
        step[coordinate] = 1e-6
        ahead, back = (
            np.stack(
                [
                    chain(pose, offsets)
                    for pose in rotations_at(
                        centres, tangents + sign * step.reshape(16, 3)
                    )
                ]
            )
            for sign in (1, -1)
        )
        moved = (ahead - back)[:, 1:].reshape(3, 60) / 2e-6
        np.testing.assert_allclose(jacobian[:, :, coordinate], moved, atol=1e-8)


def test_tangents_and_rotations_are_inverse(poses):
    centres = mean_rotations(poses)
    np.testing.assert_allclose(
        rotations_at(centres, tangents_at(centres, poses)), poses, atol=1e-12
    )


def test_tangents_are_continuous_past_half_a_turn():
    angles = np.linspace(0, 1.4 * np.pi, 30)
    rotations = Rotation.from_rotvec(angles[:, None] * [0, 0, 1.0]).as_matrix()
    rotations = np.broadcast_to(rotations[:, None], (30, 16, 3, 3))
    tangents = tangents_at(rotations[0], rotations)
    np.testing.assert_allclose(tangents[:, 3, 2], angles, atol=1e-9)


def test_tangents_go_on_from_window_to_window():
    angles = np.linspace(0, 1.4 * np.pi, 30)
    rotations = Rotation.from_rotvec(angles[:, None] * [0, 0, 1.0]).as_matrix()
    rotations = np.broadcast_to(rotations[:, None], (30, 16, 3, 3))
    first = tangents_at(rotations[0], rotations[:25])
    second = tangents_at(rotations[0], rotations[25:], first[-1])
    np.testing.assert_allclose(second[:, 3, 2], angles[25:], atol=1e-9)


def test_fit_reaches_the_joints_of_another_pose(poses):
    hand, centres = PosedHand(hand_pair(), 'right'), mean_rotations(poses)
    tangents = tangents_at(centres, poses)
    start = tangents + 0.05 * np.random.default_rng(1).normal(size=tangents.shape)

    def pose(rotations):
        return hand(rotations, np.zeros(10))

    targets = pose(poses).joints
    found = fit_pose(start, centres, targets, pose)
    before, gap = (
        np.abs(pose(rotations_at(centres, one)).joints - targets).mean()
        for one in (start, found)
    )
    assert gap < 0.2 * before
