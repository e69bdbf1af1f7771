"""Letters that hide no fingertip, and lines around hands that hide each other."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mmhand_dne.visualization.canvas import lettering, tag_places
from mmhand_dne.visualization.canvas.drawing import visible_part
from mmhand_dne.visualization.canvas.lettering import (
    LEAST,
    Tag,
    draw_tags,
    letter_height,
)
from mmhand_dne.visualization.canvas.mesh_renderer import (
    LEFT_COLOR,
    RIGHT_COLOR,
    in_front,
    look_at_part,
    outline,
)
from mmhand_dne.visualization.canvas.tag_places import place_tags
from mmhand_dne.visualization.results.image_windows import whole_window
from mmhand_dne.visualization.results.result_pictures import draw_result
from mmhand_dne.visualization.results.result_views import (
    bordered,
    hand_surface,
)
from tests.test_visualization.result_samples import (
    SIZE,
    make_hand,
    make_result,
    sample_image,
)

SMALL = 256


def test_letters_stay_legible_when_a_picture_is_shrunk():
    for width in (256, 768, 1600):
        assert letter_height(width) * 256 / width >= 10 or letter_height(width) == LEAST


@pytest.mark.parametrize('kind', ['overlay', 'coarse_refined', 'uncertainty'])
def test_no_letter_covers_a_fingertip(kind, monkeypatch):
    """Not even where the hand points at its own letter, at the picture's border."""
    seen = []

    def watched(wanted, reach, size, clear, hands, apart):
        spots = place_tags(wanted, reach, size, clear, hands, apart)
        seen.append((spots, reach, clear))
        assert (spots >= reach).all()
        assert (spots <= np.array(size[::-1]) - reach).all()
        return spots

    monkeypatch.setattr(lettering, 'place_tags', watched)
    hands = [make_hand(0), make_hand(1)]
    # The left hand's fingers reach over the right wrist, where R would be.
    wrist = hands[0].joints_2d[0]
    beyond = wrist + 0.45 * (wrist - hands[0].joints_2d[1:].mean(axis=0))
    moved = beyond - hands[1].joints_2d[12]
    hands[1] = replace(
        hands[1],
        vertices_2d=hands[1].vertices_2d + moved,
        joints_2d=hands[1].joints_2d + moved,
    )
    draw_result(sample_image(), make_result(hands), [kind], SMALL)
    assert seen
    for spots, reach, clear in seen:
        assert len(clear) > 25 * len(spots)  # vertices around five fingertips
        gaps = np.linalg.norm(spots[:, None] - clear, axis=-1)
        assert gaps[np.isfinite(gaps)].min() >= reach
        assert len(spots) < 2 or np.linalg.norm(spots[0] - spots[1]) >= 2 * reach
    most = max(len(spots) for spots, *_ in seen)
    assert most == (2 if kind == 'overlay' else 1)  # others have a close-up of each


def test_a_crowded_picture_has_its_letters_all_the_same():
    clear = np.stack(np.meshgrid(range(40), range(40)), -1).reshape(-1, 2)
    clear = clear[clear[:, 0] < 25]
    (spot,) = place_tags(np.array([[5.0, 5.0]]), 9.0, (40, 40), clear)
    assert spot[0] == 30  # at the border, over as little as can be


def test_a_disc_at_the_border_is_whole_with_its_edge():
    (spot,) = place_tags(np.array([[99.0, -9.0]]), 9.0, (40, 60), apart=2.0)
    assert spot.tolist() == [48, 11]  # of pixels 0 to 59, 0 to 39


def test_two_hands_of_one_colour_are_told_apart_where_they_cross():
    """A line around each, which follows who is in front."""
    front = make_hand(0)
    behind = replace(front, translation=front.translation + (0, 0, 0.3))
    shifted = behind.vertices_2d + (9.0, -4.0)
    behind = replace(behind, vertices_2d=shifted, joints_2d=behind.joints_2d + (9, -4))
    result = make_result([front, behind])
    window = whole_window(SIZE, 600)
    surfaces = [hand_surface(hand, window) for hand in (front, behind)]
    shape = (400, 600)
    blank = np.full((*shape, 3), 255, np.uint8)
    view = look_at_part(surfaces, shape)
    dark = bordered(blank, result.hands, view).max(axis=-1) < 128
    near = cv2.dilate(dark.astype(np.uint8), np.ones((5, 5))).astype(bool)
    mask, both = (outline(some, shape) > 0.5 for some in (surfaces[:1], surfaces))
    edge = mask ^ cv2.erode(mask.astype(np.uint8), np.ones((3, 3))).astype(bool)
    crossing = edge & cv2.erode(both.astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert crossing.sum() > 100  # the front hand's outline over the other hand
    assert near[crossing].mean() > 0.95
    within = cv2.erode(mask.astype(np.uint8), np.ones((15, 15))).astype(bool)
    assert within.sum() > 1000 and not dark[within].any()  # no line of the hidden one


def test_a_hand_by_itself_has_no_line_around_it():
    hands = [make_hand(0), make_hand(0, shift=-140.0)]
    surfaces = [hand_surface(hand, whole_window(SIZE, 300)) for hand in hands]
    blank = np.full((200, 300, 3), 255, np.uint8)
    view = look_at_part(surfaces, (200, 300))
    assert (bordered(blank, hands, view) == 255).all()


def test_the_parts_of_four_hands_that_are_seen_do_not_overlap():
    hands = [make_hand(i % 2, shift=5.0 * i) for i in range(4)]
    surfaces = [hand_surface(hand, whole_window(SIZE, 300)) for hand in hands]
    view = look_at_part(surfaces, (200, 300))
    shown = in_front(view, (200, 300))
    parts = np.array([visible_part(shown == number, 3) for number in range(4)])
    assert parts.shape == (4, 200, 300) and (parts.sum(axis=(1, 2)) > 50).all()
    assert (parts.sum(axis=0) > 1).mean() < 0.01
    union = outline(surfaces, (200, 300)) > 0.5
    assert (parts.any(axis=0) ^ union).mean() < 0.02


def test_letters_of_hands_at_one_place_do_not_hide_each_other():
    blank = np.full((80, 120, 3), 255, np.uint8)
    tags = [
        Tag(text, np.array([60.0, 40.0]), color)
        for text, color in (('R', RIGHT_COLOR), ('L', LEFT_COLOR))
    ]
    drawn = draw_tags(blank, tags, 14)
    areas = [(drawn == color).all(axis=-1).sum() for color in (RIGHT_COLOR, LEFT_COLOR)]
    assert min(areas) > 0.8 * max(areas)
    far = [Tag('R', np.array([500.0, np.nan]), RIGHT_COLOR)]
    assert (draw_tags(blank, far, 14) == RIGHT_COLOR).all(axis=-1).sum() > 100


def cost_of_all(wanted, reach, size, clear, hands):
    """The cheapest of all spots for one tag, every spot against every point."""
    tried = tag_places._spots(wanted, reach, size, 0.0)
    gaps = [
        np.linalg.norm(tried[:, None] - points, axis=-1) for points in (clear, hands)
    ]
    tips, covered = ((gap < reach).sum(axis=1) for gap in gaps)
    cost = np.linalg.norm(tried - wanted, axis=-1) / reach + 1000 * tips
    cost += 4 * (covered > 0) + 4 * covered / max(1, covered.max())
    return tried, cost


def test_a_tag_that_few_spots_are_tried_for_stands_where_all_would_put_it():
    rng, quick = np.random.default_rng(2), 0
    for _ in range(60):
        size = rng.integers(120, 500, 2)
        middle = rng.uniform(size=2) * size[::-1]
        hands = middle + rng.normal(size=(300, 2)) * rng.uniform(5, 50)
        wanted = middle + rng.normal(size=2) * rng.uniform(1, 90)
        clear, reach = hands[:40], rng.uniform(8, 25)
        (spot,) = place_tags(wanted[None], reach, tuple(size), clear, hands)
        tried, cost = cost_of_all(wanted, reach, tuple(size), clear, hands)
        (own,) = cost[(tried == spot).all(axis=1)][:1]
        assert own == pytest.approx(cost.min(), abs=1e-9)
        points, way = np.concatenate([clear, hands]), cost * 0
        way += np.linalg.norm(tried - wanted, axis=-1) / reach
        quick += tag_places._nearest_free(tried, way, points, reach) is not None
    assert 20 < quick < 60  # both ways are taken
