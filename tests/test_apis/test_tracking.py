"""Numbers of hands over the frames of a video."""

from dataclasses import replace

import numpy as np
import pytest

from mmhand_dne.apis.temporal.tracking import MAX_GAP, track
from tests.moving_hands import frame, make_hand, smooth_vectors


@pytest.fixture(scope='module')
def hands():
    """By side: the same hand at one position."""
    return {
        side: make_hand(smooth_vectors(1)[0], np.zeros(10), np.array([0, 0, 0.6]), side)
        for side in ('right', 'left')
    }


def moved(hand, pixels, depth=1.0):
    return replace(
        hand,
        joints_2d=hand.joints_2d + np.float32(pixels),
        translation=hand.translation * np.float32([1, 1, depth]),
    )


def ids(*frames):
    return [result.track_ids for result in track(frames)]


def test_sides_are_different_hands_and_keep_their_numbers(hands):
    right, left = hands['right'], hands['left']
    found = ids(frame(0, right, left), frame(1, right), frame(2, right, left))
    assert found == [(0, 1), (0,), (0, 1)]


def test_two_hands_of_one_side_follow_their_places(hands):
    one, other = moved(hands['right'], (0, 0)), moved(hands['right'], (150, 0))
    later = frame(1, moved(other, (-9, 2)), moved(one, (9, 3)))
    found = ids(frame(0, one, other), later)
    assert found == [(0, 1), (1, 0)]


def test_the_sum_of_distances_decides_not_the_first_hand(hands):
    """Greedily, the first hand would take the track that the second one needs."""
    size = np.ptp(hands['right'].joints_2d, axis=0).max()
    tracks = [moved(hands['right'], (x * size, 0)) for x in (0.0, 0.9)]
    found = [moved(hands['right'], (x * size, 0)) for x in (0.5, 1.4)]
    assert ids(frame(0, *tracks), frame(1, *found)) == [(0, 1), (0, 1)]


@pytest.mark.parametrize(
    'change',
    [dict(pixels=(400, 0)), dict(pixels=(0, 0), depth=2.0)],
    ids=['far in the image', 'far in depth'],
)
def test_a_hand_elsewhere_is_another_hand(hands, change):
    assert ids(frame(0, hands['right']), frame(1, moved(hands['right'], **change))) == [
        (0,),
        (1,),
    ]


def test_gaps_are_bridged_until_they_are_too_long(hands):
    empty = [frame(t) for t in range(1, MAX_GAP)]
    again = frame(MAX_GAP, moved(hands['right'], (20, 0)))
    assert ids(frame(0, hands['right']), *empty, again)[-1] == (0,)
    late = frame(MAX_GAP + 1, hands['right'])  # frames may also be left out altogether
    assert ids(frame(0, hands['right']), late) == [(0,), (1,)]


def test_an_unknown_depth_leaves_it_to_the_image(hands):
    lost = replace(hands['right'], translation=np.full(3, np.nan, np.float32))
    assert ids(frame(0, lost), frame(1, hands['right'])) == [(0,), (0,)]
