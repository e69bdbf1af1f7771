"""Target maps against a ray caster, a mirror, and their definitions."""

import numpy as np
import pytest
import torch
import trimesh

from mmhand_dne.geometry.camera import ndc_to_pixels, pixels_to_ndc
from mmhand_dne.geometry.rotation import matrix_from_axis_angle, mirror_rotation
from mmhand_dne.hand_model import HandPair, part_labels, rest_coordinates
from mmhand_dne.models.losses.map_targets import BACKGROUND, map_targets
from mmhand_dne.structures.hand_targets import HandTargets
from tests.oracles.ray_caster import cast_pixels

MAP = (32, 40)  # cells
INTRINSICS = torch.tensor([[215.0, 2.0, 20.3], [0, 205.0, 15.6], [0, 0, 1]])


@pytest.fixture(scope='module')
def pair():
    return HandPair(source='cc0')


def make_targets(pair, turns, roots):
    """Ground truth of crops as large as the maps; turns, roots (B, 2, 3)."""
    turns, root_cam = torch.tensor(turns), torch.tensor(roots)
    batch = len(turns)
    rotations = pair.mean_rotations.expand(batch, -1, -1, -1, -1).clone()
    rotations[:, :, 0] = matrix_from_axis_angle(turns)
    betas = torch.full((batch, 2, 10), 0.3)
    mesh = pair(rotations, betas)
    pixels = project(mesh.vertices + root_cam[..., None, :])
    joints = project(mesh.joints + root_cam[..., None, :])
    ones = torch.ones(batch, 2)
    return HandTargets(
        vertices=mesh.vertices,
        vertices_valid=ones,
        joints=mesh.joints,
        joints_valid=torch.ones(batch, 2, 21),
        joints_ndc=pixels_to_ndc(joints, MAP[::-1]),
        joints_ndc_valid=torch.ones(batch, 2, 21),
        root_cam=root_cam,
        root_valid=ones,
        rotations=rotations,
        betas=betas,
        mano_valid=ones,
        presence=ones,
        presence_valid=ones,
        intrinsics=INTRINSICS.expand(batch, 3, 3),
        vertices_ndc=pixels_to_ndc(pixels, MAP[::-1]),
        vertices_cam=mesh.vertices + root_cam[..., None, :],
    )


def project(points):
    image = points @ INTRINSICS.T
    return image[..., :2] / image[..., 2:]


@pytest.fixture(scope='module')
def crossing(pair):
    """Two images of two hands, one of which hides a part of the other."""
    turns = [
        [[-1.2, -1.4, 1.0], [-1.2, 1.0, -1.0]],
        [[-1.2, 0.3, 2.0], [1.6, 0.1, 0.4]],
    ]
    roots = [[[0.0, 0.05, 0.6], [0.01, 0.04, 0.7]], [[0.02, 0, 0.7], [-0.05, 0, 0.6]]]
    return make_targets(pair, turns, roots)


def cast(targets, pair, image):
    """What a ray caster sees of both hands: vertex, hand, place, face normals."""
    vertices = targets.vertices_cam[image].flatten(0, 1).double().numpy()
    faces = torch.cat([pair.faces[0], pair.faces[1] + 778]).numpy()
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    face, place = cast_pixels(vertices, faces, INTRINSICS.double().numpy(), MAP)
    # Cells that look into an open wrist are background.
    outward = (face >= 0) & ((mesh.face_normals[face] * place).sum(-1) < 0)
    corners = faces[face]
    gaps = np.linalg.norm(vertices[corners] - place[..., None, :], axis=-1)
    vertex = np.take_along_axis(corners, gaps.argmin(-1)[..., None], -1)[..., 0]
    weights = trimesh.triangles.points_to_barycentric(
        vertices[corners].reshape(-1, 3, 3), place.reshape(-1, 3)
    ).reshape(*MAP, 3)
    return face, outward, vertex, place, corners, weights, mesh


@pytest.mark.parametrize('image', [0, 1])
def test_maps_equal_a_ray_casters(crossing, pair, image):
    maps = map_targets(crossing, pair, MAP)
    face, seen, vertex, place, corners, weights, mesh = cast(crossing, pair, image)
    found = maps.foreground[image, 0].numpy()
    assert 0.15 < seen.mean() < 0.9
    assert (found == seen).all()
    hand = vertex // 778
    assert 30 < hand[seen].sum() < seen.sum() - 30  # cells of either hand
    wrist = crossing.root_cam[image].numpy()[hand]
    depth = maps.depth[image, 0].numpy()
    np.testing.assert_allclose(depth[seen], (place - wrist)[seen][:, 2], atol=1e-5)
    rest = rest_coordinates(pair).flatten(0, 1).numpy()
    wanted = (rest[corners] * weights[..., None]).sum(-2)
    np.testing.assert_allclose(
        maps.correspondence[image].movedim(0, -1).numpy()[seen], wanted[seen], atol=2e-4
    )
    normal = (mesh.vertex_normals[corners] * weights[..., None]).sum(-2)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True).clip(1e-9)
    found = maps.normal[image].movedim(0, -1).numpy()
    np.testing.assert_allclose(np.linalg.norm(found[seen], axis=-1), 1, atol=1e-5)
    # The library weighs faces by angle, we by area: close, not equal.
    cosine = (found * normal).sum(-1)[seen]
    assert np.degrees(np.arccos(cosine.clip(-1, 1))).mean() < 4
    labels = torch.cat([part_labels(pair.right), part_labels(pair.left)]).numpy()
    for slot in (0, 1):
        wanted = np.where(seen & (hand == slot), labels[vertex], BACKGROUND)
        agree = maps.parts[image, slot].numpy() == wanted
        assert agree[seen].mean() > 0.995  # but for points between two vertices


def test_a_cell_that_looks_into_the_open_wrist_is_background(pair):
    """Also where a finger lies behind: a forearm would hide it."""
    turns = [[[0.0, np.pi / 2, 0], [0, 0, 0]]]  # fingers away from the camera
    targets = make_targets(pair, turns, [[[0.0, 0, 0.5], [9.0, 0, 0.5]]])
    maps = map_targets(targets, pair, MAP)
    face, outward, *_ = cast(targets, pair, 0)
    inside = (face >= 0) & ~outward
    assert inside.sum() > 20
    assert not maps.foreground[0, 0].numpy()[inside].any()
    assert (maps.parts[0, 0].numpy()[inside] == BACKGROUND).all()
    for name in ('depth', 'normal', 'correspondence'):
        assert (getattr(maps, name)[0].numpy()[:, inside] == 0).all()


def test_the_mirrored_image_has_mirrored_maps_in_the_other_slot(pair):
    """Swap the slots, mirror x: every map is the mirror image."""
    centred = INTRINSICS.clone()
    centred[0, 1:] = torch.tensor([0.0, (MAP[1] - 1) / 2])
    turns = [[[-1.2, -1.4, 1.0], [-1.2, 1.0, -1.0]]]
    roots = [[[0.0, 0.05, 0.6], [0.01, 0.04, 0.7]]]
    seen = _with_intrinsics(make_targets(pair, turns, roots), centred)
    rotations = mirror_rotation(seen.rotations.flip(1))
    flip = torch.tensor([-1.0, 1, 1])
    mesh = pair(rotations, seen.betas)
    other = seen._replace(
        vertices=mesh.vertices,
        joints=mesh.joints,
        root_cam=seen.root_cam.flip(1) * flip,
        rotations=rotations,
    )
    other = _with_intrinsics(other, centred)
    one, two = map_targets(seen, pair, MAP), map_targets(other, pair, MAP)
    settled = (one.foreground == two.foreground.flip(-1))[:, 0]
    assert settled.float().mean() > 0.995  # cells on a silhouette may round apart
    same = settled & one.foreground[:, 0]
    for name, sign in (
        ('depth', [1.0]),
        ('normal', [-1.0, 1, 1]),
        ('correspondence', [1.0, 1, 1]),
    ):
        wanted = getattr(one, name) * torch.tensor(sign)[:, None, None]
        found = getattr(two, name).flip(-1)
        error = (found - wanted).abs().amax(1)[same]
        assert error.median() < 1e-5 and (error < 1e-3).float().mean() > 0.97, name
    assert (one.parts.flip(1) == two.parts.flip(-1)).float().mean() > 0.99
    torch.testing.assert_close(
        one.heatmaps.unflatten(1, (2, 21)).flip(1).flatten(1, 2),
        two.heatmaps.flip(-1),
        atol=1e-4,
        rtol=0,
    )


def _with_intrinsics(targets, intrinsics):
    cam = targets.vertices + targets.root_cam[..., None, :]
    joints = targets.joints + targets.root_cam[..., None, :]
    ndc = []
    for points in (cam, joints):
        image = points @ intrinsics.T
        ndc.append(pixels_to_ndc(image[..., :2] / image[..., 2:], MAP[::-1]))
    return targets._replace(
        vertices_cam=cam,
        vertices_ndc=ndc[0],
        joints_ndc=ndc[1],
        intrinsics=intrinsics[None],
    )


def test_a_heat_map_is_a_gaussian_around_its_joint(crossing, pair):
    sigma = 1.5
    maps = map_targets(crossing, pair, MAP, sigma=sigma)
    joints = ndc_to_pixels(crossing.joints_ndc, MAP[::-1]).flatten(1, 2)
    row, column = torch.meshgrid(
        torch.arange(MAP[0]), torch.arange(MAP[1]), indexing='ij'
    )
    for image, joint in ((0, 0), (0, 8), (1, 20), (1, 41)):
        x, y = joints[image, joint]
        heat = maps.heatmaps[image, joint]
        wanted = torch.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))
        torch.testing.assert_close(heat, wanted, atol=1e-6, rtol=0)
        if 0 <= x <= MAP[1] - 1 and 0 <= y <= MAP[0] - 1:
            peak = divmod(int(heat.argmax()), MAP[1])
            assert peak == (int(y.round()), int(x.round()))


def test_joints_without_ground_truth_have_empty_masked_heat_maps(crossing, pair):
    valid = crossing.joints_ndc_valid.clone()
    valid[1, 0, 5] = 0
    maps = map_targets(crossing._replace(joints_ndc_valid=valid), pair, MAP)
    assert maps.heatmaps_valid.shape == (2, 42) and maps.heatmaps_valid.sum() == 83
    assert maps.heatmaps_valid[1, 5] == 0 and (maps.heatmaps[1, 5] == 0).all()


def test_only_heat_maps_are_valid_where_a_shown_hand_has_no_mesh(crossing, pair):
    four = HandTargets(*(torch.cat([field, field]) for field in crossing))
    meshes = torch.tensor([[1.0, 1], [1, 0], [0, 0], [0, 1]])
    shown = torch.tensor([[1.0, 1], [1, 1], [1, 0], [0, 1]])
    maps = map_targets(four._replace(vertices_valid=meshes, presence=shown), pair, MAP)
    assert maps.maps_valid.tolist() == [True, False, False, True]
    assert maps.parts_valid.tolist() == [[1, 1], [0, 0], [0, 0], [1, 1]]
    assert (maps.heatmaps_valid == 1).all()


def test_a_hand_without_mesh_hides_nothing_and_is_not_drawn(crossing, pair):
    """Its vertices are zeros, which project to NaN or anywhere."""
    absent = crossing._replace(
        vertices_valid=torch.tensor([[1.0, 0], [1, 0]]),
        vertices=crossing.vertices * torch.tensor([1.0, 0])[:, None, None],
        vertices_cam=crossing.vertices_cam * torch.tensor([1.0, 0])[:, None, None],
        presence=torch.tensor([[1.0, 0], [1, 0]]),
    )
    maps = map_targets(absent, pair, MAP)
    assert (maps.parts[:, 1] == BACKGROUND).all()
    assert maps.foreground.sum() > map_targets(crossing, pair, MAP).foreground.sum() / 9
    assert ((maps.parts[:, 0] != BACKGROUND) == maps.foreground[:, 0]).all()
    assert all(torch.isfinite(part.float()).all() for part in maps)


def test_a_pixel_of_one_hand_is_background_for_the_other(crossing, pair):
    parts = map_targets(crossing, pair, MAP).parts
    assert ((parts != BACKGROUND).sum(1) <= 1).all()
    assert parts.min() >= 0 and parts.max() == BACKGROUND
