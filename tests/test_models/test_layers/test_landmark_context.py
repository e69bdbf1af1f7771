"""What a stage of DNE is told of landmarks."""

import pytest
import torch

from mmhand_dne.conventions import OPENPOSE_JOINTS, tip_vertices
from mmhand_dne.geometry.camera import project
from mmhand_dne.hand_model import SingleHand
from mmhand_dne.models.heads import DNEHead
from mmhand_dne.models.layers.landmark_context import (
    GAP_UNIT,
    LandmarkContext,
    bone_weights,
)
from mmhand_dne.structures.hand_state import HandState

TIP = OPENPOSE_JOINTS.index('index4')


@pytest.fixture(scope='module')
def hand():
    return SingleHand()


@pytest.fixture
def state(hand):
    vertices = hand.template[None].repeat(2, 1, 1, 1)
    camera = torch.tensor([[7.0, 0.1], [7.0, -0.2]]).expand(2, 1, 2, 2)
    return HandState(
        vertices, hand.regress_joints(vertices), torch.zeros(2, 1, 3), camera
    )


def test_a_joint_displaced_is_told_to_the_vertices_about_it_alone(hand, state):
    context = LandmarkContext(hand, channels=4)
    landmarks = project(state.joints, state.camera)
    assert not context(landmarks, state)[..., :2].any()
    landmarks[:, :, TIP, 0] += 3 * GAP_UNIT
    local = context(landmarks, state)[..., :2]
    assert not local[..., 1].any()
    index_tip = tip_vertices('interhand')[1]
    assert local[0, 0, index_tip, 0] > 2.5
    joints = state.joints[0, 0]
    far = torch.cdist(state.vertices[0, 0], joints[TIP : TIP + 1])[:, 0] > 0.06
    assert local[0, 0, far, 0].abs().max() < 1e-3 and far.sum() > 300


def test_the_code_is_of_the_whole_hand(hand, state):
    torch.manual_seed(0)
    context = LandmarkContext(hand, channels=4)
    landmarks = project(state.joints, state.camera)
    before = context(landmarks, state)[..., 2:]
    assert (before == before[:, :, :1]).all()  # the same for all vertices
    landmarks[1, :, TIP, 0] += 5 * GAP_UNIT
    after = context(landmarks, state)[..., 2:]
    assert torch.equal(after[0], before[0]) and not torch.equal(after[1], before[1])


def test_stages_with_landmarks_need_them(hand, state):
    head = DNEHead(
        4, hand, map_size=8, num_stages=1, num_cells=4, landmark_inputs=True
    ).eval()
    features = torch.rand(2, 4, 8, 8)
    with pytest.raises(ValueError, match='landmark_inputs=False'):
        head(features, state)
    refined = head(features, state, landmarks=torch.rand(2, 1, 21, 2))
    assert refined[-1].state.vertices.shape == state.vertices.shape


def test_refining_follows_the_landmarks(hand, state):
    """A stage that may learn only from them brings the mesh onto them."""
    torch.manual_seed(0)
    head = DNEHead(
        2,
        hand,
        map_size=8,
        num_stages=1,
        num_samples=1,
        num_cells=4,
        coordinate_inputs=True,
        landmark_inputs=True,
        delta_2d=1e-4,
        delta_3d=1e-5,
        gamma=0.0,
        estimator=dict(type='NoiseMLP', hidden_channels=32),
    )
    features = torch.zeros(8, 2, 8, 8)
    state = HandState(*(x[:1].repeat(8, *[1] * (x.dim() - 1)) for x in state))
    optimizer = torch.optim.Adam(head.parameters(), 5e-3)
    rng = torch.Generator().manual_seed(1)
    errors = []
    for _ in range(150):
        shift = 0.2 * torch.randn(8, 1, 1, 2, generator=rng)
        landmarks = project(state.joints, state.camera) + shift
        wanted = project(state.vertices, state.camera) + shift
        refined = head(features, state, landmarks=landmarks)[-1]
        error = (refined.points_ndc - wanted).abs().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    assert sum(errors[-20:]) / 20 < 0.3 * sum(errors[:5]) / 5


def test_pooled_points_need_fewer_weights(hand):
    whole, pooled = (DNEHead(4, hand, map_size=8, pool=pool) for pool in (1, 2))
    sizes = [head.regress_points.spatial.weight.numel() for head in (whole, pooled)]
    assert sizes[0] == 4 * sizes[1]
    points, read = pooled.regress_points(torch.rand(2, 4, 8, 8))
    assert points.shape == (2, 1, 778, 2) and read.shape == (2, 1, 778, 4)
    with pytest.raises(ValueError, match='pool=3 does not divide'):
        DNEHead(4, hand, map_size=8, pool=3)


def test_weights_of_bones_sum_to_one_and_are_those_of_the_joint_at_a_joint(hand):
    joints = hand.regress_joints(hand.template[None])[0]
    weights = bone_weights(hand.template, joints)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 778))
    at_joints = bone_weights(joints, joints)[0]
    ends = [i for i, name in enumerate(OPENPOSE_JOINTS) if name[-1] == '4']
    assert (at_joints[ends, ends] > 0.9).all()
    # Halfway along a long bone it is half of each end's.
    near, far = (OPENPOSE_JOINTS.index(name) for name in ('middle1', 'middle2'))
    halfway = (joints[:, near] + joints[:, far])[:, None] / 2
    middle = bone_weights(halfway, joints)[0, 0]
    torch.testing.assert_close(middle[near], middle[far], atol=0.03, rtol=0)
    assert middle[near] > 0.4


def test_the_mesh_stays_smooth_where_landmarks_pull(hand, state):
    """Neighbouring vertices are told nearly the same."""
    context = LandmarkContext(hand, channels=4)
    landmarks = project(state.joints, state.camera)
    landmarks[..., 0, 1] += GAP_UNIT  # the wrist alone
    local = context(landmarks, state)[0, 0, :, 1]
    faces = hand.faces[0]
    steps = (local[faces] - local[faces].roll(1, -1)).abs()
    length = (hand.template[0][faces] - hand.template[0][faces].roll(1, 1)).norm(dim=-1)
    assert local.max() > 0.9 and (steps / length.clamp(0.004)).max() < 60  # a metre


def test_smoothing_averages_the_noise_over_the_mesh(hand, state):
    torch.manual_seed(0)
    options = dict(map_size=8, num_stages=1, num_cells=4)
    heads = [DNEHead(4, hand, **options, smoothing=times).eval() for times in (0, 3)]
    for parameter in heads[0].parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    heads[1].load_state_dict(heads[0].state_dict())  # nothing of it is in checkpoints
    features = torch.rand(2, 4, 8, 8)
    rough, smooth = (head(features, state)[-1] for head in heads)
    neighbours = torch.zeros(778, 778)
    for a, b, c in hand.faces[0].tolist():
        neighbours[[a, b, b, c, c, a], [b, a, c, b, a, c]] = 1
    neighbours += torch.eye(778)
    wanted = rough.mean_2d[0, 0]
    for _ in range(3):
        wanted = neighbours @ wanted / neighbours.sum(1, keepdim=True)
    torch.testing.assert_close(smooth.mean_2d[0, 0], wanted, atol=1e-5, rtol=1e-4)
