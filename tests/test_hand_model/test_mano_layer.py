"""The MANO layer against the published equations, and the laws of a pair of hands."""

import numpy as np
import pytest
import torch
from mmpose.registry import MODELS

from mmhand_dne.conventions import OPENPOSE_JOINTS
from mmhand_dne.errors import UserError
from mmhand_dne.hand_model import HandPair, MANOLayer, load_cc0_hand
from tests.oracles.mano_reference import mano_vertices, rotation_matrices

MIRROR = torch.tensor([-1.0, 1.0, 1.0])


@pytest.fixture(scope='module')
def pair():
    return HandPair()


@pytest.fixture(scope='module')
def poses():
    """(4, 48) axis-angle with large global rotations, (4, 10) betas."""
    numbers = np.random.default_rng(5)
    axis_angle = numbers.normal(0, 0.4, (4, 48))
    axis_angle[:, :3] *= 4
    return torch.tensor(axis_angle), torch.tensor(numbers.normal(0, 1, (4, 10)))


def mirrored(axis_angle):
    signs = torch.tensor([1.0, -1.0, -1.0], dtype=axis_angle.dtype)
    return axis_angle * signs.repeat(16)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_layer_equals_the_published_equations(side, poses):
    layer = MANOLayer(side)
    arrays = load_cc0_hand(side)
    axis_angle, betas = (value.float() for value in poses)
    found = layer(layer.absolute_pose(axis_angle, mean=False), betas)
    for row in range(len(betas)):
        turns = rotation_matrices(axis_angle[row].reshape(16, 3))
        expected = mano_vertices(arrays, turns, betas[row].numpy())
        np.testing.assert_allclose(found[row].numpy(), expected, atol=1e-6)


def test_layer_in_float64_equals_the_published_equations(poses):
    layer = MANOLayer().double()
    axis_angle, betas = poses
    found = layer(layer.absolute_pose(axis_angle, mean=False), betas)
    turns = rotation_matrices(axis_angle[0].reshape(16, 3))
    expected = mano_vertices(load_cc0_hand(), turns, betas[0].numpy())
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-12)


def test_left_is_the_mirror_of_the_right(pair, poses):
    axis_angle, betas = (value.float() for value in poses)
    right = pair.right(pair.right.absolute_pose(axis_angle, mean=True), betas)
    left = pair.left(pair.left.absolute_pose(mirrored(axis_angle), mean=True), betas)
    torch.testing.assert_close(left, right * MIRROR, atol=1e-6, rtol=0)


def test_global_rotation_turns_about_the_rest_wrist(pair, poses):
    layer = pair.right
    axis_angle, betas = (value.float() for value in poses)
    rotations = layer.absolute_pose(axis_angle, mean=False)
    turn = torch.from_numpy(rotation_matrices([[0.3, -2.0, 1.1]])).float()[0]
    shaped = layer.v_template + torch.einsum(
        'bs,vcs->bvc', betas, torch.from_numpy(load_cc0_hand()['shapedirs'])
    )
    pivot = (layer.J_regressor @ shaped)[:, :1]
    turned = torch.cat([turn @ rotations[:, :1], rotations[:, 1:]], 1)
    expected = (layer(rotations, betas) - pivot) @ turn.T + pivot
    torch.testing.assert_close(layer(turned, betas), expected, atol=1e-6, rtol=0)


def test_translation_moves_every_vertex(pair):
    shift = torch.tensor([0.1, -0.2, 0.9])
    rest = torch.eye(3).expand(16, 3, 3)
    moved = pair.right(rest, torch.zeros(10), shift)
    torch.testing.assert_close(moved, pair.right.v_template + shift)


def test_leading_dimensions_broadcast(pair):
    rotations = pair.right.mean_rotations.expand(2, 3, 16, 3, 3)
    found = pair.right(rotations, torch.zeros(10))
    assert found.shape == (2, 3, 778, 3)
    expected = pair.right(pair.right.mean_rotations, torch.zeros(10))
    torch.testing.assert_close(found[1, 2], expected)


def test_mean_is_added_to_the_fingers_only_when_asked(pair):
    layer = pair.right
    zero = torch.zeros(48)
    assert torch.equal(
        layer.absolute_pose(zero, mean=False), torch.eye(3).expand(16, 3, 3)
    )
    expected = rotation_matrices(
        np.concatenate([np.zeros(3), load_cc0_hand()['hands_mean']]).reshape(16, 3)
    )
    found = layer.absolute_pose(zero, mean=True)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.abs(expected[1:] - np.eye(3)).max() > 0.3
    with pytest.raises(TypeError):
        layer.absolute_pose(zero)


@pytest.mark.parametrize('mean', [True, False])
def test_axis_angle_pose_inverts_absolute_pose(pair, mean):
    pose = 0.3 * torch.randn(5, 48, generator=torch.Generator().manual_seed(2))
    rotations = pair.left.absolute_pose(pose, mean=mean)
    found = pair.left.axis_angle_pose(rotations, mean=mean)
    torch.testing.assert_close(found, pose, atol=1e-5, rtol=0)


def test_pca_pose_weighs_the_components(pair):
    components = load_cc0_hand()['hands_components']
    found = pair.right.pca_pose(torch.tensor([2.0, 0.0, -1.0]))
    np.testing.assert_allclose(found, 2 * components[0] - components[2], atol=1e-6)


def test_components_of_the_left_mirror_the_right(pair):
    coefficients = torch.randn(6, 45, generator=torch.Generator().manual_seed(1))
    right, left = pair.right.pca_pose(coefficients), pair.left.pca_pose(coefficients)
    expected = right * torch.tensor([1.0, -1.0, -1.0]).repeat(15)
    torch.testing.assert_close(left, expected)


def test_pair_is_relative_to_the_regressed_wrist(pair, poses):
    axis_angle, betas = (value.float() for value in poses)
    rotations = pair.right.absolute_pose(axis_angle, mean=False)
    mesh = pair(rotations.reshape(2, 2, 16, 3, 3), betas.reshape(2, 2, 10))
    regressed = pair.regress_joints(mesh.vertices)
    torch.testing.assert_close(regressed, mesh.joints, atol=1e-6, rtol=0)
    assert regressed[:, :, 0].abs().max() < 1e-6
    alone = pair.left(rotations[3], betas[3])
    torch.testing.assert_close(mesh.vertices[1, 1] + mesh.root[1, 1], alone)


def test_template_is_the_mean_pose_without_shape(pair):
    mesh = pair(pair.mean_rotations[None], torch.zeros(1, 2, 10))
    torch.testing.assert_close(pair.template, mesh.vertices[0], atol=1e-7, rtol=0)
    torch.testing.assert_close(pair.template[1], pair.template[0] * MIRROR)


@pytest.mark.parametrize('tips', ['interhand', 'ho3d'])
def test_joints_are_regressed_rows_and_tip_vertices(tips):
    pair = HandPair(tips=tips)
    thumb, index = {'interhand': (745, 317), 'ho3d': (744, 333)}[tips]
    joints = pair.regress_joints(pair.template[None])[0, 0]
    vertices = pair.template[0]
    names = list(OPENPOSE_JOINTS)
    assert torch.equal(joints[names.index('thumb4')], vertices[thumb])
    assert torch.equal(joints[names.index('index4')], vertices[index])
    rows = torch.from_numpy(load_cc0_hand()['J_regressor'])
    pinky_base, ring_base = rows[7] @ vertices, rows[10] @ vertices  # MANO rows
    torch.testing.assert_close(joints[names.index('pinky1')], pinky_base)
    torch.testing.assert_close(joints[names.index('ring1')], ring_base)


def test_faces_of_both_hands_point_outward(pair):
    for slot in range(2):
        corners = pair.template[slot][pair.faces[slot]]
        corners = corners - pair.template[slot].mean(0)
        volume = torch.linalg.det(corners).sum() / 6
        assert 1e-4 < volume < 5e-4  # cubic metres: 0.1 to 0.5 litres
    assert not torch.equal(pair.faces[0], pair.faces[1])


def test_gradients_reach_every_rotation_and_shape(pair):
    rotations = pair.mean_rotations[None].clone().requires_grad_()
    betas = torch.zeros(1, 2, 10, requires_grad=True)
    mesh = pair(rotations, betas)
    weights = torch.rand(
        mesh.vertices.shape, generator=torch.Generator().manual_seed(0)
    )
    (mesh.vertices * weights).sum().backward()
    assert (rotations.grad.abs().sum((-1, -2)) > 0).all()
    assert (betas.grad.abs() > 0).all()


def test_autocast_does_not_touch_the_hand(pair):
    betas = torch.zeros(1, 2, 10)
    exact = pair(pair.mean_rotations[None], betas)
    with torch.autocast('cpu', torch.bfloat16):
        found = pair(pair.mean_rotations[None], betas)
    assert found.vertices.dtype == torch.float32
    assert torch.equal(found.vertices, exact.vertices)
    assert torch.equal(found.joints, exact.joints)


def test_nothing_of_the_hand_is_saved_or_trained(pair):
    assert not pair.state_dict()
    assert not list(pair.parameters())
    assert {name for name, _ in pair.named_buffers()} >= {'faces', 'template'}


@pytest.mark.parametrize('lead', [(0,), (3, 0), (0, 2)])
def test_no_hands_are_no_vertices(pair, lead):
    rotations = torch.eye(3).expand(*lead, 16, 3, 3).requires_grad_()
    vertices, joints = pair.right.posed(rotations, torch.zeros(*lead, 10))
    assert vertices.shape == (*lead, 778, 3) and joints.shape == (*lead, 16, 3)
    assert pair.right(rotations, torch.zeros(10)).shape == (*lead, 778, 3)
    vertices.sum().backward()
    assert torch.equal(rotations.grad, torch.zeros_like(rotations))


def test_no_pairs_are_no_meshes(pair):
    mesh = pair(torch.zeros(0, 2, 16, 3, 3), torch.zeros(0, 2, 10))
    assert mesh.vertices.shape == (0, 2, 778, 3) and mesh.joints.shape == (0, 2, 21, 3)


def test_building_prints_nothing(capsys):
    HandPair()
    printed = capsys.readouterr()
    assert printed.out + printed.err == ''


def test_both_are_in_the_registry():
    layer = MODELS.build(dict(type='MANOLayer', side='left', source='cc0'))
    assert layer.side == 'left'
    built = MODELS.build(dict(type='HandPair', source='cc0', tips='smplx'))
    assert built.joint_regressor.shape == (2, 21, 778)


@pytest.mark.parametrize(
    'call, sentence',
    [
        (lambda hand: hand(torch.zeros(48), torch.zeros(10)), 'absolute_pose'),
        (lambda hand: hand(hand.mean_rotations, torch.zeros(9)), 'betas have shape'),
        (lambda hand: hand.absolute_pose(torch.zeros(45), mean=True), r'\(45,\)'),
        (lambda hand: hand.pca_pose(torch.zeros(48)), '48 components'),
        (lambda hand: MANOLayer('both'), "side is 'both'"),
        (lambda hand: HandPair(tips='x'), 'unknown set of fingertips'),
        (lambda hand: HandPair('/nowhere/mano'), 'no such file or folder'),
    ],
)
def test_wrong_input_is_one_sentence(pair, call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(pair.right)
    assert '\n' not in str(error.value)


def test_a_hand_without_the_fingertips_is_refused(tmp_path):
    arrays = dict(load_cc0_hand('right'))
    for key in ('v_template', 'shapedirs', 'posedirs', 'weights'):
        arrays[key] = arrays[key][:400]
    arrays['J_regressor'] = arrays['J_regressor'][:, :400]
    arrays['f'] = arrays['f'][(arrays['f'] < 400).all(1)]
    np.savez(tmp_path / 'few.npz', **arrays)
    with pytest.raises(UserError, match='has 400 vertices, too few for the fingertips'):
        HandPair(source=str(tmp_path / 'few.npz'))
