"""The hand model as a function of arrays, for either side, and its inverse: the pose
whose joints are at given positions.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.conventions import MIRROR_POINTS
from mmhand_dne.hand_model import HandPair, SingleHand

from .pose_jacobian import joint_jacobian, rotations_at

STEPS = 5  # the Jacobian is exact to a tenth: four steps reach a hundredth of a mm
JOINT_STD = 0.003  # metres; how closely the joints are followed
ROTATION_STD = 0.1  # radians; how far a pose may leave the one it starts from


class Posed(NamedTuple):
    """Hands in T frames.

    Attributes:
        vertices: (T, V, 3) metres, relative to the wrist.
        joints: (T, 21, 3) likewise, OpenPose order.
        root: (T, 3) metres, the wrist in MANO's frame.
    """

    vertices: np.ndarray
    joints: np.ndarray
    root: np.ndarray


class PosedHand:
    """Poses one side of a model's hands, in the model's precision.

    Args:
        hand_model: a :class:`SingleHand`'s right hand is mirrored for the left side.
        side: 'right' or 'left'.
    """

    def __init__(self, hand_model: HandPair | SingleHand, side: str) -> None:
        self.model, self.slots = hand_model, len(hand_model.mean_rotations)
        self.slot = 1 if side == 'left' and self.slots > 1 else 0
        self.mirrored = side == 'left' and self.slots == 1

    @torch.no_grad()
    def __call__(self, rotations: np.ndarray, betas: np.ndarray) -> Posed:
        """Pose with absolute rotations (T, 16, 3, 3) and betas (T, 10) or (10,)."""
        like = self.model.template
        if self.mirrored:
            rotations = rotations * MIRROR_POINTS[:, None] * MIRROR_POINTS
        matrices = torch.as_tensor(rotations).to(like)
        shapes = torch.as_tensor(np.broadcast_to(betas, (len(matrices), 10)).copy())
        matrices = matrices[:, None].expand(-1, self.slots, -1, -1, -1)
        shapes = shapes.to(like)[:, None].expand(-1, self.slots, -1)
        mesh = self.model(matrices, shapes)
        found = (value[:, self.slot].double().cpu().numpy() for value in mesh)
        return Posed(
            *(value * MIRROR_POINTS if self.mirrored else value for value in found)
        )


def fit_pose(
    tangents: np.ndarray,
    centres: np.ndarray,
    targets: np.ndarray,
    pose: Callable[[np.ndarray], Posed],
) -> np.ndarray:
    """Gauss-Newton from a pose to one whose joints are where they should be.

    Minimises |joints - targets|^2 / JOINT_STD^2 + |v - start|^2 / ROTATION_STD^2 in
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
    found, prior = start, np.eye(start.shape[1]) / ROTATION_STD**2
    for _ in range(STEPS):
        current = found.reshape(tangents.shape)
        rotations = rotations_at(centres, current)
        joints = pose(rotations).joints
        # Residual r and its Jacobian -J, both in standard deviations of a joint.
        jacobian = joint_jacobian(rotations, current, joints) / JOINT_STD
        gap = (targets - joints)[:, 1:].reshape(len(found), -1, 1) / JOINT_STD
        # Step d of the normal equations: (J' J + L) d = J' r - L (v - start), with
        # L = I / ROTATION_STD^2.
        across = np.swapaxes(jacobian, -1, -2)
        slope = (across @ gap)[..., 0] - (found - start) / ROTATION_STD**2
        step = np.linalg.solve(across @ jacobian + prior, slope[..., None])
        found = found + step[..., 0]
    return found.reshape(tangents.shape)
