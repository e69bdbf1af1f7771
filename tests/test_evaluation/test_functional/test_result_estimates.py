from dataclasses import replace

import numpy as np
import pytest

from mmhand_dne.evaluation.functional.result_estimates import (
    coarse_estimate,
    estimate_of_result,
    projected_std,
)
from tests.test_visualization.panel_samples import hand_pair
from tests.test_visualization.result_samples import make_hand

REGRESSOR = hand_pair().joint_regressor.double().numpy()


@pytest.mark.parametrize('slot', [0, 1])
def test_a_result_is_scored_as_it_is(slot):
    hand = make_hand(slot)
    found = estimate_of_result(hand)
    assert found.side == hand.side
    assert np.array_equal(found.joints_2d, hand.joints_2d)
    assert np.array_equal(found.vertices, hand.vertices)
    assert np.array_equal(found.covariance, hand.joint_covariance)


@pytest.mark.parametrize('slot', [0, 1])
def test_coarse_joints_are_those_of_the_coarse_mesh(slot):
    hand = make_hand(slot)  # whose coarse mesh is 1.1 times the refined one
    found = coarse_estimate(hand, REGRESSOR)
    assert np.allclose(found.joints, 1.1 * hand.joints, atol=1e-6)
    wrist = hand.joints_2d[0]
    expected = wrist + 1.1 * (hand.joints_2d - wrist)
    assert np.allclose(found.joints_2d, expected, atol=1e-3)
    assert found.covariance is None and found.std_2d is None


def test_a_model_without_stages_has_no_coarse_estimate():
    assert coarse_estimate(make_hand(0, refined=False), REGRESSOR) is None


def test_error_bars_in_the_image_follow_the_camera():
    hand = make_hand(0)
    joints = np.random.default_rng(0).multivariate_normal(
        np.zeros(3), hand.joint_covariance[8], 200_000
    )
    scale = np.linalg.norm(hand.joints_2d[8] - hand.joints_2d[0])
    scale /= np.linalg.norm(hand.joints[8, :2] - hand.joints[0, :2])
    drawn = scale * np.sqrt(np.square(joints[:, :2]).sum(-1).mean())
    assert projected_std(hand)[8] == pytest.approx(drawn, rel=0.01)
    assert projected_std(hand)[0] == pytest.approx(0, abs=1e-6)


def test_a_hand_without_error_bars_has_none_in_the_image():
    found = estimate_of_result(replace(make_hand(0, uncertain=False)))
    assert found.covariance is None and found.std_2d is None
