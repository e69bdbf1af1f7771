"""Parts and rest-pose coordinates of the vertices."""

import torch

from mmhand_dne.conventions import MANO_JOINTS, TIP_VERTICES
from mmhand_dne.hand_model import HandPair, part_labels, rest_coordinates


def test_tips_belong_to_the_last_part_of_their_finger():
    labels = part_labels(HandPair().right)
    fingers = ('thumb', 'index', 'middle', 'ring', 'pinky')
    for tips in TIP_VERTICES.values():
        for finger, vertex in zip(fingers, tips, strict=True):
            assert labels[vertex] == MANO_JOINTS.index(f'{finger}3')
    assert labels.dtype == torch.int64 and labels.unique().tolist() == list(range(16))


def test_rest_coordinates_keep_proportions_in_the_unit_cube():
    pair = HandPair()
    places = rest_coordinates(pair)
    template = pair.right.v_template
    assert places.shape == (2, 778, 3)
    assert places.min() == 0 and places.max() == 1
    extents = places[0].amax(0) - places[0].amin(0)
    sizes = template.amax(0) - template.amin(0)
    torch.testing.assert_close(extents, sizes / sizes.max())
    middle = (places[0].amax(0) + places[0].amin(0)) / 2
    torch.testing.assert_close(middle, torch.full((3,), 0.5))


def test_left_hand_is_mirrored_into_the_same_cube():
    right, left = rest_coordinates(HandPair())
    torch.testing.assert_close(left, right)
