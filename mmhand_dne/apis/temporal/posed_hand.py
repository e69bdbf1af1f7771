"""The hand model as a function of arrays, for hands of either side."""

from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.conventions import MIRROR_POINTS


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
        hand_model: :class:`HandPair`, or :class:`SingleHand`, whose right hand is
            mirrored for the left side.
        side: 'right' or 'left'.
    """

    def __init__(self, hand_model, side: str):
        self.model, self.slots = hand_model, len(hand_model.mean_rotations)
        self.slot = 1 if side == 'left' and self.slots > 1 else 0
        self.mirrored = side == 'left' and self.slots == 1

    @torch.no_grad()
    def __call__(self, rotations: np.ndarray, betas: np.ndarray) -> Posed:
        """Pose with absolute rotations (T, 16, 3, 3) and betas (T, 10) or (10,)."""
        like = self.model.template
        if self.mirrored:
            rotations = rotations * MIRROR_POINTS[:, None] * MIRROR_POINTS
        turns = torch.as_tensor(rotations).to(like)
        shapes = torch.as_tensor(np.broadcast_to(betas, (len(turns), 10)).copy())
        turns = turns[:, None].expand(-1, self.slots, -1, -1, -1)
        shapes = shapes.to(like)[:, None].expand(-1, self.slots, -1)
        mesh = self.model(turns, shapes)
        found = (value[:, self.slot].double().cpu().numpy() for value in mesh)
        return Posed(
            *(value * MIRROR_POINTS if self.mirrored else value for value in found)
        )
