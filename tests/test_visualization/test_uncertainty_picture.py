"""Error bars as pictures: colours of the mesh, ellipsoids, one legend for a run."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from scipy.stats import chi2

from mmhand_dne.visualization.canvas import mesh_renderer, uncertainty_colors
from mmhand_dne.visualization.canvas.mesh_renderer import (
    look_at_part,
    outline,
)
from mmhand_dne.visualization.results import hand_uncertainty
from mmhand_dne.visualization.results.hand_tiles import draw_hand_tiles
from mmhand_dne.visualization.results.image_windows import cut
from mmhand_dne.visualization.results.result_pictures import draw_result
from mmhand_dne.visualization.results.result_views import (
    PictureJob,
    covered_share,
    hand_groups,
    hand_surface,
    run_span,
)
from mmhand_dne.visualization.results.uncertainty_picture import ellipse_tile
from tests.test_visualization.result_samples import (
    make_hand,
    make_result,
    outward,
    sample_image,
)


def test_a_vertex_at_a_joint_has_that_joints_deviation_and_no_other_is_beyond():
    hand = make_hand(0)
    std = np.linspace(0, 20, 21)
    values = hand_uncertainty.vertex_deviation(
        hand.vertices, hand.joints, std, hand.faces
    )
    assert values.min() >= 0 and values.max() <= 20
    tips = [4, 8, 12, 16, 20]
    for tip in tips:
        near = np.linalg.norm(hand.vertices - hand.joints[tip], axis=-1).argmin()
        assert abs(values[near] - std[tip]) < 0.25 * (std[tip] - std[tip - 1]) + 0.2
    wrist = np.linalg.norm(hand.vertices - hand.joints[0], axis=-1).argmin()
    assert values[wrist] < 3
    equal = hand_uncertainty.vertex_deviation(
        hand.vertices, hand.joints, np.full(21, 7.0), hand.faces
    )
    np.testing.assert_allclose(equal, 7.0)


def test_half_of_the_samples_are_inside_an_ellipsoid():
    rng = np.random.default_rng(2)
    factor = rng.normal(size=(3, 3)) * 0.01
    covariance = np.zeros((21, 3, 3))
    covariance[8] = factor @ factor.T
    covariance[9] = np.nan
    assert hand_uncertainty.usable_joints(covariance).tolist() == [8]
    sphere, faces = hand_uncertainty.unit_sphere()
    axes = hand_uncertainty.ellipsoid_axes(covariance[8])
    assert outward(torch.tensor(sphere @ axes.T), torch.tensor(faces))
    # Every vertex is as far from the centre, in Mahalanobis' distance.
    offset = sphere @ axes.T
    distance = np.sqrt((offset @ np.linalg.inv(covariance[8]) * offset).sum(axis=-1))
    np.testing.assert_allclose(distance, distance[0], rtol=1e-9)
    samples = rng.multivariate_normal(np.zeros(3), covariance[8], 20000)
    distances = np.sqrt((samples @ np.linalg.inv(covariance[8]) * samples).sum(axis=-1))
    assert abs((distances < distance[0]).mean() - 0.5) < 0.01


def test_the_outline_of_an_ellipsoid_is_where_its_points_end_in_the_picture():
    rng = np.random.default_rng(5)
    axes, camera = rng.normal(size=(3, 3)) * 0.01, rng.normal(size=(3, 2)) * 900
    ball = rng.normal(size=(40000, 3))
    ball /= np.linalg.norm(ball, axis=-1, keepdims=True)
    seen = ball @ axes.T @ camera
    ring = hand_uncertainty.ellipsoid_outlines(axes, camera)
    for angle in np.linspace(0, 2 * np.pi, 7):
        way = np.array([np.cos(angle), np.sin(angle)])
        assert (ring @ way).max() == pytest.approx((seen @ way).max(), rel=0.01)
    hull = cv2.convexHull(ring.astype(np.float32))
    seen = seen[:2000].astype(np.float32).tolist()
    inside = [cv2.pointPolygonTest(hull, tuple(point), True) for point in seen]
    assert min(inside) > -0.02 * np.ptp(ring)


def test_ellipsoids_leave_the_hand_to_be_seen():
    """However large they are, most of the photograph's contrast stays on the hand."""
    hand = make_hand(0)
    vague = replace(
        hand,
        joint_covariance=100 * hand.joint_covariance,
        joint_std=10 * hand.joint_std,
    )
    result = make_result([vague])
    job = PictureJob(sample_image(), result, 512)
    (group,) = hand_groups(result, job.half, lambda hand: hand.vertices_2d)
    drawn = ellipse_tile(job, group).astype(int)
    plain = cut(job.image, group.window).astype(int)
    surface = hand_surface(vague, group.window)
    inside = outline([surface], plain.shape[:2]) > 0.99
    assert np.abs(drawn - plain)[~inside].mean() > 5  # they are drawn
    seen = np.corrcoef(drawn[inside].mean(axis=-1), plain[inside].mean(axis=-1))[0, 1]
    faint = np.abs(drawn - plain)[inside].mean(axis=-1)
    assert seen > 0.4 and np.median(faint) < 60


def test_one_range_of_colours_for_many_results():
    sure, vague = make_result([make_hand(0)]), make_result([make_hand(1)])
    assert run_span([sure]) == 12.5 and run_span([vague]) == 25.0
    assert run_span([sure, vague]) == 25.0
    assert run_span([make_result([make_hand(0, uncertain=False)])]) is None
    own, shared = (
        draw_result(sample_image(), sure, ['uncertainty'], 256, span)['uncertainty']
        for span in (None, 25.0)
    )
    expected = uncertainty_colors.legend(256, 25.0)
    assert own.shape == shared.shape
    rows = slice(-len(expected) - 4, -4)
    assert (shared[rows, :256] == expected).all()
    assert not (own[rows, :256] == expected).all()
    # What has half of the range has no bright colour of its end.
    reds = [p[20 : rows.start, :, 0].astype(int) for p in (own, shared)]
    assert (reds[1] - reds[0]).max() < 40 < (reds[0] - reds[1]).max()


@pytest.mark.parametrize(
    'largest, end', [(0.2, 1.0), (9.1, 10.0), (17.0, 20.0), (44.0, 50.0), (np.nan, 1.0)]
)
def test_the_legend_ends_at_a_round_number(largest, end):
    assert uncertainty_colors.color_span([np.array([0.1, largest])]) == end


def test_the_legend_has_the_colours_of_the_mesh():
    bar = uncertainty_colors.legend(400, 20.0)
    colors = uncertainty_colors.deviation_colors(np.array([0.0, 10.0, 20.0]), 20.0)
    for color in colors:
        assert (bar == color).all(axis=-1).any()
    grey = uncertainty_colors.deviation_colors(np.array([np.nan]), 20.0)
    assert tuple(grey[0]) == uncertainty_colors.NO_VALUE


def test_brightness_grows_with_the_deviation():
    """So that the order survives any colour vision, and grey printing."""
    colors = uncertainty_colors.deviation_colors(np.linspace(0, 1, 64), 1.0) / 255
    linear = np.where(
        colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4
    )
    assert (np.diff(linear @ (0.2126, 0.7152, 0.0722)) > 0).all()


def test_a_close_up_of_ellipsoids_contains_them():
    hand = make_hand(1)
    (plain,) = hand_groups(make_result([hand]), 64)
    (wide,) = hand_groups(make_result([hand]), 64, lambda h: 2 * h.vertices_2d)
    for point in 2 * hand.vertices_2d:
        assert (wide.window.to_picture(point) < 64).all()
    assert wide.window.scale < plain.window.scale


def test_an_ellipsoid_holds_its_share_of_a_gaussian_in_space():
    inside = chi2.cdf(hand_uncertainty.ELLIPSOID_RADIUS**2, df=3)
    assert inside == pytest.approx(hand_uncertainty.ELLIPSOID_SHARE, abs=1e-15)


def test_both_tiles_of_a_close_up_come_of_one_look(monkeypatch):
    """Colours and ellipsoids show the same hands: their faces are sought once."""
    looks = []
    real = mesh_renderer.look_at

    def counted(surfaces, size, **options):
        looks.append(size)
        return real(surfaces, size, **options)

    monkeypatch.setattr(mesh_renderer, 'look_at', counted)
    result = make_result([make_hand(0)])
    assert draw_result(sample_image(), result, ['uncertainty'], 256)
    assert len(looks) == 1
    looks.clear()
    tiles = draw_hand_tiles(sample_image(), result, 0)
    assert len(tiles) == 6 and len(looks) == 4  # refined, coarse, and from two sides


def test_a_wide_close_up_has_the_hand_where_a_narrow_one_shows_it():
    hand = make_hand(0)
    for grown in (1.0, 1.3, 2.1):
        narrow, wide = (
            hand_groups(make_result([hand]), 200, more)[0].window
            for more in (
                lambda h: h.vertices_2d,
                lambda h: grown * (h.vertices_2d - 90) + 90,  # noqa: B023
            )
        )
        view = look_at_part([hand_surface(hand, narrow)], (200, 200))
        share = covered_share(view, narrow, wide)
        own = outline([hand_surface(hand, wide)], (200, 200))
        assert own.max() == 1 and np.abs(share - own).sum() < 0.03 * own.sum()
        assert (
            np.abs(share - own).max() < 0.6 and abs(share.sum() / own.sum() - 1) < 0.01
        )
