"""Skeletons, captions and rows of pictures."""

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from mmhand_dne.conventions import FINGERS, OPENPOSE_JOINTS
from mmhand_dne.visualization.canvas import lettering
from mmhand_dne.visualization.canvas.drawing import (
    bones,
    draw_dots,
    draw_lines,
    draw_polygon,
    draw_rings,
    draw_skeleton,
    finger_color,
    grid,
)
from mmhand_dne.visualization.canvas.lettering import (
    INK,
    PAPER,
    caption,
    caption_height,
    letter_height,
    write,
)

BLACK = np.zeros((120, 240, 3), np.uint8)
EDGE = (10, 200, 30)
# Joint j at column 10 + 10 j: no two dots touch.
JOINTS = np.stack([10 + 10.0 * np.arange(21), np.full(21, 60.0)], -1)


def test_each_joint_but_the_wrist_ends_one_bone_of_its_finger():
    names = [(OPENPOSE_JOINTS[a], OPENPOSE_JOINTS[b]) for a, b in bones()]
    assert sorted(b for _, b in names) == sorted(set(OPENPOSE_JOINTS) - {'wrist'})
    assert {a for a, b in names if b.endswith('1')} == {'wrist'}
    assert all(a[:-1] == b[:-1] for a, b in names if not b.endswith('1'))


def test_fingers_differ_and_the_wrist_is_white():
    colors = {finger_color(OPENPOSE_JOINTS.index(f'{f}2')) for f in FINGERS}
    assert len(colors) == 5 and finger_color(OPENPOSE_JOINTS.index('wrist')) == PAPER


def test_invalid_joints_and_their_bones_are_absent():
    valid = np.zeros(21, bool)
    valid[[0, 8]] = True  # no bone joins them
    picture = draw_skeleton(BLACK, JOINTS, valid, EDGE)
    drawn = np.flatnonzero(picture.any(axis=(0, 2)))
    assert set(drawn) <= set(range(5, 16)) | set(range(85, 96))
    assert (picture[60, 90] == finger_color(8)).all()
    assert not BLACK.any()


def test_a_hollow_joint_is_a_ring():
    valid, hollow = np.zeros(21, bool), np.zeros(21, bool)
    valid[8] = hollow[8] = True
    picture = draw_skeleton(BLACK, JOINTS, valid, EDGE, hollow, radius=4)
    assert not picture[60, 90].any() and picture[60, 94].any()


def test_joints_without_a_place_are_not_drawn():
    lost = np.full((21, 2), np.nan)
    assert not draw_skeleton(BLACK, lost, np.ones(21), EDGE).any()
    assert not draw_skeleton(BLACK, JOINTS + 1e9, np.ones(21), EDGE).any()


def test_a_polygon_passes_its_corners():
    corners = np.array([[10.0, 10], [50, 10], [50, 40], [10, 40]])
    picture = draw_polygon(BLACK, corners, EDGE)
    for row, column in ((10, 30), (25, 50)):
        assert np.abs(picture[row, column].astype(int) - EDGE).max() <= 25
    assert not picture[25, 30].any()


def test_captions_keep_the_picture_and_fit_its_width():
    picture = caption(BLACK[:, :100], 'a title far too long for its picture', 'x')
    assert (picture[-120:] == 0).all() and picture.shape[1] == 100
    bar = picture[:-120]
    assert (bar < 100).any() and (bar[:, -2:] == 255).all()
    assert len(bar) == caption_height(2, letter_height(100))
    assert len(caption(BLACK, 'x', '')) == len(caption(BLACK, 'x', 'y'))


def test_a_grid_holds_all_its_pictures():
    first, second = np.full((10, 20, 3), 1, np.uint8), np.full((12, 30, 3), 2, np.uint8)
    picture = grid([[first, second], [], [second]])
    assert (picture == 1).sum() == first.size
    assert (picture == 2).sum() == 2 * second.size


@pytest.mark.parametrize('middle', [(60, 50), (2, 3), (238, 119), (-300, 40)])
def test_rings_are_blended_as_over_the_whole_picture(middle):
    """Inside, at corners and beyond, one over the other."""
    rng = np.random.default_rng(1)
    plain = rng.integers(0, 256, BLACK.shape, dtype=np.uint8)
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    rings = [middle + 20 * circle, np.add(middle, (7.3, 2.1)) + 9 * circle]
    colors = [(250, 10, 60), (5, 200, 90)]
    wanted = plain.copy()
    for ring, color in zip(rings, colors):
        points, filled = np.rint(16 * ring).astype(np.int32), wanted.copy()
        cv2.fillConvexPoly(filled, points, color, cv2.LINE_AA, 4)
        wanted = cv2.addWeighted(filled, 0.3, wanted, 0.7, 0)
        cv2.polylines(wanted, [points], True, color, 2, cv2.LINE_AA, 4)
    before = plain.copy()
    drawn = draw_rings(plain, rings, colors, 0.3, 2)
    np.testing.assert_array_equal(drawn, wanted)
    np.testing.assert_array_equal(plain, before)


def test_lines_and_dots_without_a_place_are_left_out_and_the_others_drawn():
    lines = np.array([[[10, 20], [60, 20]], [[np.nan, 5], [80, 60]]])
    drawn = draw_lines(BLACK, lines, EDGE, 3)
    assert (drawn[20, 12:58] == EDGE).all() and not drawn[40:].any()
    drawn = draw_dots(BLACK, lines[:, 0], 5.0, [PAPER, PAPER], EDGE)
    assert (drawn[20, 10] == PAPER).all() and not drawn[30:].any()
    assert not BLACK.any()


@pytest.mark.parametrize(
    'at', [(9, 9), (-4, -3), (225, 110), (300, 300), (50.5, 20.25)]
)
@pytest.mark.parametrize('anchor', ['la', 'lb', 'mt', 'mm'])
def test_text_is_what_pillow_writes_on_the_whole_picture(at, anchor):
    picture = np.full_like(BLACK, 255)
    canvas = Image.fromarray(picture)
    font = lettering._font(14, False)
    ImageDraw.Draw(canvas).text(at, 'Agjy 50 %', INK, font, anchor=anchor)
    written = write(picture, 'Agjy 50 %', at, 14, anchor=anchor)
    np.testing.assert_array_equal(written, np.asarray(canvas))
    assert (picture == 255).all()
