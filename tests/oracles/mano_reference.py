"""MANO's published equations, slowly: one joint and one vertex at a time, float64.

Romero, Tzionas, Black, "Embodied Hands", SIGGRAPH Asia 2017, Eq. 2-4, and Loper et al.,
"SMPL", 2015, Eq. 2-10, for the skinning they refer to.
"""

import numpy as np
from scipy.spatial.transform import Rotation

PARENTS = [None, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]


def rotation_matrices(axis_angle):
    """(N, 3) radians -> (N, 3, 3)."""
    return Rotation.from_rotvec(np.asarray(axis_angle, np.float64)).as_matrix()


def mano_vertices(arrays, rotations, betas):
    """Vertices (V, 3) of a hand from absolute rotations (16, 3, 3), betas (10,)."""
    arrays = {key: np.asarray(value, np.float64) for key, value in arrays.items()}
    shaped = arrays['v_template'].copy()
    for k, beta in enumerate(betas):
        shaped += beta * arrays['shapedirs'][:, :, k]
    joints = arrays['J_regressor'] @ shaped

    posed = shaped.copy()
    entry = 0
    for joint in range(1, 16):
        for row in range(3):
            for column in range(3):
                amount = rotations[joint][row, column] - float(row == column)
                posed += amount * arrays['posedirs'][:, :, entry]
                entry += 1

    moves = _relative_transforms(joints, rotations)
    vertices = np.zeros_like(posed)
    for v, point in enumerate(posed):
        blend = np.zeros((4, 4))
        for joint in range(16):
            blend += arrays['weights'][v, joint] * moves[joint]
        vertices[v] = (blend @ np.append(point, 1.0))[:3]
    return vertices


def _relative_transforms(joints, rotations):
    world = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = joints[joint] - (0 if parent is None else joints[parent])
        world.append(local if parent is None else world[parent] @ local)
    to_rest = [np.eye(4) for _ in joints]
    for joint, matrix in enumerate(to_rest):
        matrix[:3, 3] = -joints[joint]
    return [place @ rest for place, rest in zip(world, to_rest, strict=True)]
