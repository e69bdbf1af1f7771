"""Rotations of the build, numpy, any leading dimensions unless said."""

import numpy as np
from scipy.spatial.transform import Rotation


def cross_matrix(v):
    """(..., 3) -> (..., 3, 3), the matrix of ``v x``."""
    out = np.zeros(v.shape[:-1] + (3, 3))
    out[..., 0, 1], out[..., 0, 2] = -v[..., 2], v[..., 1]
    out[..., 1, 0], out[..., 1, 2] = v[..., 2], -v[..., 0]
    out[..., 2, 0], out[..., 2, 1] = -v[..., 1], v[..., 0]
    return out


def from_axis_angle(vectors):
    """(..., 3) radians -> (..., 3, 3)."""
    vectors = np.asarray(vectors, float)
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    cross = cross_matrix(vectors / np.maximum(angle[..., 0], 1e-12))
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def to_axis_angle(matrices):
    """(..., 3, 3) -> (..., 3) radians."""
    flat = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec()
    return flat.reshape(matrices.shape[:-2] + (3,))


def shortest(source, target):
    """The rotations by the smallest angle from source (..., 3) to target (3,)."""
    source = source / np.linalg.norm(source, axis=-1, keepdims=True)
    target = np.broadcast_to(target / np.linalg.norm(target), source.shape)
    cross = cross_matrix(np.cross(source, target))
    cosine = (source * target).sum(-1)[..., None, None]
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def best_fit(source, target):
    """Rotations (S, 3, 3) that bring source (S, K, 3) closest to target (K, 3)."""
    u, _, vt = np.linalg.svd(np.einsum('ski,kj->sij', source, target))
    sign = np.tile(np.eye(3), (len(source), 1, 1))
    sign[:, 2, 2] = np.sign(np.linalg.det(u @ vt))
    return np.einsum('sji,sjk,slk->sil', vt, sign, u)


def direction(yaw, pitch):
    """Unit direction of a phalanx in the flat pose, from degrees."""
    yaw, pitch = np.deg2rad([yaw, pitch])
    return np.array(
        [-np.cos(yaw) * np.cos(pitch), -np.sin(pitch), np.sin(yaw) * np.cos(pitch)]
    )
