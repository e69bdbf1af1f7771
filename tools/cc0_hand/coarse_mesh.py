"""The mesh of 778 vertices: decimation, the linear operators onto it, its numbering."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from .decimate import Decimator
from .layout import (
    BONES,
    FINGERS,
    LOOP_IDS,
    NUM_BOUNDARY,
    NUM_VERTICES,
    TIP_IDS,
)
from .topology import closest_points, edge_tables, flip_edges

PALM_EDGE, FINGER_EDGE, TIP_EDGE = 0.0104, 0.0066, 0.0036  # wanted lengths, metres
RELAXATIONS = 30
SMOOTHING, DAMPING = 0.5, 0.02  # of the least squares, relative to the data term


@dataclass
class CoarseMesh:
    """V = 778 vertices over a dense hand of N vertices."""

    faces: np.ndarray  # (1538, 3)
    reader: np.ndarray  # (V, N) barycentric: values on the dense surface
    operator: np.ndarray  # (V, N) dense vertices to coarse vertices
    tips: dict  # finger -> coarse vertex


def make_coarse_mesh(vertices, faces, weights, tips):
    """Decimate the mean flat hand, relax it on the surface, fit the operator."""
    size = _wanted_edges(vertices, weights, tips)
    decimator = Decimator(vertices, faces, size, [tips[name] for name in FINGERS])
    coarse, triangles, kept = decimator.run(NUM_VERTICES, NUM_BOUNDARY)
    coarse_tips = {name: int(np.where(kept == tips[name])[0][0]) for name in FINGERS}
    rim = sorted(edge_tables(triangles)[1])
    free = np.ones(NUM_VERTICES, bool)
    free[[*rim, *coarse_tips.values()]] = False
    coarse, triangles = _relax(coarse, triangles, free, vertices, faces, size)
    face, weights, _ = closest_points(coarse, vertices, faces)
    reader = _barycentric_matrix(faces[face], weights, len(vertices))
    operator = _fit_operator(reader, triangles, vertices, faces, rim)
    return CoarseMesh(triangles, reader.toarray(), operator, coarse_tips)


def _wanted_edges(vertices, weights, tips):
    """Shorter edges on the fingers, shortest around their tips, (N,) metres."""
    bones = [bone for name in FINGERS for bone in BONES[name]]
    finger = weights[:, bones].sum(1) - 0.7 * weights[:, BONES['thumb'][0]]
    distances = [np.linalg.norm(vertices - vertices[tips[n]], axis=1) for n in FINGERS]
    to_tip = np.min(distances, 0)
    size = PALM_EDGE * (1 - finger) + FINGER_EDGE * finger
    near = np.interp(to_tip, [0, 0.004, 0.016], [TIP_EDGE, 0.004, FINGER_EDGE])
    return np.where(to_tip > 0.016, size, np.minimum(size, near))


def _relax(coarse, triangles, free, vertices, faces, size):
    """Move vertices along the dense surface until edges have the wanted lengths."""
    rim = edge_tables(triangles)[1]
    triangles = flip_edges(coarse, triangles)
    for round_ in range(RELAXATIONS):
        edges = np.array(sorted(edge_tables(triangles)[2]))
        face, weights, _ = closest_points(coarse, vertices, faces)
        wanted = (weights * size[faces[face]]).sum(1)
        pull, total = np.zeros_like(coarse), np.zeros(len(coarse))
        for a, b in (edges.T, edges.T[::-1]):
            step = coarse[b] - coarse[a]
            length = np.linalg.norm(step, axis=1) / ((wanted[a] + wanted[b]) / 2)
            np.add.at(pull, a, step * length[:, None])
            np.add.at(total, a, length)
        moved = coarse + 0.4 * pull / total[:, None]
        moved = closest_points(moved, vertices, faces)[2]
        coarse = np.where(free[:, None], moved, coarse)
        if round_ % 5 == 4:
            triangles = flip_edges(coarse, triangles)
    if edge_tables(triangles)[1] != rim:
        raise ValueError('relaxing the mesh changed its boundary; check the flips')
    return coarse, triangles


def _barycentric_matrix(corners, weights, columns):
    rows = np.repeat(np.arange(len(corners)), 3)
    shape = (len(corners), columns)
    return sp.csr_matrix((weights.ravel(), (rows, corners.ravel())), shape)


def _fit_operator(reader, triangles, vertices, faces, rim):
    """The linear map whose coarse surface is closest to the dense vertices.

    Reading values off the dense surface alone would shrink the hand, since coarse faces
    cut its corners.
    """
    area = np.zeros(len(vertices))
    corners = vertices[faces]
    sides = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    third = np.linalg.norm(np.cross(*sides), axis=1) / 6
    for k in range(3):
        np.add.at(area, faces[:, k], third)
    importance = sp.diags(area / area.mean())
    edges = np.array(sorted(edge_tables(triangles)[2]))
    shape = (NUM_VERTICES, NUM_VERTICES)
    adjacency = sp.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape)
    adjacency = (adjacency + adjacency.T).tocsr()
    degree = np.asarray(adjacency.sum(1)).ravel()
    laplacian = sp.eye(NUM_VERTICES) - sp.diags(1 / degree) @ adjacency
    operator = reader.toarray()
    for _ in range(2):
        coarse = operator @ vertices
        face, weights, _ = closest_points(vertices, coarse, triangles, 40)
        blend = _barycentric_matrix(triangles[face], weights, NUM_VERTICES)
        normal = blend.T @ importance @ blend + SMOOTHING * laplacian.T @ laplacian
        normal = normal + DAMPING * sp.eye(NUM_VERTICES)
        missing = np.eye(len(vertices)) - (blend @ reader).toarray()
        correction = splu(normal.tocsc()).solve(blend.T @ importance @ missing)
        operator = reader.toarray() + correction
        operator[rim] = reader.toarray()[rim]
    return operator


def number_vertices(vertices, faces, tips, parts):
    """Put tips and wrist loop on the indices that public code looks up.

    Args:
        vertices: (V, 3); faces: (F, 3); tips: finger -> vertex; parts: (V,) labels,
            by which the other vertices are sorted, then along the hand.
    Returns: order (V,) with ``order[new] = old``, and the renumbered, sorted faces.
    """
    following = edge_tables(faces)[1]
    new = -np.ones(NUM_VERTICES, int)
    vertex = max(following, key=lambda i: vertices[i, 1])  # most dorsal one first
    for index in LOOP_IDS:
        new[vertex] = index
        vertex = following[vertex]
    for name, indices in TIP_IDS.items():
        distance = np.linalg.norm(vertices - vertices[tips[name]], axis=1)
        for index, vertex in zip(indices, np.argsort(distance)):
            if new[vertex] >= 0:
                raise ValueError(f'vertex {vertex} is near two fingertips')
            new[vertex] = index
    rest = [i for i in range(NUM_VERTICES) if new[i] < 0]
    rest.sort(key=lambda i: (parts[i], vertices[i, 0]))
    new[rest] = sorted(set(range(NUM_VERTICES)) - set(new[new >= 0]))
    order = np.empty(NUM_VERTICES, int)
    order[new] = np.arange(NUM_VERTICES)
    return order, _sorted_faces(new[faces])


def _sorted_faces(faces):
    """Smallest index first in each face, faces in lexical order; winding is kept."""
    start, rows = faces.argmin(1), np.arange(len(faces))
    faces = np.stack([faces[rows, (start + k) % 3] for k in range(3)], 1)
    return faces[np.lexsort((faces[:, 2], faces[:, 1], faces[:, 0]))]
