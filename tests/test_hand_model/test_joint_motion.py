"""The joints without the mesh: the mesh's own, with the slopes that autograd finds."""

import pytest
import torch

from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import SingleHand
from mmhand_dne.hand_model.joint_motion import JointMotion

KINDS = [
    dict(),
    dict(tips='freihand'),
    dict(tips='smplx', joints='kinematic'),
]


def random_hands(count=3):
    draw = torch.Generator().manual_seed(0)
    base = matrix_from_axis_angle(torch.randn(count, 3, generator=draw).double())
    vectors = 0.5 * torch.randn(count, 16, 3, generator=draw).double()
    vectors[0, 3] = 0
    return base, vectors, torch.randn(count, 10, generator=draw).double()


@pytest.mark.parametrize('kind', KINDS, ids=str)
def test_joints_are_those_of_the_posed_mesh(kind):
    hand = SingleHand(**kind)
    base, vectors, betas = random_hands()
    rotations = matrix_from_axis_angle(vectors)
    rotations[:, 0] = rotations[:, 0] @ base
    mesh = hand(rotations[:, None].float(), betas[:, None].float())
    joints = JointMotion(hand)(base, vectors, betas).joints
    torch.testing.assert_close(joints.float(), mesh.joints[:, 0], atol=1e-7, rtol=0)


@pytest.mark.parametrize('kind', KINDS, ids=str)
def test_the_jacobian_is_autograds(kind):
    motion = JointMotion(SingleHand(**kind))
    base, vectors, betas = random_hands()
    for i in range(len(base)):
        one = slice(i, i + 1)

        def joints(row, base=base[one]):
            return motion(base, row[None, :48].unflatten(1, (16, 3)), row[None, 48:])[0]

        row = torch.cat([vectors[i].flatten(), betas[i]])
        wanted = torch.autograd.functional.jacobian(joints, row)
        found = motion(base[one], vectors[one], betas[one]).jacobian
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0)


def test_all_rotations_may_have_a_base():
    motion = JointMotion(SingleHand())
    _, turns, betas = random_hands()
    base = matrix_from_axis_angle(turns.flip(0))
    vectors = 0.3 * turns
    at_once = matrix_from_axis_angle(vectors) @ base
    fingers = at_once.clone()
    fingers[:, 0] = torch.eye(3)
    joints = motion(fingers, torch.zeros_like(vectors), betas).joints
    found = motion(base, vectors, betas)
    torch.testing.assert_close(
        found.joints, joints @ at_once[:, 0].mT, atol=1e-8, rtol=0
    )

    def place(row):
        return motion(base[:1], row[None].unflatten(1, (16, 3)), betas[:1])[0]

    slope = torch.autograd.functional.jacobian(place, vectors[0].flatten())
    torch.testing.assert_close(found.jacobian[:1, ..., :48], slope, atol=1e-12, rtol=0)
