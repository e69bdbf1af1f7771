import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from mmhand_dne.evaluation.functional.single_hand_errors import (
    HandEstimate,
    TrueHand,
    match_hands,
    nearest_hand,
    single_hand_errors,
    summarize_hands,
)
from mmhand_dne.geometry.bounding_boxes import tight_corners

EVERY = np.ones(21, bool)


def true_hand(seed=0, side='right', at=(100.0, 80.0), valid=EVERY):
    rng = np.random.default_rng(seed)
    joints = rng.normal(0, 0.04, (21, 3)) + (0, 0, 0.6)
    pixels = 500 * joints[:, :2] + at
    vertices = rng.normal(0, 0.04, (778, 3)) + (0, 0, 0.6)
    return TrueHand(tight_corners(pixels), pixels, valid, side, joints, vertices)


def exact(true, **changes):
    found = HandEstimate(true.joints_2d, true.side, true.joints, true.vertices)
    return found._replace(**changes)


def test_the_truth_has_no_error():
    true = true_hand()
    errors = single_hand_errors(exact(true), true)
    assert errors.side_right == 1
    assert max(errors.error_2d, errors.mpjpe, errors.mpvpe) == 0
    assert errors.pa_mpjpe == pytest.approx(0, abs=1e-9)


def test_an_offset_in_the_image_is_told_in_per_cent_of_the_longer_side():
    true = true_hand()
    longer = max(np.ptp(true.joints_2d, axis=0))
    found = exact(true, joints_2d=true.joints_2d + (0.03 * longer, 0.04 * longer))
    assert single_hand_errors(found, true).error_2d == pytest.approx(5)


def test_a_moved_hand_has_no_error_from_the_wrist():
    true = true_hand()
    shift = np.array([0.1, -0.2, 0.3])
    found = exact(true, joints=true.joints + shift, vertices=true.vertices + shift)
    errors = single_hand_errors(found, true)
    assert errors.mpjpe == pytest.approx(0, abs=1e-9)
    assert errors.mpvpe == pytest.approx(0, abs=1e-9)


def test_finger_joints_that_moved_5_mm_have_that_error_without_the_wrist():
    true = true_hand()
    moved = true.joints + (0.003, 0, 0.004)
    moved[0] = true.joints[0]
    errors = single_hand_errors(exact(true, joints=moved), true)
    assert errors.mpjpe == pytest.approx(5)  # not 5 x 20 / 21


def test_a_wrist_that_moved_moves_every_other_point():
    true = true_hand()
    joints = true.joints.copy()
    joints[0] += (0, 0.007, 0)
    errors = single_hand_errors(exact(true, joints=joints), true)
    assert errors.mpjpe == pytest.approx(7) == errors.mpvpe


def test_a_turned_and_scaled_hand_is_right_once_aligned():
    true = true_hand()
    turn = Rotation.from_rotvec([0.4, 1.0, -0.3]).as_matrix()
    errors = single_hand_errors(exact(true, joints=1.3 * true.joints @ turn), true)
    assert errors.mpjpe > 10
    assert errors.pa_mpjpe == pytest.approx(0, abs=1e-6)


def test_joints_that_do_not_count_change_nothing():
    valid = EVERY.copy()
    valid[[4, 8, 20]] = False
    true = true_hand(valid=valid)
    wild = np.where(valid[:, None], true.joints_2d, 1e6)
    joints = np.where(valid[:, None], true.joints, 9.0)
    errors = single_hand_errors(exact(true, joints_2d=wild, joints=joints), true)
    assert errors.error_2d == 0 == errors.mpjpe
    assert errors.pa_mpjpe == pytest.approx(0, abs=1e-9)


def test_what_is_not_annotated_is_not_known():
    true = true_hand()._replace(joints=None, vertices=None, side=None)
    errors = single_hand_errors(exact(true_hand()), true)
    for value in (errors.side_right, errors.mpjpe, errors.mpvpe, errors.pa_mpjpe):
        assert math.isnan(value)
    row = summarize_hands([errors])
    assert row['side_known'] == 0 and math.isnan(row['MPJPE'])
    assert row['2D_mean'] == 0


def noisy_errors(count, scale, seed=0):
    """Hands whose joints are off by draws of ``scale`` times the told covariance."""
    rng = np.random.default_rng(seed)
    factors = 0.004 * np.eye(3) + 0.002 * rng.normal(size=(21, 3, 3))
    covariance = factors @ factors.transpose(0, 2, 1)
    errors = []
    for number in range(count):
        true = true_hand(number)
        noise = (factors @ rng.normal(size=(21, 3, 1)))[..., 0]
        noise[0] = 0
        joints = true.joints + scale * noise
        found = exact(true, joints=joints, covariance=covariance)
        errors.append(single_hand_errors(found, true))
    return errors


@pytest.mark.parametrize('scale', [1.0, 2.0])
def test_coverage_of_drawn_noise_is_that_of_its_ellipsoids(scale):
    row = summarize_hands(noisy_errors(200, scale))
    expected = chi2(3).cdf(chi2(3).ppf(0.9) / scale**2)
    assert row['coverage_90'] == pytest.approx(expected, abs=0.02)


def test_uncertainty_that_follows_the_error_ranks_it():
    rng = np.random.default_rng(0)
    errors = []
    for number in range(5):
        true = true_hand(number)
        off = rng.uniform(1, 20, 21) * (1 + number)
        pixels = true.joints_2d + np.stack([off, 0 * off], 1)
        found = exact(true, joints_2d=pixels, std_2d=3 * off)
        errors.append(single_hand_errors(found, true))
    row = summarize_hands(errors)
    assert row['spearman_joints'] == pytest.approx(1) == row['spearman_hands']
    assert (row['joints_ranked'], row['hands_ranked']) == (100, 5)


def test_a_summary_has_means_medians_and_counts():
    true = true_hand()
    size = true.size
    errors = [
        single_hand_errors(exact(true, joints_2d=true.joints_2d + (x, 0), side=s), true)
        for x, s in ((0.01 * size, 'right'), (0.02 * size, 'left'), (0.09 * size, None))
    ]
    row = summarize_hands(errors)
    assert row['hands'] == 3 and row['side_right'] == 1 and row['side_known'] == 2
    assert row['2D_mean'] == pytest.approx(4) and row['2D_median'] == pytest.approx(2)
    assert math.isnan(row['coverage_90'])


def test_no_hands_make_an_empty_summary():
    row = summarize_hands([])
    assert row['hands'] == 0 and math.isnan(row['2D_mean'])


def test_found_hands_are_matched_by_place_whatever_their_order_and_side():
    true = [true_hand(1, at=(100, 80)), true_hand(2, 'left', at=(160, 80))]
    other = exact(true_hand(3, at=(900, 900)))
    found = [other, exact(true[1], side='right'), exact(true[0])]
    assert match_hands(found, true) == [2, 1]
    assert [nearest_hand(f, true) for f in found[1:]] == [1, 0]


def test_a_hand_far_away_or_none_at_all_matches_nothing():
    true = [true_hand()]
    assert match_hands([exact(true_hand(at=(900, 900)))], true) == [None]
    assert match_hands([], true) == [None]
    assert match_hands([exact(true[0])], []) == []
