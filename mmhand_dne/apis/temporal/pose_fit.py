"""The pose whose joints are at given places."""

from collections.abc import Callable

import numpy as np

from .pose_jacobian import joint_jacobian, rotations_at
from .posed_hand import Posed

STEPS = 5  # the Jacobian is exact to a tenth: four steps reach a hundredth of a mm
JOINT_SPREAD = 0.003  # metres; how closely the joints are followed
TURN_SPREAD = 0.1  # radians; how far a pose may leave the one it starts from


def fit_pose(
    tangents: np.ndarray,
    centres: np.ndarray,
    targets: np.ndarray,
    pose: Callable[[np.ndarray], Posed],
) -> np.ndarray:
    """Gauss-Newton from a pose to one whose joints are where they should be.

    Minimises |joints - targets|^2 / JOINT_SPREAD^2 + |v - start|^2 / TURN_SPREAD^2 in
    each frame by itself [decided]: joints decide what they can, the start decides
    twists that no joint shows.

    Args:
        tangents: (T, 16, 3) radians, where to start.
        centres: (16, 3, 3), see :func:`rotations_at`.
        targets: (T, 21, 3) metres, relative to the wrist, OpenPose order.
        pose: from rotations (T, 16, 3, 3) to the hands.
    Returns: (T, 16, 3) radians.
    """
    start = tangents.reshape(len(tangents), -1)
    found, eye = start, np.eye(start.shape[1]) / TURN_SPREAD**2
    for _ in range(STEPS):
        current = found.reshape(tangents.shape)
        rotations = rotations_at(centres, current)
        joints = pose(rotations).joints
        jacobian = joint_jacobian(rotations, current, joints) / JOINT_SPREAD
        gap = (targets - joints)[:, 1:].reshape(len(found), -1, 1) / JOINT_SPREAD
        across = np.swapaxes(jacobian, -1, -2)
        slope = (across @ gap)[..., 0] - (found - start) / TURN_SPREAD**2
        step = np.linalg.solve(across @ jacobian + eye, slope[..., None])
        found = found + step[..., 0]
    return found.reshape(tangents.shape)
