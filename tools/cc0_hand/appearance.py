"""Texture coordinates and vertex colours."""

import numpy as np

from .layout import TIP_IDS
from .topology import closest_points

SKIN, RED, NAIL = (224, 172, 140), (222, 146, 124), (240, 196, 178)  # sRGB
THUMB_BASE = 13  # a muscle lies over this joint: no reddish knuckle


def texture_coordinates(vertices, faces, dense, source):
    """MakeHuman's texture coordinates of each face corner.

    A corner is looked up among the dense faces connected to the face's centre within
    the atlas, so that it stays on its own side of a seam.

    Args:
        dense: (N, 3) the dense flat hand whose faces ``source`` has.
    Returns: coordinates (T, 2) and faces (F, 3) into them.
    """
    neighbours = _atlas_neighbours(source.uv_faces)
    centres = dense[source.faces].mean(1)
    starts = closest_points(vertices[faces].mean(1), dense, source.faces)[0]
    known, coordinates = {}, []
    uv_faces = np.zeros_like(faces)
    for i, face in enumerate(faces):
        middle = vertices[face].mean(0)
        reach = 2.2 * np.linalg.norm(vertices[face] - middle, axis=1).max() + 0.003
        patch = _patch(int(starts[i]), neighbours, centres, middle, reach)
        found, weights, _ = closest_points(vertices[face], dense, source.faces[patch])
        corners = source.uv[source.uv_faces[patch[found]]]
        positions = (weights[..., None] * corners).sum(1)
        for k in range(3):
            key = (int(face[k]), tuple(np.round(positions[k], 4)))
            if key not in known:
                known[key] = len(coordinates)
                coordinates.append(positions[k])
            uv_faces[i, k] = known[key]
    return np.array(coordinates), uv_faces


def _atlas_neighbours(uv_faces):
    by_edge = {}
    for i, face in enumerate(uv_faces):
        for k in range(3):
            edge = tuple(sorted((int(face[k]), int(face[(k + 1) % 3]))))
            by_edge.setdefault(edge, []).append(i)
    neighbours = [[] for _ in uv_faces]
    for sharing in by_edge.values():
        if len(sharing) == 2:
            neighbours[sharing[0]].append(sharing[1])
            neighbours[sharing[1]].append(sharing[0])
    return neighbours


def _patch(start, neighbours, centres, middle, reach):
    seen, todo = {start}, [start]
    while todo:
        for face in neighbours[todo.pop()]:
            near = np.linalg.norm(centres[face] - middle) < reach
            if face not in seen and near:
                seen.add(face)
                todo.append(face)
    return np.array(sorted(seen))


def dense_nails(mask, source, count):
    """(N,) the nail mask at each dense vertex, the largest over its corners."""
    height, width = mask.shape
    pixels = (source.uv * [width, -height] + [0, height]).astype(int)
    pixels = np.clip(pixels, 0, height - 1)
    nails = np.zeros(count)
    for face, uv_face in zip(source.faces, source.uv_faces):
        values = mask[pixels[uv_face, 1], pixels[uv_face, 0]]
        nails[face] = np.maximum(nails[face], values)
    return nails


def vertex_colors(vertices, faces, joints, nail):
    """(V, 3) sRGB in 0..255: skin, redder knuckles, palm and pads, pale nails."""
    corners = vertices[faces]
    normals = np.zeros_like(vertices)
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for k in range(3):
        np.add.at(normals, faces[:, k], cross)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    palm = np.clip(-normals[:, 1:2] * 0.5 + 0.5, 0, 1)
    knuckles = [joint for joint in range(1, 16) if joint != THUMB_BASE]
    offsets = vertices[:, None] - joints[None, knuckles]
    to_knuckle = np.min(np.linalg.norm(offsets, axis=-1), 1)[:, None]
    tips = [vertices[indices[0]] for indices in TIP_IDS.values()]
    offsets = vertices[:, None] - np.stack(tips)
    to_tip = np.min(np.linalg.norm(offsets, axis=-1), 1)[:, None]
    red = 0.8 * np.exp(-((to_knuckle / 0.009) ** 2)) * (1 - palm)
    red = red + 0.9 * np.exp(-((to_tip / 0.012) ** 2)) * palm + 0.25 * palm
    red = np.clip(red, 0, 1)
    color = np.array(SKIN, float) * (1 - red) + np.array(RED, float) * red
    color = color * (1 + 0.06 * (palm - 0.5))
    color = color * (1 - nail[:, None]) + np.array(NAIL, float) * nail[:, None]
    return np.clip(color, 0, 255).round()
