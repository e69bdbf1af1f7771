"""Blend shapes and skinning of one MANO hand.

Romero, Tzionas, Black, "Embodied Hands", SIGGRAPH Asia 2017, Eq. 2-4, on the skinning
of Loper et al., "SMPL", 2015, Eq. 2-10. It runs in training and is exported as it is:
its steps are matrix products and concatenations, with no shape or index that depends
on a value.
"""

import numpy as np
import torch
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_ROTATIONS

JOINTS_A_FINGER = 3  # rotations; MANO's order has a finger's one after the other


class HandSkin(nn.Module):
    """Vertices and joints of one hand from its rotations and shape.

    Args:
        arrays: what :func:`read_mano` returns.

    Attributes (names and layouts of SMPL's code, so that smplx's layer can stand here):
        v_template (Tensor): (V, 3) metres.
        shapedirs (Tensor): (V, 3, 10) metres.
        posedirs (Tensor): (135, 3 V) metres; a row for each entry of R - I, the joints
            one after the other, rows of the matrices first.
        J_regressor (Tensor): (16, V).
        lbs_weights (Tensor): (V, 16).
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        posedirs = arrays['posedirs'].reshape(-1, arrays['posedirs'].shape[-1]).T
        self._keep('v_template', arrays['v_template'])
        self._keep('shapedirs', arrays['shapedirs'])
        self._keep('posedirs', np.ascontiguousarray(posedirs))
        self._keep('J_regressor', arrays['J_regressor'])
        self._keep('lbs_weights', arrays['weights'])
        self.num_betas = self.shapedirs.shape[-1]

    def _keep(self, name: str, array: np.ndarray) -> None:
        # A copy: the arrays of the embedded hand are shared.
        self.register_buffer(name, torch.tensor(array), persistent=False)

    def forward(self, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices (..., V, 3) and the chain's joints (..., 16, 3), metres.

        Args:
            rotations: (..., 16, 3, 3) to the parents, MANO joint order.
            betas: (..., 10), the same leading dimensions.
        """
        offsets = betas @ self.shapedirs.flatten(0, 1).mT
        rest = self.v_template + offsets.unflatten(-1, (-1, 3))
        joints = self.J_regressor @ rest
        still = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        bent = (rotations[..., 1:, :, :] - still).flatten(-3)
        rest = rest + (bent @ self.posedirs).unflatten(-1, (-1, 3))
        world, positions = chained(rotations, joints)
        # A vertex rotates about the origin of the rest pose, not about its joints.
        shifts = positions - (world @ joints[..., None])[..., 0]
        blended = (self.lbs_weights @ world.flatten(-2)).unflatten(-1, (3, 3))
        posed = (blended @ rest[..., None])[..., 0] + self.lbs_weights @ shifts
        return posed, positions


def chained(rotations: Tensor, joints: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations and centres of MANO's joints in the hand's frame, all fingers at once.

    Args:
        rotations: (..., 16, 3, 3) to the parents.
        joints: (..., 16, 3) metres, the centres at rest.
    Returns: (..., 16, 3, 3) and (..., 16, 3) metres.
    """
    fingers = ((NUM_ROTATIONS - 1) // JOINTS_A_FINGER, JOINTS_A_FINGER)
    local = rotations[..., 1:, :, :].unflatten(-3, fingers)  # (..., 5, 3, 3, 3)
    rest = joints[..., 1:, :].unflatten(-2, fingers)  # (..., 5, 3, 3)
    world, place, centre = (
        rotations[..., :1, :, :],
        joints[..., :1, :],
        joints[..., :1, :],
    )
    worlds, places = [], []
    for rank in range(JOINTS_A_FINGER):
        bone = rest[..., rank, :] - centre
        place = place + (world @ bone[..., None])[..., 0]
        world, centre = world @ local[..., rank, :, :], rest[..., rank, :]
        worlds.append(world)
        places.append(place)
    turned = torch.stack(worlds, -3).flatten(-4, -3)
    moved = torch.stack(places, -2).flatten(-3, -2)
    return (
        torch.cat([rotations[..., :1, :, :], turned], -3),
        torch.cat([joints[..., :1, :], moved], -2),
    )
