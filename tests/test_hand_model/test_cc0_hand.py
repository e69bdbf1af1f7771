"""The embedded hand: what code written for MANO relies on."""

from collections import Counter

import numpy as np
import pytest

from mmhand_dne.conventions import TIP_VERTICES
from mmhand_dne.hand_model import load_cc0_hand
from mmhand_dne.hand_model.mano_source import load_hand

# Along the boundary's directed edges; public renderers close the wrist with these.
WRIST_LOOP = [
    92, 234, 239, 279, 215, 214, 121, 78, 79, 108, 120, 119, 117, 118, 122, 38,
]  # fmt: skip


def directed_edges(faces):
    return Counter(
        (int(face[k]), int(face[(k + 1) % 3])) for face in faces for k in range(3)
    )


def test_sizes_are_those_of_mano():
    hand = load_cc0_hand()
    assert hand['v_template'].shape == (778, 3) and hand['f'].shape == (1538, 3)
    assert hand['shapedirs'].shape == (778, 3, 10)
    assert hand['posedirs'].shape == (778, 3, 135)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_surface_is_a_disc_bounded_by_the_wrist_loop(side):
    hand = load_cc0_hand(side)
    edges = directed_edges(hand['f'])
    assert set(edges.values()) == {1}
    boundary = {edge for edge in edges if edge[::-1] not in edges}
    loop = hand['wrist_loop'].tolist()
    assert sorted(loop) == sorted(WRIST_LOOP)
    assert boundary == set(zip(loop, loop[1:] + loop[:1], strict=True))
    undirected = {tuple(sorted(edge)) for edge in edges}
    assert 778 - len(undirected) + 1538 == 1


def test_regressor_and_weights_are_convex():
    hand = load_cc0_hand()
    for rows in (hand['J_regressor'], hand['weights']):
        assert rows.min() >= 0
        np.testing.assert_allclose(rows.sum(1), 1, atol=2e-7)
    assert (hand['weights'] > 0).sum(1).max() <= 4


def test_tips_lie_beyond_the_last_joints():
    hand = load_cc0_hand()
    assert tuple(hand['tips']) == TIP_VERTICES['smplx']
    joints = hand['J_regressor'] @ hand['v_template']
    last = joints[[15, 3, 6, 12, 9]]  # thumb, index, middle, ring, pinky
    for tips in TIP_VERTICES.values():
        reach = np.linalg.norm(hand['v_template'][list(tips)] - joints[0], axis=1)
        assert (reach > np.linalg.norm(last - joints[0], axis=1) + 0.01).all()


def test_frame_is_that_of_mano():
    """Right hand: fingers towards -x, thumb towards +z, metres."""
    hand = load_cc0_hand()
    joints = hand['J_regressor'] @ hand['v_template']
    assert joints[4, 0] < joints[0, 0] - 0.08  # middle knuckle
    assert joints[13, 2] > joints[7, 2] + 0.04  # thumb against pinky
    assert 0.15 < np.ptp(hand['v_template'], axis=0).max() < 0.25


def test_pose_components_are_orthonormal():
    components = load_cc0_hand()['hands_components'].astype(np.float64)
    np.testing.assert_allclose(components @ components.T, np.eye(45), atol=1e-6)


def test_unknown_side_is_refused():
    with pytest.raises(ValueError, match="expected 'right' or 'left'"):
        load_cc0_hand('both')


def test_its_former_name_is_answered_with_the_new_one():
    with pytest.raises(ValueError, match="called 'cc0', formerly 'free'; set hand_mod"):
        load_hand('free', 'right')
