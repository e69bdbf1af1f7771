"""Rows of triangles give what the exact rasteriser gives, where they are asked to."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mmhand_dne.geometry.rasterize import interpolate, rasterize
from mmhand_dne.geometry.scan_lines import Planes, find_spans, nearest
from mmhand_dne.hand_model import HandPair

SIZE = (150, 170)


def two_hands(seed, apart):
    """Points (V, 3) pixels and depth, and faces, of a right and a left hand."""
    pair = HandPair()
    turns = Rotation.random(2, random_state=seed).as_matrix()
    points = [
        600 * vertices.double().numpy() @ turn.T + (80 + side * apart, 70, 900)
        for side, (vertices, turn) in enumerate(zip(pair.template, turns))
    ]
    faces = [pair.faces[0].numpy(), pair.faces[1].numpy() + len(points[0])]
    return np.concatenate(points).astype(np.float32), np.concatenate(faces)


def seen_faces(points, faces, size, perspective, chosen=None, fine=1):
    """Flat pixels (P,), and the faces (fine * fine, P) of their samples."""
    corners = points[faces].astype(np.float64)
    corners[..., :2] = fine * (corners[..., :2] + 0.5) - 0.5
    if perspective:
        corners[..., 2] = -1 / corners[..., 2]
    spans = find_spans(corners, (fine * size[0], fine * size[1]))
    depth = Planes.through(corners, corners[..., 2:])
    hits = nearest(spans, depth, size, chosen, fine)
    return hits.pixel, np.append(hits.spans.face, -1)[hits.span], hits


@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize('apart', [4, 60])  # hands in each other, and beside
@pytest.mark.parametrize('seed', range(3))
def test_faces_are_those_of_the_exact_rasteriser(seed, apart, perspective):
    points, faces = two_hands(seed, apart)
    exact = rasterize(
        torch.from_numpy(points)[None],
        torch.from_numpy(faces),
        SIZE,
        perspective=perspective,
    )
    exact = exact.face[0].numpy().ravel()
    pixel, [found], _ = seen_faces(points, faces, SIZE, perspective)
    whole = np.full(exact.shape, -1)
    whole[pixel] = found
    covered = exact >= 0
    assert covered.mean() > 0.1
    assert ((whole >= 0) != covered).mean() < 0.0005 * covered.mean()
    assert (whole == exact)[covered].mean() > 0.999


def test_hands_in_each_other_are_told_apart_pixel_by_pixel():
    points, faces = two_hands(1, 4)
    pixel, [found], _ = seen_faces(points, faces, SIZE, False)
    half = len(faces) // 2
    image = np.full(SIZE, -1)
    image.ravel()[pixel] = found >= half
    # Both are seen, and the border between them is no border of a triangle.
    beside = (image[:, 1:] == 1) & (image[:, :-1] == 0)
    assert (image == 0).sum() > 500 and (image == 1).sum() > 500
    assert beside.sum() > 20


def test_a_part_is_what_the_whole_has_there():
    points, faces = two_hands(2, 30)
    fine = 3
    large = np.concatenate([fine * (points[:, :2] + 0.5) - 0.5, points[:, 2:]], axis=1)
    fine_size = fine * SIZE[0], fine * SIZE[1]
    pixel, [found], _ = seen_faces(large, faces, fine_size, True)
    whole = np.full(fine_size, -1)
    whole.ravel()[pixel] = found
    blocks = whole.reshape(SIZE[0], fine, SIZE[1], fine).transpose(1, 3, 0, 2)
    chosen = np.random.default_rng(0).random(SIZE) < 0.2
    pixel, samples, _ = seen_faces(points, faces, SIZE, True, chosen, fine)
    np.testing.assert_array_equal(pixel, np.flatnonzero(chosen))
    same = samples == blocks.reshape(fine**2, -1)[:, pixel]
    assert same.mean() > 0.9999  # the points' own rounding moves one in a great while


def test_values_are_those_of_the_exact_rasteriser():
    points, faces = two_hands(0, 40)
    values = np.random.default_rng(1).random((len(points), 2)).astype(np.float32)
    args = torch.from_numpy(points)[None], torch.from_numpy(faces), SIZE
    exact = rasterize(*args, perspective=False)
    wanted = interpolate(exact, args[1], torch.from_numpy(values))[0].reshape(-1, 2)
    pixel, _, hits = seen_faces(points, faces, SIZE, False)
    found = Planes.through(points[faces], values[faces]).mean(hits)
    np.testing.assert_allclose(found.T, wanted[pixel], atol=2e-3)


def test_means_count_empty_samples_as_nothing():
    corners = np.array([[[0.0, 0.0, 1.0], [8.0, 0.0, 1.0], [0.0, 8.0, 1.0]]])
    spans = find_spans(corners, (8, 8))
    chosen = np.zeros((4, 4), bool)
    chosen[0, 0] = chosen[1, 2] = chosen[3, 3] = True
    depth = Planes.through(corners, corners[..., 2:])
    hits = nearest(spans, depth, (4, 4), chosen, 2)
    [share] = Planes.through(corners, np.ones((1, 3, 1))).mean(hits)
    # x + y <= 8 of samples (0..1, 0..1), (4..5, 2..3), (6..7, 6..7).
    np.testing.assert_array_equal(share, [1.0, 1.0, 0.0])
    [first] = Planes.through(corners, corners[..., :1]).mean(hits)
    np.testing.assert_allclose(first, [0.5, 4.5, 0.0], atol=1e-6)


def test_a_sample_on_an_edge_is_of_both_sides_and_the_first_wins():
    square = np.array(
        [[[0, 0, 1.0], [4, 0, 1], [4, 4, 1]], [[0, 0, 1.0], [4, 4, 1], [0, 4, 1]]]
    )
    for faces, diagonal in ((square, 0), (square[::-1], 0)):
        spans = find_spans(faces, (5, 5))
        depth = Planes.through(faces, faces[..., 2:])
        hits = nearest(spans, depth, (5, 5))
        assert len(hits.pixel) == 25  # no holes, the border belongs to it
        found = hits.spans.face[hits.span[0]].reshape(5, 5)
        assert (np.diagonal(found) == diagonal).all()


def test_triangles_without_an_area_or_far_outside_cover_nothing():
    corners = np.array(
        [
            [[1.0, 1, 1], [3, 3, 1], [5, 5, 1]],
            [[2.0, 2, 1], [2, 2, 1], [2, 2, 1]],
            [[1e30, 1, 1], [2e30, 1, 1], [1e30, 5, 1]],
            [[-9.0, -9, 1], [-3, -9, 1], [-9, -3, 1]],
        ]
    )
    assert len(find_spans(corners, (8, 8)).face) == 0
