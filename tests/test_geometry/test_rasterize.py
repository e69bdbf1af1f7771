"""The z-buffer against a ray caster, and the laws that any rasteriser obeys."""

import numpy as np
import pytest
import torch
import trimesh

from mmhand_dne.geometry import rasterize as module
from mmhand_dne.geometry.mesh import face_normals
from mmhand_dne.geometry.rasterize import (
    Fragments,
    front_facing,
    interpolate,
    rasterize,
)
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import load_cc0_hand
from tests.oracles.ray_caster import cast_pixels

SIZE = (40, 48)
INTRINSICS = torch.tensor(
    [[215.0, 0, 23.3], [0, 205, 19.1], [0, 0, 1]], dtype=torch.float64
)


@pytest.fixture(autouse=True, params=['picked', 'masked'])
def picking(request, monkeypatch):
    """As on a CPU, and as on a device whose numbers cannot be read without a wait."""
    free = request.param == 'picked'
    monkeypatch.setattr(module, 'reading_is_free', lambda tensor: free)


def project(vertices_cam):
    image = vertices_cam @ INTRINSICS.to(vertices_cam.dtype).T
    return torch.cat([image[..., :2] / image[..., 2:], image[..., 2:]], -1)


def hands(turns, dtype=torch.float64):
    """Camera coordinates (B, V, 3) of the resting CC0 hand, turned, and its faces."""
    arrays = load_cc0_hand()
    rest = torch.from_numpy(arrays['v_template']).to(dtype)
    rest = rest - rest.mean(0)
    turned = rest @ matrix_from_axis_angle(torch.tensor(turns, dtype=dtype)).mT
    faces = torch.from_numpy(arrays['f'].astype(np.int64))
    return turned + torch.tensor([0.0, 0.0, 0.8], dtype=dtype), faces


TURNS = [[0.3, 1.1, -0.4], [1.2, -0.5, 2.0], [-1.5, 0.2, 0.3]]


@pytest.mark.parametrize('turn', TURNS)
def test_face_depth_and_place_equal_a_ray_casters(turn):
    vertices, faces = hands([turn])
    fragments = rasterize(project(vertices), faces, SIZE)
    face, place = cast_pixels(
        vertices[0].numpy(), faces.numpy(), INTRINSICS.numpy(), SIZE
    )
    seen = face >= 0
    assert seen.mean() > 0.1
    found = fragments.face[0].numpy()
    assert ((found >= 0) == seen).all()
    assert (found[seen] == face[seen]).all()
    spread = interpolate(fragments, faces, vertices)[0].numpy()
    np.testing.assert_allclose(spread[seen], place[seen], atol=1e-9)
    np.testing.assert_allclose(
        fragments.depth[0].numpy()[seen], place[seen][:, 2], atol=1e-9
    )
    assert (spread[~seen] == 0).all() and (fragments.depth[0][~seen] == 0).all()


def test_normals_of_the_visible_faces_turn_to_the_ray_caster_s_side():
    vertices, faces = hands(TURNS[1:2])
    points = project(vertices)
    fragments = rasterize(points, faces, SIZE, front_facing(points, faces))
    face, place = cast_pixels(
        vertices[0].numpy(), faces.numpy(), INTRINSICS.numpy(), SIZE
    )
    mesh = trimesh.Trimesh(vertices[0].numpy(), faces.numpy(), process=False)
    outward = (mesh.face_normals[face] * place).sum(-1) < 0
    agree = (face >= 0) & outward
    assert agree.sum() > 150
    found = face_normals(vertices, faces)[0, fragments.face[0]].numpy()
    np.testing.assert_allclose(found[agree], mesh.face_normals[face[agree]], atol=1e-9)
    # Behind the open wrist's rim the caster sees the inside, which was left out.
    assert (outward[fragments.face[0].numpy() >= 0]).mean() > 0.95


def test_float32_finds_the_faces_of_float64():
    exact, faces = hands(TURNS)
    single = rasterize(project(exact.float()), faces, SIZE)
    double = rasterize(project(exact), faces, SIZE)
    assert (single.face == double.face).float().mean() > 0.998
    same = single.face == double.face
    torch.testing.assert_close(
        single.depth[same].double(), double.depth[same], atol=1e-5, rtol=0
    )


def test_a_batch_gives_what_single_images_give():
    vertices, faces = hands(TURNS, torch.float32)
    valid = torch.ones(3, len(faces), dtype=torch.bool)
    valid[1, ::2] = False
    together = rasterize(project(vertices), faces, SIZE, valid)
    for image in range(3):
        alone = rasterize(
            project(vertices[image : image + 1]), faces, SIZE, valid[image : image + 1]
        )
        for one, many in zip(alone, together):
            assert torch.equal(one[0], many[image])
    assert not ((together.face[1] >= 0) & (together.face[1] % 2 == 0)).any()


def test_chunks_of_candidates_change_nothing(monkeypatch):
    vertices, faces = hands(TURNS, torch.float32)
    whole = rasterize(project(vertices), faces, SIZE)
    monkeypatch.setitem(module.MAX_CANDIDATES, 'cpu', 97)
    for one, other in zip(whole, rasterize(project(vertices), faces, SIZE)):
        assert torch.equal(one, other)


@pytest.mark.parametrize('seed', range(3))
def test_a_closed_mesh_has_no_holes(seed):
    """Many pixels of a fine sphere lie on edges and corners: none may be missed."""
    sphere = trimesh.creation.icosphere(subdivisions=4)
    turn = torch.randn(3, generator=torch.Generator().manual_seed(seed))
    turned = torch.from_numpy(sphere.vertices).float() @ matrix_from_axis_angle(turn).T
    # Corners rounded to half pixels: edges run through pixel centres exactly.
    points = torch.cat(
        [(turned[:, :2] * 15.5 * 2).round() / 2 + 16, 3 + turned[:, 2:]], 1
    )
    fragments = rasterize(points[None], torch.from_numpy(sphere.faces).long(), (33, 33))
    grid = torch.arange(33.0) - 16
    inside = (grid[:, None] ** 2 + grid**2) < 14.4**2
    assert (fragments.face[0][inside] >= 0).all()


def test_of_two_coinciding_faces_the_first_is_seen():
    points = torch.tensor([[[0.0, 0, 1], [8, 0, 1], [0, 8, 1]]])
    faces = torch.tensor([[0, 2, 1], [0, 1, 2], [1, 2, 0]])
    assert set(rasterize(points, faces, (8, 8)).face.unique().tolist()) == {-1, 0}
    assert set(rasterize(points, faces.flip(0), (8, 8)).face.unique().tolist()) == {
        -1,
        0,
    }


def test_the_nearer_of_two_faces_is_seen_whatever_their_order():
    points = torch.tensor(
        [[[0.0, 0, 2], [8, 0, 2], [0, 8, 2], [0, 0, 1], [8, 0, 1], [0, 8, 1]]]
    )
    near_last = rasterize(points, torch.tensor([[0, 1, 2], [3, 4, 5]]), (8, 8))
    near_first = rasterize(points, torch.tensor([[3, 4, 5], [0, 1, 2]]), (8, 8))
    assert near_last.face.max() == 1 and not (near_last.face == 0).any()
    assert near_first.face.max() == 0
    assert torch.equal(near_last.depth, near_first.depth)


def test_perspective_bends_depth_and_orthographic_does_not():
    """A plane z = 1 + x seen at pixel u = 10 x / z: z = 1 / (1 - u / 10)."""
    corners = torch.tensor([[0.0, -1, 1], [4, -1, 5], [0, 9, 1], [4, 9, 5]])
    points = torch.cat([10 * corners[:, :2] / corners[:, 2:], corners[:, 2:]], 1)[None]
    faces = torch.tensor([[0, 1, 2], [1, 3, 2]])
    column = torch.arange(8.0)
    bent = rasterize(points, faces, (1, 8)).depth[0, 0]
    torch.testing.assert_close(bent, 1 / (1 - column / 10))
    flat = rasterize(points, faces, (1, 8), perspective=False).depth[0, 0]
    torch.testing.assert_close(flat, 1 + column / 2)
    fragments = rasterize(points, faces, (1, 8))
    x = interpolate(fragments, faces, corners[None, :, :1])[0, 0, :, 0]
    torch.testing.assert_close(x, bent - 1)


def test_orthographic_depth_may_be_negative_and_the_least_is_nearest():
    corners = torch.tensor([[0.0, 0], [8, 0], [0, 8]])
    depths = torch.tensor([-1.0, 1, -2, 0, -0.5]).repeat_interleave(3)[:, None]
    points = torch.cat([corners.repeat(5, 1), depths], 1)[None]
    faces = torch.arange(15).view(5, 3)
    fragments = rasterize(points, faces, (4, 4), perspective=False)
    assert (fragments.face == 2).all() and (fragments.depth == -2).all()


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), 0.0, -1.0])
def test_a_face_with_an_impossible_corner_is_left_out(bad):
    points = torch.tensor(
        [[[0.0, 0, 2], [8, 0, 2], [0, 8, bad], [0, 0, 3], [8, 0, 3], [0, 8, 3]]]
    )
    fragments = rasterize(points, torch.tensor([[0, 1, 2], [3, 4, 5]]), (4, 4))
    assert (fragments.face == 1).all()
    assert all(torch.isfinite(part).all() for part in fragments[1:])


def test_faces_far_outside_and_without_area_draw_nothing():
    points = torch.tensor(
        [
            [
                [1e9, 1e9, 2],
                [2e9, 1e9, 2],
                [1e9, 2e9, 2],
                [0.0, 0, 2],
                [4, 4, 2],
                [2, 2, 2],
            ]
        ]
    )
    fragments = rasterize(
        points, torch.tensor([[0, 1, 2], [3, 4, 5], [3, 3, 3]]), (8, 8)
    )
    assert (fragments.face == -1).all() and (fragments.barycentric == 0).all()


def test_no_faces_and_shared_values_work():
    points = torch.rand(2, 3, 3) + 1
    fragments = rasterize(points, torch.zeros(0, 3, dtype=torch.long), (4, 5))
    assert isinstance(fragments, Fragments) and (fragments.face == -1).all()
    faces = torch.tensor([[0, 1, 2]])
    assert interpolate(fragments, faces, torch.ones(3, 7)).shape == (2, 4, 5, 7)


def test_depth_and_weights_have_the_right_gradients():
    points = torch.tensor(
        [[[-1.3, -0.7, 2.0], [9.1, 0.4, 3.1], [0.2, 8.7, 1.4]]], dtype=torch.float64
    ).requires_grad_()
    faces = torch.tensor([[0, 1, 2]])

    def outputs(points):
        return rasterize(points, faces, (3, 3))[1:]

    assert torch.autograd.gradcheck(outputs, (points,))


def test_points_without_depth_are_refused_by_their_shape():
    with pytest.raises(ValueError, match=r'\(1, 4, 2\).*\(B, V, 3\)'):
        rasterize(torch.zeros(1, 4, 2), torch.zeros(1, 3, dtype=torch.long), (4, 4))


def test_masking_gives_what_picking_gives_bit_for_bit(monkeypatch):
    """Also the gradients, and where a face stands edge-on or behind the camera."""
    vertices, faces = hands(TURNS, torch.float32)
    vertices[1, :200, 2] -= 0.9
    vertices[2, :100, 0] = 0
    valid = torch.arange(len(faces)).expand(3, -1) % 3 > 0
    valid[:, 0] = False
    found = []
    for free in (True, False):
        monkeypatch.setattr(module, 'reading_is_free', lambda tensor, free=free: free)
        points = project(vertices).requires_grad_()
        fragments = rasterize(points, faces, SIZE, valid)
        spread = interpolate(fragments, faces, vertices)
        (fragments.depth.sum() + spread.square().sum()).backward()
        found.append([*fragments, spread, points.grad])
    assert 0.1 < (found[0][0] >= 0).float().mean() < 0.9
    for picked, masked in zip(*found):
        assert torch.equal(picked, masked)
