"""The renderer draws what geometry says: outlines, order, light, and nothing else."""

import cv2
import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from mmhand_dne.geometry.mesh import vertex_normals
from mmhand_dne.geometry.rasterize import interpolate, rasterize
from mmhand_dne.hand_model import HandPair
from mmhand_dne.visualization.canvas import surface_views
from mmhand_dne.visualization.canvas.mesh_renderer import (
    LEFT_COLOR,
    RIGHT_COLOR,
    orthographic_surface,
    paint,
    perspective_surface,
    render_mesh,
    render_overlay,
)
from mmhand_dne.visualization.canvas.seen_faces import may_be_seen
from mmhand_dne.visualization.canvas.side_view import side_surfaces

RADIUS = 0.06
INTRINSICS = torch.tensor([[300.0, 12.0, 60.0], [0.0, 280.0, 50.0], [0.0, 0.0, 1.0]])
SIZE = (96, 128)


@pytest.fixture(scope='module')
def sphere():
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    vertices = torch.tensor(np.array(mesh.vertices), dtype=torch.float32)
    return vertices, torch.tensor(np.array(mesh.faces))


def pixel_grid(size, scale=1.0):
    """Centres of the output pixels, in pixels of the frame."""
    rows, columns = np.mgrid[: round(size[0] * scale), : round(size[1] * scale)]
    return (columns + 0.5) / scale - 0.5, (rows + 0.5) / scale - 0.5


def rays_hit_sphere(center, intrinsics, size, scale=1.0):
    """Cast one ray per pixel: (h, w) bool."""
    u, v = pixel_grid(size, scale)
    pixels = np.stack([u, v, np.ones_like(u)], -1)
    rays = pixels @ np.linalg.inv(np.asarray(intrinsics, np.float64)).T
    distance = np.linalg.norm(np.cross(rays, center), axis=-1)
    return distance / np.linalg.norm(rays, axis=-1) < RADIUS


def assert_same_outline(coverage, expected):
    """Equal but for the pixels along the outline, and centred alike."""
    drawn, cross = coverage > 0.5, np.ones((3, 3), np.uint8)
    inner = cv2.erode(expected.astype(np.uint8), cross) > 0
    outer = cv2.dilate(expected.astype(np.uint8), cross) > 0
    assert expected.any() and not expected.all()
    assert (drawn | ~inner).all() and (outer | ~drawn).all()
    np.testing.assert_allclose(center(coverage), center(expected), atol=0.1)


def center(weights):
    """Centre of mass (column, row), pixels."""
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([columns, rows]).reshape(2, -1) @ weights.ravel() / weights.sum()


@pytest.mark.parametrize('scale', [1.0, 1.25, 2.0])
def test_perspective_outline_is_the_cast_one(sphere, scale):
    vertices, faces = sphere
    center = np.array([0.05, -0.03, 0.6])
    moved = vertices + torch.tensor(center, dtype=torch.float32)
    surface = perspective_surface(moved, INTRINSICS, faces, RIGHT_COLOR)
    coverage = render_mesh([surface], SIZE, scale).coverage
    expected = rays_hit_sphere(center, INTRINSICS, SIZE, scale)
    assert_same_outline(coverage, expected)
    assert abs(coverage.sum() / expected.sum() - 1) < 0.01


def test_orthographic_outline_is_the_ellipse_of_the_camera(sphere):
    vertices, faces = sphere
    camera = torch.tensor([[6.0, 0.2], [9.0, -0.3]])
    surface = orthographic_surface(vertices, camera, (128, 96), faces, RIGHT_COLOR)
    u, v = pixel_grid(SIZE)
    x, y = (2 * u + 1) / 128 - 1, (2 * v + 1) / 96 - 1
    expected = ((x - 0.2) / 6) ** 2 + ((y + 0.3) / 9) ** 2 < RADIUS**2
    assert_same_outline(render_mesh([surface], SIZE).coverage, expected)


def test_both_cameras_agree_where_they_are_equal(sphere):
    vertices, faces = sphere
    size, depth, scale, shift = 96, 200.0, 8.0, 0.25  # rays all but parallel
    focal = scale * size / 2 * depth
    center = (shift + 1) * size / 2 - 0.5
    intrinsics = torch.tensor([[focal, 0, center], [0, focal, center], [0, 0, 1.0]])
    camera = torch.tensor([[scale, shift], [scale, shift]])
    far = vertices + torch.tensor([0.0, 0.0, depth])
    true = perspective_surface(far, intrinsics, faces, LEFT_COLOR)
    crop = orthographic_surface(vertices, camera, size, faces, LEFT_COLOR)
    first, second = (render_mesh([s], (size, size)) for s in (true, crop))
    assert np.abs(first.coverage - second.coverage).max() <= 0.25  # one sample of four
    assert np.abs(first.coverage - second.coverage).mean() < 1e-3
    assert np.abs(first.color - second.color).mean() < 2e-3


def test_pixels_outside_the_mesh_stay_untouched(sphere):
    vertices, faces = sphere
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    center = np.array([0.0, 0.0, 0.7])
    moved = vertices + torch.tensor(center, dtype=torch.float32)
    surface = perspective_surface(moved, INTRINSICS, faces, RIGHT_COLOR)
    drawn = render_overlay(image, [surface])
    expected = rays_hit_sphere(center, INTRINSICS, SIZE).astype(np.uint8)
    outside = cv2.dilate(expected, np.ones((3, 3), np.uint8)) == 0
    inside = cv2.erode(expected, np.ones((3, 3), np.uint8)) > 0
    assert (drawn[outside] == image[outside]).all()
    assert (drawn[inside] != image[inside]).any(axis=-1).mean() > 0.95


def test_no_surface_leaves_the_image(sphere):
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    assert (render_overlay(image, []) == image).all()
    assert render_overlay(image, [], scale=1.5).shape == (144, 192, 3)


def middle_is(color, picture, size):
    """Whether the middle pixel has the hue of a colour."""
    pixel = picture[size[0] // 2, size[1] // 2].astype(float)
    hue = np.array(color, dtype=float)
    return np.abs(pixel / pixel.max() - hue / hue.max()).max() < 0.03


@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize('right_in_front', [True, False])
def test_the_nearer_hand_hides_the_other(sphere, perspective, right_in_front):
    vertices, faces = sphere
    size = (64, 64)
    depths = (0.5, 0.8) if right_in_front else (0.8, 0.5)
    intrinsics = torch.tensor([[200.0, 0, 31.5], [0, 200.0, 31.5], [0, 0, 1]])
    surfaces = []
    for depth, color in zip(depths, (RIGHT_COLOR, LEFT_COLOR)):
        if perspective:
            moved = vertices + torch.tensor([0.0, 0.0, depth])
            surfaces.append(perspective_surface(moved, intrinsics, faces, color))
        else:
            camera = torch.tensor([[6.0, 0.0], [6.0, 0.0]])
            surfaces.append(
                orthographic_surface(vertices, camera, 64, faces, color, depth)
            )
    picture = render_overlay(np.zeros((*size, 3), np.uint8), surfaces, alpha=1.0)
    front = RIGHT_COLOR if right_in_front else LEFT_COLOR
    assert middle_is(front, picture, size)


def test_light_comes_from_the_upper_left(sphere):
    vertices, faces = sphere
    camera = torch.tensor([[12.0, 0.0], [12.0, 0.0]])
    surface = orthographic_surface(vertices, camera, 64, faces, (255, 255, 255))
    color = render_mesh([surface], (64, 64)).color[..., 0]
    assert color[20, 22] > color[20, 42] > color[44, 42]


def test_inner_sides_are_darker(sphere):
    vertices, faces = sphere
    camera = torch.tensor([[12.0, 0.0], [12.0, 0.0]])
    levels = []
    for wound in (faces, faces.flip(1)):
        surface = orthographic_surface(vertices, camera, 64, wound, (255, 255, 255))
        levels.append(render_mesh([surface], (64, 64)).color[32, 32, 0])
    assert levels[1] < 0.5 * levels[0]


def test_what_is_behind_the_camera_or_not_a_number_is_left_out(sphere):
    vertices, faces = sphere
    behind = vertices - torch.tensor([0.0, 0.0, 0.5])
    broken = torch.full_like(vertices, torch.nan)
    for mesh in (behind, broken):
        surface = perspective_surface(mesh, INTRINSICS, faces, RIGHT_COLOR)
        assert render_mesh([surface], SIZE).coverage.max() == 0


@pytest.fixture(scope='module')
def hands():
    """A right and a left hand, turned so that fingers lie before the palm."""
    pair, turned = HandPair(), []
    for hand, angles in enumerate(([0.9, 0.4, 0.3], [-0.5, 2.4, 0.2])):
        rotation = Rotation.from_rotvec(angles).as_matrix()
        turned.append(pair.template[hand] @ torch.from_numpy(rotation).float().mT)

    def surfaces(size):
        shift = [[-0.25, 0.1], [0.3, -0.1]]
        cameras = [torch.tensor([[6.0, x], [8.0, y]]) for x, y in shift]
        return [
            orthographic_surface(v, camera, size, pair.faces[i], color)
            for i, (v, camera, color) in enumerate(
                zip(turned, cameras, (RIGHT_COLOR, LEFT_COLOR))
            )
        ]

    return surfaces


def test_inner_sides_that_nothing_shows_are_left_out_unseen(hands, monkeypatch):
    """Of hands, which are open at the wrist, from twelve directions."""
    surfaces = hands((160, 160))
    for turn in Rotation.random(12, random_state=0).as_matrix():
        turned = []
        for surface in surfaces:
            middle = surface.points.mean(0)
            spread = 1000 * surface.vertices @ torch.from_numpy(turn).float().mT
            points = spread + torch.cat([middle[:2], torch.tensor([900.0])])
            turned.append(surface._replace(points=points, vertices=spread))
        some = render_mesh(turned, (160, 160))
        shown = sum(
            may_be_seen(
                one.points.numpy(),
                one.faces.numpy(),
                one.points[one.faces].double().numpy(),
                False,
            ).sum()
            for one in turned
        )
        with monkeypatch.context() as patch:
            patch.setattr(
                surface_views,
                'may_be_seen',
                lambda points, faces, *rest: np.ones(len(faces), bool),
            )
            every = render_mesh(turned, (160, 160))
        assert shown < 0.75 * sum(len(one.faces) for one in turned)
        np.testing.assert_array_equal(some.coverage, every.coverage)
        np.testing.assert_allclose(some.color, every.color, atol=1e-6)


def exact_picture(surfaces, size, fine):
    """RGB times coverage, and coverage, by the exact rasteriser and fine² samples."""
    points, faces, values = [], [], []
    for one in surfaces:
        faces.append(one.faces + sum(map(len, points)))
        points.append(torch.cat([fine * (one.points[:, :2] + 0.5) - 0.5,
                                 one.points[:, 2:]], dim=1))  # fmt: skip
        light = torch.nn.functional.normalize(torch.tensor(surface_views.LIGHT), dim=0)
        facing = (vertex_normals(one.vertices, one.faces) @ light).clamp(min=0)
        bright = surface_views.AMBIENT + (1 - surface_views.AMBIENT) * facing
        color = torch.tensor(one.color) / 255 * bright[:, None]
        values.append(torch.cat([color, torch.ones(len(color), 1)], dim=1))
    large, faces = (fine * size[0], fine * size[1]), torch.cat(faces)
    seen = rasterize(torch.cat(points)[None], faces, large, perspective=False)
    drawn = interpolate(seen, faces, torch.cat(values))[0].permute(2, 0, 1)
    inner = torch.cat([one.points[one.faces] for one in surfaces])[seen.face[0]]
    a, b, c = inner[..., :2].unbind(dim=-2)
    back = torch.linalg.det(torch.stack([b - a, c - a], dim=-1)) > 0
    drawn[:3] *= torch.where(back & (seen.face[0] >= 0), surface_views.BACK_FACE, 1.0)
    drawn = torch.nn.functional.avg_pool2d(drawn[None], fine)[0].permute(1, 2, 0)
    return drawn[..., :3].numpy(), drawn[..., 3].numpy()


@pytest.mark.parametrize('size', [(100, 120), (420, 560)])  # all finely, and edges
def test_pictures_are_those_of_the_exact_rasteriser(hands, size):
    surfaces = hands(size[::-1])
    color, coverage = exact_picture(surfaces, size, surface_views.SAMPLES)
    drawn = render_mesh(surfaces, size)
    assert coverage.mean() > 0.1
    assert np.abs(drawn.coverage - coverage).sum() < 0.002 * coverage.sum()
    apart = np.abs(drawn.color - color).max(-1)
    assert apart[coverage > 0].mean() < 0.002
    assert (apart > 0.06).sum() < 0.001 * (coverage > 0).sum()


def test_only_edges_of_a_large_picture_are_looked_at_finely(hands, monkeypatch):
    """And they are smooth, outlines as well as fingers before the palm."""
    shares = []
    real = surface_views.nearest

    def counted(spans, depth, size, chosen=None, fine=1):
        shares.append(1.0 if chosen is None else chosen.mean())
        assert fine == (1 if chosen is None else surface_views.SAMPLES)
        return real(spans, depth, size, chosen, fine)

    monkeypatch.setattr(surface_views, 'nearest', counted)
    paint(np.zeros((720, 1280, 3), np.uint8), hands((1280, 720)), 0.85)
    once, finely = shares
    assert once == 1.0 and finely < 0.1


def test_a_slope_of_light_is_not_looked_at_finely(hands, monkeypatch):
    """In a close-up light changes fast, and a sample in the middle has its mean."""
    chosen = []
    real = surface_views.nearest

    def counted(spans, depth, size, some=None, fine=1):
        chosen.append(some)
        return real(spans, depth, size, some, fine)

    monkeypatch.setattr(surface_views, 'nearest', counted)
    surfaces = hands((240, 180))
    coverage = render_mesh(surfaces, (180, 240)).coverage
    once, some = chosen
    outline = cv2.Laplacian((coverage > 0.5).astype(np.float32), -1) != 0
    assert once is None and some[outline].all()
    assert 0 < some.sum() < 0.35 * (coverage > 0).sum()


def test_an_edge_inside_a_hand_is_smooth(sphere):
    """A small ball before a large one of its colour: the edge has tones between."""
    vertices, faces = sphere
    camera = torch.tensor([[12.0, 0.0], [12.0, 0.0]])
    white = (255, 255, 255)
    far = orthographic_surface(vertices, camera, 150, faces, white, 2.0)
    near = orthographic_surface(0.4 * vertices, camera, 150, faces, white, 1.0)
    color, _ = exact_picture([far, near], (150, 150), 6)
    drawn = render_mesh([far, near], (150, 150)).color
    jagged = render_mesh([far, near], (150, 150), supersample=1).color
    inside = slice(50, 100), slice(50, 100)
    smooth, rough = (np.abs(one - color)[inside].max(-1) for one in (drawn, jagged))
    assert (
        np.sort(smooth.ravel())[-50:].mean() < 0.5 * np.sort(rough.ravel())[-50:].mean()
    )


def test_side_view_puts_the_near_end_left_and_up_stays_up():
    near_top = torch.tensor([[0.0, -0.1, 0.0], [0.0, -0.1, 0.01], [0.01, -0.09, 0.0]])
    far_bottom = torch.tensor([[0.0, 0.1, 0.2], [0.0, 0.1, 0.19], [0.01, 0.09, 0.2]])
    faces = torch.tensor([[0, 1, 2]])
    meshes, colors = [near_top, far_bottom], [RIGHT_COLOR, LEFT_COLOR]
    first, second = side_surfaces(meshes, [faces] * 2, colors, 100)
    assert first.points[:, 0].max() < 20 and first.points[:, 1].max() < 20
    assert second.points[:, 0].min() > 80 and second.points[:, 1].min() > 80


def test_side_view_hides_what_is_farther_from_the_right():
    triangle = torch.tensor([[0.0, -0.1, -0.1], [0.0, -0.1, 0.1], [0.0, 0.2, 0.0]])
    faces, colors = torch.tensor([[0, 1, 2]]), (RIGHT_COLOR, LEFT_COLOR)
    to_the_right = triangle + torch.tensor([0.3, 0.0, 0.0])
    surfaces = side_surfaces([to_the_right, triangle], [faces] * 2, colors, 64)
    picture = render_overlay(np.zeros((64, 64, 3), np.uint8), surfaces, alpha=1.0)
    assert middle_is(RIGHT_COLOR, picture, (64, 64))


def test_mixed_cameras_and_wrong_images_are_refused(sphere):
    vertices, faces = sphere
    true = perspective_surface(vertices + 1, INTRINSICS, faces, RIGHT_COLOR)
    crop = orthographic_surface(vertices, torch.eye(2), 64, faces, LEFT_COLOR)
    with pytest.raises(ValueError, match='one kind'):
        render_mesh([true, crop], SIZE)
    with pytest.raises(ValueError, match='uint8'):
        render_overlay(np.zeros((4, 4, 3)), [])
