"""Maps become the colours that their captions promise."""

import numpy as np
import pytest

from mmhand_dne.visualization.canvas.map_colors import (
    EMPTY,
    NUM_PARTS,
    PART_COLORS,
    correspondence_colors,
    depth_colors,
    heatmap_colors,
    normal_colors,
    part_colors,
    part_labels,
)
from mmhand_dne.visualization.canvas.mesh_renderer import LEFT_COLOR, RIGHT_COLOR


def logits(right, left):
    """(34, 1, 1) logits from {label: value} of each hand."""
    maps = np.full((2, NUM_PARTS + 1, 1, 1), -9.0)
    for hand, values in enumerate((right, left)):
        for label, value in values.items():
            maps[hand, label] = value
    return maps.reshape(-1, 1, 1)


def test_a_cell_shows_the_part_of_the_hand_that_claims_it():
    labels = part_labels(logits({3: 2.0}, {NUM_PARTS: 2.0}))
    assert labels.ravel().tolist() == [3, NUM_PARTS]
    assert (part_colors(labels)[0, 0] == PART_COLORS[0, 3]).all()


def test_a_cell_that_both_hands_claim_goes_to_the_surer_one():
    right = {3: 2.0, NUM_PARTS: 1.5}
    labels = part_labels(logits(right, {5: 1.0, NUM_PARTS: 0.0}))
    assert labels.ravel().tolist() == [NUM_PARTS, 5]
    assert (part_colors(labels)[0, 0] == PART_COLORS[1, 5]).all()


def test_parts_that_share_the_hand_outweigh_the_background():
    unsure = {1: 1.0, 2: 0.9, 3: 0.8, NUM_PARTS: 1.2}  # each below the background
    labels = part_labels(logits(unsure, {NUM_PARTS: 9.0}))
    assert labels.ravel().tolist() == [1, NUM_PARTS]


def test_all_parts_and_the_background_have_colours_of_their_own():
    colors = {tuple(c) for hand in PART_COLORS for c in hand}
    assert len(colors) == 2 * NUM_PARTS + 1
    nobody = part_labels(logits({NUM_PARTS: 1.0}, {NUM_PARTS: 1.0}))
    assert (part_colors(nobody) == EMPTY).all()


def test_near_is_bright_and_the_background_empty():
    depth = np.array([[[-0.1, 0.0, 0.1, np.nan]]])
    colors = depth_colors(depth, np.array([[True, True, True, False]]))[0]
    light = colors.astype(int).sum(axis=-1)
    assert light[0] > light[1] > light[2]
    assert (colors[3] == EMPTY).all()


def test_a_normal_towards_the_camera_is_blue_and_one_up_is_green():
    towards, up = [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]
    normal = np.array([towards, up]).T[:, None, :]
    colors = normal_colors(normal, np.ones((1, 2), bool))[0]
    assert colors.tolist() == [[128, 128, 255], [128, 255, 128]]


@pytest.mark.parametrize('height', [1.0, 0.05])
def test_heat_has_the_colour_of_its_hand_relative_to_its_peak(height):
    heat = np.zeros((42, 1, 3))
    heat[7, 0, 0] = heat[21, 0, 1] = height
    colors, peak = heatmap_colors(heat)
    assert tuple(colors[0, 0]) == RIGHT_COLOR and tuple(colors[0, 1]) == LEFT_COLOR
    assert (colors[0, 2] == EMPTY).all() and peak == height


def test_no_heat_stays_dark():
    colors, peak = heatmap_colors(np.zeros((42, 2, 2)))
    assert (colors == EMPTY).all() and peak == 0


def test_coordinates_are_the_three_channels():
    cube = np.array([0.0, 0.5, 2.0]).reshape(3, 1, 1)
    assert correspondence_colors(cube, np.ones((1, 1), bool)).ravel().tolist() == [
        0,
        128,
        255,
    ]
