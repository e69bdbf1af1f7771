"""Regressed hands moved towards landmarks, against SciPy's minimum of the same cost."""

import pytest
import torch
from scipy.optimize import least_squares
from torch.utils._pytree import tree_map_only

from mmhand_dne.geometry.camera import project
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import SingleHand
from mmhand_dne.models.fitting import LandmarkRefit
from mmhand_dne.structures.hand_state import CoarseHands, HandState

HAND = SingleHand()
CAMERA = torch.tensor([[6.0, 0.1], [6.0, -0.2]])


def posed(vectors, betas, camera):
    """A regressor's hands of axis-angle (B, 16, 3), betas (B, 10), camera (2, 2)."""
    rotations = matrix_from_axis_angle(vectors)[:, None]
    mesh = HAND(rotations, betas[:, None])
    batch = len(betas)
    return CoarseHands(
        HandState(mesh.vertices, mesh.joints, mesh.root, camera.expand(batch, 1, 2, 2)),
        torch.zeros(batch, 1, 16, 6),
        rotations,
        betas[:, None],
        presence_logits=torch.full((batch, 1), torch.inf),
        pooled=torch.zeros(batch, 1, 0),
        token=torch.ones(batch, 1, 4),
    )


def regressed(count=4, noise=0.1, seed=0):
    """Hands with the landmarks of others, whose pose differs by ``noise`` radians."""
    draw = torch.Generator().manual_seed(seed)
    vectors = 0.3 * torch.randn(count, 16, 3, generator=draw)
    betas = torch.randn(count, 10, generator=draw)
    coarse = posed(vectors, betas, CAMERA)
    other = vectors + noise * torch.randn(count, 16, 3, generator=draw)
    truth = posed(other, betas + 5 * noise * torch.ones(10), CAMERA)
    points = project(truth.state.joints, truth.state.camera)
    return coarse._replace(landmarks_ndc=points)


def changed(hands, how):
    """The same hands with each tensor changed."""
    return tree_map_only(torch.Tensor, how, hands)


def gaps(hands):
    """(B, 21) NDC, from the landmarks to where the joints are seen."""
    seen = project(hands.state.joints, hands.state.camera)
    return (hands.landmarks_ndc - seen).norm(dim=-1)[:, 0]


def cost_of(refit, coarse, gap):
    """The residuals that the docstring speaks of, of one hand; NumPy in and out."""
    points = coarse.landmarks_ndc[0, 0].double()
    size = (points.amax(0) - points.amin(0)).amax()
    unsure = coarse.presence_logits[0, 0].sigmoid() < 0.5
    sigma, outlier = (0.06, 0.05) if unsure else (0.03, 0.15)
    weights = 1 / (1 + (gap.double() / size / outlier).square()) / (sigma * size)
    sigma = refit.holds.double().rsqrt()
    double = SingleHand().double()
    rotations, betas = coarse.rotations.double()[0, 0], coarse.betas.double()[0, 0]
    camera = coarse.state.camera.double()[0, 0]

    def residuals(change):
        change = torch.from_numpy(change)
        turned = matrix_from_axis_angle(change[:48].unflatten(0, (16, 3))) @ rotations
        mesh = double(turned[None, None], (betas + change[48:58])[None, None])
        scale = camera[0, 0] * change[58].exp()
        seen = scale * mesh.joints[0, 0, :, :2] + camera[:, 1] + change[59:]
        image = weights[:, None] * (seen - points)
        return torch.cat([image.flatten(), change / sigma]).numpy()

    return residuals


@pytest.mark.parametrize('presence', [-2.0, torch.inf])
def test_many_steps_end_in_the_least_cost(presence):
    coarse = regressed(1)
    coarse = coarse._replace(presence_logits=torch.full((1, 1), presence))
    refit = LandmarkRefit(HAND, steps=60)
    found = refit(coarse)
    residuals = cost_of(refit, coarse, gaps(coarse)[0])
    best = least_squares(residuals, torch.zeros(61).double().numpy(), xtol=1e-12)
    change = torch.from_numpy(best.x)
    wanted = matrix_from_axis_angle(change[:48].unflatten(0, (16, 3)))
    wanted = wanted @ coarse.rotations.double()[0, 0]
    torch.testing.assert_close(
        found.rotations[0, 0].double(), wanted, atol=2e-4, rtol=0
    )
    betas = coarse.betas[0, 0].double() + change[48:58]
    torch.testing.assert_close(found.betas[0, 0].double(), betas, atol=2e-3, rtol=0)
    scale = 6 * change[58].exp()
    torch.testing.assert_close(
        found.state.camera[0, 0, 0, 0].double(), scale, rtol=1e-4, atol=0
    )


def test_four_steps_take_most_of_the_way_and_move_the_whole_hand():
    coarse = regressed()
    found = LandmarkRefit(HAND)(coarse)
    assert (gaps(found).mean(1) < 0.35 * gaps(coarse).mean(1)).all()
    mesh = HAND(found.rotations, found.betas)
    torch.testing.assert_close(found.state.vertices, mesh.vertices)
    torch.testing.assert_close(found.state.joints, mesh.joints)
    assert torch.equal(found.token, coarse.token)
    assert torch.equal(found.landmarks_ndc, coarse.landmarks_ndc)


def test_landmarks_on_the_joints_change_nothing():
    coarse = regressed(noise=0.0)
    found = LandmarkRefit(HAND)(coarse)
    torch.testing.assert_close(
        found.state.vertices, coarse.state.vertices, atol=1e-6, rtol=0
    )
    torch.testing.assert_close(found.state.camera, coarse.state.camera)


def test_a_misread_landmark_moves_the_hand_little():
    coarse = regressed(noise=0.0)
    points = coarse.landmarks_ndc.clone()
    points[:, 0, 8] += 0.6  # half a hand away
    wrong = coarse._replace(landmarks_ndc=points)

    def moved(outlier):
        found = LandmarkRefit(HAND, outlier=(outlier, outlier))(wrong)
        return (found.state.joints - coarse.state.joints).norm(dim=-1).mean()

    assert moved(0.1) < 0.002 < 0.006 < moved(100.0)


def test_a_network_that_is_sure_of_its_hand_is_followed_further():
    presence = torch.tensor([0.0, 0.97, 0.98, 0.99, 0.995, 1.0])
    coarse = regressed(1)
    coarse = changed(coarse, lambda x: x.expand(len(presence), *x.shape[1:]))
    coarse = coarse._replace(presence_logits=presence.logit()[:, None])
    left = gaps(LandmarkRefit(HAND)(coarse)).mean(1)
    assert (left.diff()[1:4] < -1e-3).all() and left[3] < 0.7 * left[1]
    torch.testing.assert_close(left[0], left[1])
    torch.testing.assert_close(left[4], left[5])
    unsure = LandmarkRefit(HAND, sigma_2d=(0.06, 0.06), outlier=(0.05, 0.05))
    torch.testing.assert_close(gaps(unsure(coarse)).mean(1), left[:1].expand(6))


def test_hands_do_not_depend_on_their_neighbours_in_the_batch():
    coarse = regressed(3)
    refit = LandmarkRefit(HAND)
    together = refit(coarse).state.joints
    alone = changed(coarse, lambda x: x[1:2])
    torch.testing.assert_close(
        refit(alone).state.joints[0], together[1], atol=1e-6, rtol=0
    )


def test_regressors_without_landmarks_are_refused():
    with pytest.raises(ValueError, match='regressor of one hand that reads landmarks'):
        LandmarkRefit(HAND)(regressed()._replace(landmarks_ndc=None))
    with pytest.raises(ValueError, match='LandmarkRefit'):
        LandmarkRefit(dict(type='HandPair'))
