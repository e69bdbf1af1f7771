"""Both hands of a pair in one call against a hand after the other."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import HandPair, MANOLayer


def poses(count, dtype=torch.float32):
    numbers = torch.Generator().manual_seed(3)
    angles = 0.5 * torch.randn(count, 2, 16, 3, generator=numbers, dtype=dtype)
    betas = torch.randn(count, 2, 10, generator=numbers, dtype=dtype)
    return matrix_from_axis_angle(angles).requires_grad_(), betas.requires_grad_()


class OneByOne(torch.nn.Module):
    """The pair's vertices, wrist and joints out of two :class:`MANOLayer`."""

    def __init__(self, pair):
        super().__init__()
        self.pair = pair

    def forward(self, rotations, betas):
        hands = (self.pair.right, self.pair.left)
        meshes = [hand(rotations[:, i], betas[:, i]) for i, hand in enumerate(hands)]
        meshes = torch.stack(meshes, 1)
        root = (self.pair.joint_regressor @ meshes)[:, :, :1]
        return meshes - root


def with_gradients(function, inputs):
    vertices = function(*inputs)
    vertices = getattr(vertices, 'vertices', vertices)
    weights = torch.linspace(-1, 1, vertices[0].numel()).to(vertices)
    found = torch.autograd.grad((vertices.flatten(1) @ weights).sum(), inputs)
    return [vertices.detach(), *found]


def test_float64_agrees_to_the_last_digits():
    pair, inputs = HandPair().double(), poses(5, torch.float64)
    found, wanted = (with_gradients(f, inputs) for f in (pair, OneByOne(pair)))
    for ours, theirs in zip(found, wanted):
        assert theirs.abs().max() > 1e-2
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_vertices_and_gradients_agree_to_rounding():
    pair, inputs = HandPair(), poses(4)
    found, wanted = (with_gradients(f, inputs) for f in (pair, OneByOne(pair)))
    torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=1e-7)
    for ours, theirs in zip(found[1:], wanted[1:]):
        # Sums of thousands of float32: AVX2 rounds otherwise than AVX-512.
        rounding = 4e-6 * float(theirs.abs().max())
        torch.testing.assert_close(ours, theirs, rtol=0, atol=rounding)


def test_each_hand_has_its_own_arrays():
    rotations, betas = poses(1)
    same = rotations[:, :1].expand(-1, 2, -1, -1, -1), betas[:, :1].expand(-1, 2, -1)
    right, left = HandPair()(*same).vertices[0]
    assert (right - left).abs().max() > 0.05


def test_a_shape_is_shared_by_all_poses():
    rotations, betas = poses(3)
    pair = HandPair()
    shared = pair(rotations, betas[:1]).vertices
    torch.testing.assert_close(
        shared, pair(rotations, betas[:1].expand(3, -1, -1)).vertices
    )


class Calls(TorchDispatchMode):
    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def test_it_takes_at_most_two_thirds_of_the_calls():
    pair, inputs, counts = HandPair(), poses(2), []
    for function in (pair, OneByOne(pair)):
        with Calls() as calls:
            with_gradients(function, inputs)
        counts.append(calls.count)
    assert counts[0] <= 0.67 * counts[1]


def test_nothing_of_it_is_saved_and_it_moves_with_the_pair():
    pair = HandPair()
    assert not pair.state_dict()
    assert pair.double().skin.posedirs.dtype == torch.float64


@pytest.mark.parametrize('backend', ['own', 'smplx'])
def test_either_backend_makes_the_same_pair(backend):
    pair = HandPair(backend=backend)
    assert (pair.skin is None) == (backend == 'smplx')
    rotations, betas = poses(2)
    wanted = MANOLayer('left')(rotations[:, 1], betas[:, 1])
    mesh = pair(rotations, betas)
    found = mesh.vertices[:, 1] + mesh.root[:, 1, None]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
