"""Blend shapes and skinning of one MANO hand.

Romero, Tzionas, Black, "Embodied Hands", SIGGRAPH Asia 2017, Eq. 2-4, on the skinning
of Loper et al., "SMPL", 2015, Eq. 2-10. It runs in training and is exported as it is:
its steps are matrix products and concatenations, with no shape or index that depends
on a value.
"""

from collections.abc import Sequence

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
        offsets = betas @ self.shapedirs.flatten(-3, -2).mT
        rest = self.v_template + offsets.unflatten(-1, (-1, 3))
        joints = self.weighted(self.J_regressor, rest)
        still = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        bent = (rotations[..., 1:, :, :] - still).flatten(-3)
        rest = rest + self.moved(bent, self.posedirs)
        world, positions = chained(rotations, joints)
        # A vertex rotates about the origin of the rest pose, not about its joints.
        shifts = positions - (world @ joints[..., None])[..., 0]
        blended = self.weighted(self.lbs_weights, world.flatten(-2))
        moved = blended.unflatten(-1, (3, 3)) @ rest[..., None]
        return moved[..., 0] + self.weighted(self.lbs_weights, shifts), positions

    def moved(self, values: Tensor, directions: Tensor) -> Tensor:
        """(..., K) coefficients of (K, 3 V) directions: (..., V, 3)."""
        return (values @ directions).unflatten(-1, (-1, 3))

    def weighted(self, weights: Tensor, values: Tensor) -> Tensor:
        """(K, N) weights of (..., N, D) values: (..., K, D)."""
        return weights @ values


class PairSkin(HandSkin):
    """:class:`HandSkin` of S hands at once, each with arrays of its own.

    The numbers are those of a hand after the other, to rounding; what it saves are half
    of the calls, which cost more than the arithmetic of a small batch.

    Args:
        skins: of the S hands.

    Attributes: those of :class:`HandSkin` with a leading S; v_template is (S, 1, V, 3).
    """

    def __init__(self, skins: Sequence[HandSkin]) -> None:
        nn.Module.__init__(self)
        for name, _ in skins[0].named_buffers():
            arrays = torch.stack([skin.get_buffer(name) for skin in skins])
            self.register_buffer(name, arrays, persistent=False)
        self.v_template = self.v_template[:, None]

    def forward(self, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices (B, S, V, 3) and the chain's joints (B, S, 16, 3), metres.

        Args:
            rotations: (B, S, 16, 3, 3) to the parents, MANO joint order.
            betas: (B, S, 10).
        """
        posed = super().forward(rotations.transpose(0, 1), betas.transpose(0, 1))
        return tuple(part.transpose(0, 1) for part in posed)

    def moved(self, values: Tensor, directions: Tensor) -> Tensor:
        """(S, B, K) coefficients of (S, K, 3 V) directions: (S, B, V, 3).

        A product of large matrices a hand: batched, the sums of its gradient would be
        rounded otherwise than those of a hand alone.
        """
        pairs = zip(values, directions)
        return torch.stack(
            [(value @ rows).unflatten(-1, (-1, 3)) for value, rows in pairs]
        )

    def weighted(self, weights: Tensor, values: Tensor) -> Tensor:
        """(S, K, N) weights of (S, B, N, D) values: (S, B, K, D).

        A product a hand, of all images: broadcast weights would be copied for each.
        """
        size = values.shape[1], values.shape[-1]
        product = values.mT.flatten(1, 2) @ weights.mT  # (S, B D, K)
        return product.unflatten(1, size).mT


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
