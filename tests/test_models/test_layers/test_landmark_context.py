"""What a stage of DNE is told of landmarks."""

import pytest
import torch

from mmhand_dne.conventions import OPENPOSE_JOINTS, tip_vertices
from mmhand_dne.geometry.camera import project
from mmhand_dne.hand_model import SingleHand
from mmhand_dne.models.heads import DNEHead
from mmhand_dne.models.layers.landmark_context import GAP_UNIT, LandmarkContext
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
