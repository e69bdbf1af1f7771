"""Rotated squares about hands."""

import numpy as np
import pytest

from mmhand_dne.geometry.hand_rois import (
    STEADY,
    HandRoi,
    mirror_roi,
    roi_affine,
    roi_of_landmarks,
    roi_of_palm,
    turned,
)


def upright_hand() -> np.ndarray:
    """Joints (21, 2) of a hand that points up, palm 80 pixels long."""
    joints = np.zeros((21, 2))
    joints[0] = [100, 200]
    for finger, x in enumerate((60, 80, 100, 120, 140)):
        joints[1 + 4 * finger : 5 + 4 * finger] = [[x, 120 - 25 * k] for k in range(4)]
    return joints


def test_only_the_inner_joints_count():
    assert STEADY == [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]


def test_a_hand_that_points_up_has_angle_zero_and_twice_its_extent():
    roi = roi_of_landmarks(upright_hand())
    assert roi.angle == pytest.approx(0)
    assert roi.side == pytest.approx(2 * (200 - 70))  # wrist to thumb3
    np.testing.assert_allclose(roi.centre, [100, 135 - 0.1 * 130])


@pytest.mark.parametrize('degrees', [-170, -90, 10, 135])
def test_the_square_turns_with_the_hand(degrees):
    turn = turned(np.radians(degrees))
    still = roi_of_landmarks(upright_hand())
    roi = roi_of_landmarks(upright_hand() @ turn.T + [3, -5])
    assert np.degrees(roi.angle) == pytest.approx(degrees)
    assert roi.side == pytest.approx(still.side)
    np.testing.assert_allclose(roi.centre, turn @ still.centre + [3, -5])


def test_in_the_crop_the_hand_points_up():
    joints = upright_hand() @ turned(2.0).T
    affine = roi_affine(roi_of_landmarks(joints), 224)
    crop = joints @ affine[:, :2].T + affine[:, 2]
    assert crop[0, 1] > crop[9, 1] > crop[12, 1]
    assert crop[0, 0] == pytest.approx(crop[9, 0])
    middle = affine[:, :2] @ roi_of_landmarks(joints).centre + affine[:, 2]
    np.testing.assert_allclose(middle, 111.5)


def test_a_palm_puts_the_square_ahead_of_it():
    points = np.zeros((7, 2))
    points[0], points[2] = [50, 80], [80, 80]  # points to the right
    roi = roi_of_palm(np.array([40.0, 60, 80, 100]), points)
    assert np.degrees(roi.angle) == pytest.approx(90)
    assert roi.side == pytest.approx(2.6 * 40)
    np.testing.assert_allclose(roi.centre, [60 + 20, 80])


def test_mirroring_the_joints_mirrors_the_square():
    joints = upright_hand() @ turned(0.7).T
    mirrored = joints * [-1, 1] + [319, 0]
    roi, expected = (
        roi_of_landmarks(mirrored),
        mirror_roi(roi_of_landmarks(joints), 320),
    )
    np.testing.assert_allclose(roi.centre, expected.centre)
    assert (roi.side, roi.angle) == pytest.approx((expected.side, expected.angle))
    assert isinstance(expected, HandRoi)
