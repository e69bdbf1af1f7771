"""Hands recovered from their own projected landmarks."""

import pytest
import torch

from mmhand_dne.conventions import FINGER_JOINTS, OPENPOSE_JOINTS
from mmhand_dne.geometry.alignment import similarity_align
from mmhand_dne.geometry.camera import project
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import SingleHand, load_cc0_hand
from mmhand_dne.models.fitting import LandmarkFit
from mmhand_dne.models.fitting.landmark_terms import (
    BONE_ENDS,
    BONE_STARTS,
    NUM_PARAMETERS,
    LandmarkTargets,
    LandmarkTerms,
    bone_directions,
)
from mmhand_dne.models.heads import DNEHead

HAND = SingleHand()
MILLIMETRES = 1000


def random_hands(count, seed=0):
    """Poses and shapes of the embedded hand's own spread, from all sides."""
    draw = torch.Generator().manual_seed(seed)
    arrays = load_cc0_hand()
    weights = torch.randn(count, 45, generator=draw).clamp(-2, 2)
    pose = weights * torch.from_numpy(arrays['hands_std'])
    pose = HAND.right.hands_mean + pose @ torch.from_numpy(arrays['hands_components'])
    turn = torch.randn(count, 3, generator=draw)
    turn = turn / turn.norm(dim=-1, keepdim=True)
    turn = turn * torch.pi * torch.rand(count, 1, generator=draw)
    vectors = torch.cat([turn, pose], 1).unflatten(1, (16, 3))
    betas = torch.randn(count, 1, 10, generator=draw).clamp(-2, 2)
    return HAND(matrix_from_axis_angle(vectors)[:, None], betas)


def landmarks_of(mesh, scale=6.0, shift=(0.1, -0.2)):
    return scale * mesh.joints[:, 0, :, :2] + torch.tensor(shift)


def box_of(points):
    return (points.amax(1) - points.amin(1)).amax(-1)


def image_error(coarse, points):
    """(B,) mean distance over the longer side of the landmarks' box."""
    seen = project(coarse.state.joints[:, 0], coarse.state.camera[:, 0])
    return (seen - points).norm(dim=-1).mean(-1) / box_of(points)


def aligned_error(found, wanted):
    """(B,) mean distance in mm after Procrustes alignment."""
    moved = similarity_align(found, wanted)
    return MILLIMETRES * (moved - wanted).norm(dim=-1).mean(-1)


@pytest.fixture(scope='module')
def fit():
    return LandmarkFit(HAND)


def test_hands_are_recovered_from_the_image_alone(fit):
    mesh = random_hands(16)
    points = landmarks_of(mesh)
    coarse = fit(points)
    assert image_error(coarse, points).max() < 0.005
    assert aligned_error(coarse.state.joints[:, 0], mesh.joints[:, 0]).median() < 3
    assert aligned_error(coarse.state.vertices[:, 0], mesh.vertices[:, 0]).median() < 3


def test_landmarks_in_space_leave_no_doubt(fit):
    mesh = random_hands(16, seed=1)
    points = landmarks_of(mesh)
    coarse = fit(points, world=7 * mesh.joints[:, 0] + 1)  # any unit and origin
    assert image_error(coarse, points).max() < 0.005
    assert aligned_error(coarse.state.joints[:, 0], mesh.joints[:, 0]).max() < 2


def test_the_result_is_a_regressors(fit):
    coarse = fit(landmarks_of(random_hands(2)))
    mesh = HAND(coarse.rotations, coarse.betas)
    torch.testing.assert_close(coarse.state.vertices, mesh.vertices)
    torch.testing.assert_close(coarse.state.joints, mesh.joints)
    assert coarse.rotations.shape == (2, 1, 16, 3, 3)
    assert coarse.rotations_6d.shape == (2, 1, 16, 6)
    assert (coarse.presence_logits.sigmoid() == 1).all()
    assert all(x.dtype == torch.float32 for x in coarse.state)


def test_dne_refines_it(fit):
    head = DNEHead(8, HAND, map_size=16, num_stages=1).eval()
    coarse = fit(landmarks_of(random_hands(2)))
    refined = head(torch.rand(2, 8, 16, 16), coarse.state)[-1]
    assert refined.state.vertices.shape == (2, 1, 778, 3)


def test_the_unit_of_the_image_does_not_matter(fit):
    points = landmarks_of(random_hands(2))
    one, other = fit(points), fit(200 * points + 40)
    torch.testing.assert_close(
        one.state.vertices, other.state.vertices, atol=2e-4, rtol=0
    )


def test_a_hand_is_fitted_as_if_it_were_alone(fit):
    points = landmarks_of(random_hands(3))
    together = fit(points).state.vertices
    alone = torch.cat([fit(row[None]).state.vertices for row in points])
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=0)


@pytest.mark.parametrize('lost', [torch.nan, 50.0])
def test_a_landmark_without_weight_does_not_matter(fit, lost):
    mesh = random_hands(4, seed=2)
    points = landmarks_of(mesh)
    tip = OPENPOSE_JOINTS.index('index4')
    weights = torch.ones(4, 21)
    weights[:, tip] = 0
    wrong = points.clone()
    wrong[:, tip] = lost
    coarse = fit(wrong, weights)
    seen = project(coarse.state.joints[:, 0], coarse.state.camera[:, 0])
    others = torch.arange(21) != tip
    gaps = (seen - points)[:, others].norm(dim=-1).mean(-1) / box_of(points[:, others])
    assert gaps.max() < 0.005


@pytest.mark.parametrize('points', [torch.zeros(1, 21, 2), torch.full((1, 21, 2), 9.0)])
@pytest.mark.parametrize('weight', [0.0, 1.0])
@pytest.mark.parametrize('world', [None, torch.zeros(1, 21, 3)], ids=['2d', '3d'])
def test_landmarks_that_say_nothing_give_a_finite_hand(fit, points, weight, world):
    coarse = fit(points, torch.full((1, 21), weight), world)
    assert all(value.isfinite().all() for value in coarse.state)


def test_nonsense_gives_a_finite_hand(fit):
    points = torch.randn(3, 21, 2, generator=torch.Generator().manual_seed(0))
    assert all(value.isfinite().all() for value in fit(points).state)


def test_the_jacobian_of_all_terms_is_autograds():
    draw = torch.Generator().manual_seed(0)
    mesh = random_hands(2)
    terms = LandmarkTerms(HAND, 0.02, 0.2, 0.35, 0.5)
    targets = LandmarkTargets(
        matrix_from_axis_angle(torch.randn(2, 3, generator=draw).double()),
        landmarks_of(mesh).double(),
        torch.rand(2, 21, generator=draw).double(),
        torch.ones(2).double(),
        bone_directions(mesh.joints[:, 0].double()),
        torch.rand(2, 20, generator=draw).double(),
    )
    rows = 0.3 * torch.randn(2, NUM_PARAMETERS, generator=draw).double()
    _, found = terms(rows, targets)
    for i in range(2):
        one = LandmarkTargets(*(value[i : i + 1] for value in targets))
        wanted = torch.autograd.functional.jacobian(
            lambda row, one=one: terms(row[None], one)[0][0], rows[i]
        )
        torch.testing.assert_close(found[i], wanted, atol=1e-9, rtol=0)


def test_bones_follow_the_fingers():
    pairs = zip(BONE_STARTS, BONE_ENDS)
    names = {(OPENPOSE_JOINTS[a], OPENPOSE_JOINTS[b]) for a, b in pairs}
    assert {('wrist', 'thumb1'), ('index3', 'index4'), ('wrist', 'pinky1')} < names
    assert len(names) == FINGER_JOINTS.sum()


def test_wrong_landmarks_and_two_hands_are_refused(fit):
    with pytest.raises(ValueError, match='points have shape'):
        fit(torch.zeros(1, 20, 2))
    with pytest.raises(ValueError, match='world have shape'):
        fit(torch.zeros(1, 21, 2), world=torch.zeros(1, 21, 2))
    with pytest.raises(ValueError, match='SingleHand'):
        LandmarkFit(dict(type='HandPair'))
