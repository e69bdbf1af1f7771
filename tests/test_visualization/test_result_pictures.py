"""Pictures of results show each hand where the image does, and what is known."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mmhand_dne.visualization.canvas.mesh_renderer import (
    LEFT_COLOR,
    RIGHT_COLOR,
)
from mmhand_dne.visualization.results.image_windows import Window, cut, whole_window
from mmhand_dne.visualization.results.result_pictures import KINDS, draw_result
from mmhand_dne.visualization.results.result_views import (
    hand_groups,
    hand_names,
    hand_wrists,
    image_map,
)
from tests.test_visualization.panel_samples import random_maps
from tests.test_visualization.result_samples import (
    SIZE,
    make_hand,
    make_result,
    sample_image,
)

SMALL = 256


def hue_mask(picture, color):
    """Pixels of a colour under any light."""
    pixels = (
        picture.astype(np.float64)
        / (np.linalg.norm(picture, axis=-1) + 1e-6)[..., None]
    )
    return (pixels @ np.array(color) / np.linalg.norm(color)) > 0.995


@pytest.fixture(scope='module')
def pictures():
    return draw_result(sample_image(), make_result(), size=SMALL)


def test_every_kind_is_drawn_at_the_size_asked_for(pictures):
    assert tuple(pictures) == KINDS
    for picture in pictures.values():
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        assert abs(picture.shape[1] - SMALL) <= 8


def test_overlay_colours_each_hand_where_it_is(pictures):
    """Its top, and the outer side, which the other hand does not hide."""
    whole = pictures['overlay'][: round(SMALL * SIZE[1] / SIZE[0])]
    for slot, color in enumerate((RIGHT_COLOR, LEFT_COLOR)):
        pixels = np.argwhere(hue_mask(whole, color))[:, ::-1]
        expected = make_hand(slot).vertices_2d * SMALL / SIZE[0]
        assert abs(pixels[:, 1].min() - expected[:, 1].min()) < 2.5
        outer = np.min if slot else np.max
        assert abs(outer(pixels[:, 0]) - outer(expected[:, 0])) < 2.5


def test_a_hand_that_fills_the_image_has_no_close_up():
    hand = make_hand(0)
    zoom = np.ptp(hand.vertices_2d, axis=0).max()
    fill = 180 * (hand.vertices_2d - hand.vertices_2d.min(axis=0)) / zoom
    result = make_result([replace(hand, vertices_2d=fill)])
    picture = draw_result(sample_image(), result, ['overlay'], SMALL)['overlay']
    assert picture.shape[0] < SMALL * SIZE[1] / SIZE[0] + 8


def test_an_image_without_hands_says_so():
    drawn = draw_result(sample_image(), make_result([]), size=SMALL)
    assert list(drawn) == ['overlay']
    plain = cut(sample_image(), whole_window(SIZE, SMALL))
    foot = slice(len(plain) - 22, len(plain))
    assert (drawn['overlay'][: foot.start] == plain[: foot.start]).all()
    assert (drawn['overlay'][foot] > 240).mean() > 0.5  # the plate
    assert (drawn['overlay'][foot] < 80).mean() > 0.01  # and its letters


def test_what_the_result_lacks_is_left_out():
    result = make_result([make_hand(0, uncertain=False, refined=False)])
    assert list(draw_result(sample_image(), result, size=128)) == ['overlay', 'side']


def test_unknown_kinds_and_foreign_images_are_refused():
    with pytest.raises(ValueError, match="unknown pictures .'sdie'.; choose from"):
        draw_result(sample_image(), make_result(), ['sdie'])
    with pytest.raises(ValueError, match='299 x 200 pixels, but the result is of 300'):
        draw_result(sample_image()[:, 1:], make_result())


def test_an_image_of_48_megapixels_is_drawn_like_its_small_copy():
    factor = 8000 / SIZE[0]
    big = cv2.resize(sample_image(), (8000, 5333), interpolation=cv2.INTER_NEAREST)
    hands = []
    for slot in range(2):
        hand = make_hand(slot)
        hands.append(
            replace(
                hand,
                **{
                    name: (getattr(hand, name) + 0.5) * factor - 0.5
                    for name in ('vertices_2d', 'joints_2d')
                },
            )
        )
    large = draw_result(big, make_result(hands, size=(8000, 5333)), ['overlay'], SMALL)
    small = draw_result(sample_image(), make_result(), ['overlay'], SMALL)
    rows = min(len(large['overlay']), len(small['overlay']))
    gap = large['overlay'][:rows].astype(int) - small['overlay'][:rows].astype(int)
    assert np.abs(gap).mean() < 4


def test_hands_apart_have_their_own_close_ups_and_numbers():
    hands = [make_hand(0), make_hand(0, shift=-140.0), make_hand(1)]
    result = make_result(hands)
    assert hand_names(result) == ['R1', 'R2', 'L']
    groups = hand_groups(result, 64)
    assert [group.names for group in groups] == [['R1', 'L'], ['R2']]
    for group in groups:
        for hand in group.hands:
            inside = group.window.to_picture(hand.vertices_2d)
            assert inside.min() > 0 and inside.max() < 63


def test_the_image_map_is_the_camera_of_the_mesh():
    hand = make_hand(1)
    joints = np.concatenate([hand.joints[:, :2], np.ones((21, 1))], axis=1)
    np.testing.assert_allclose(joints @ image_map(hand), hand.joints_2d, atol=1e-6)


def test_hands_too_far_apart_are_put_closer_and_it_is_said():
    near, far = make_hand(0), make_hand(1)
    wrists, remark = hand_wrists([near, far])
    np.testing.assert_allclose(wrists[1], far.translation - near.translation)
    assert remark == ''
    assert 'not to scale' in hand_wrists([replace(near, metric=False), far])[1]
    away = replace(far, translation=far.translation + (0, 0, 1.0))
    wrists, remark = hand_wrists([near, away])
    assert wrists[1, 2] == pytest.approx(0.2) and remark.startswith('depth gap 940 mm')
    lost = replace(far, translation=np.full(3, np.nan))
    wrists, remark = hand_wrists([near, lost])
    assert wrists[1, 0] < 0 and 'unknown' in remark  # it is left of it in the image


def test_maps_are_drawn_where_the_result_has_them():
    result = make_result(maps=dict(random_maps().items()))
    picture = draw_result(sample_image(), result, ['maps'], size=SMALL)['maps']
    assert abs(picture.shape[1] - SMALL) <= 8 and picture.shape[0] > SMALL / 2
    assert 'maps' not in draw_result(
        sample_image(), make_result(), ['maps'], size=SMALL
    )


def test_close_ups_of_a_portrait_stand_beside_it():
    image = np.pad(sample_image(), ((0, 300), (0, 0), (0, 0)))
    result = make_result(size=(300, 500))
    picture = draw_result(image, result, ['overlay'], size=SMALL)['overlay']
    assert picture.shape[0] < SMALL + 12 and picture.shape[1] > 0.6 * SMALL + 100


def blob(size, at, width=6):
    """A bright spot at (x, y) in the dark, (h, w, 3)."""
    x, y = np.meshgrid(*map(np.arange, size))
    bright = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * width**2))
    return np.repeat(np.rint(bright).astype(np.uint8)[..., None], 3, axis=2)


def test_a_close_up_shows_the_image_where_its_points_are():
    """To a twentieth of a pixel, wherever it is and however much it is shrunk."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        size = rng.integers(300, 900, 2)
        at = rng.uniform(60, size - 60)
        side, tile = rng.uniform(120, size.min()), int(rng.integers(80, 300))
        left, top = at - rng.uniform(0.25, 0.75, 2) * side
        window = Window(left, top, tile / side, (tile, tile))
        bright = cut(blob(size, at), window)[..., 0].astype(float)
        wanted = window.to_picture(at)
        x, y = np.meshgrid(np.arange(tile), np.arange(tile))
        apart = np.hypot(x - wanted[0], y - wanted[1])
        bright[apart > 30 * window.scale + 3] = 0  # grey beyond the border
        middle = np.array([(x * bright).sum(), (y * bright).sum()]) / bright.sum()
        np.testing.assert_allclose(middle, wanted, atol=0.05)


def test_a_shrunk_image_reaches_its_borders():
    """Also where its sides are no multiples of what it is shrunk by."""
    for width, height in ((403, 301), (1001, 997), (4032, 3023)):
        window = whole_window((width, height), 100)
        shown = cut(np.zeros((height, width, 3), np.uint8), window)
        assert shown.shape[:2] == window.size and shown[:-1, :-1].max() == 0
        assert shown.max() < 32  # a picture of whole pixels may end beyond the image
