"""The 21 joints of a hand as a function of its pose and shape, with its Jacobian.

A regressed joint is a sum over vertices, and a vertex is a sum over the rotations that
skin it. Exchanging the sums leaves a hand of 21 x 16 points instead of 778 vertices,
exactly: with G_j the joint rotations and p_j their centres in the hand's frame, J_j
the centres at rest, and sums over the vertices v with weights r_v of the joint and
w_vj of the skin,

    x_r = sum_j G_j a_rj + c_rj (p_j - G_j J_j),
    a_rj = sum_v r_v w_vj (template + shape + pose corrections)_v,  c_rj = sum r_v w_vj.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmhand_dne.conventions import (
    MANO_PARENTS,
    NUM_JOINTS,
    NUM_ROTATIONS,
    OPENPOSE_FROM_HO3D,
    WRIST,
)
from mmhand_dne.geometry.rotation import (
    left_jacobian,
    matrix_from_axis_angle,
)

from .single_hand import SingleHand


class MovedJoints(NamedTuple):
    """Joints of B hands, and how they move.

    Attributes:
        joints: (B, 21, 3) metres, relative to the wrist, OpenPose order.
        jacobian: (B, 21, 3, 48 + 10) metres per radian and per unit of shape.
    """

    joints: Tensor
    jacobian: Tensor


class JointMotion(nn.Module):
    """The joints of a :class:`SingleHand` without its mesh, in float64.

    Args:
        hand_model: its joints, regressed or kinematic, are these ones.
    """

    def __init__(self, hand_model: SingleHand) -> None:
        super().__init__()
        layer = hand_model.right.layer
        skin = layer.lbs_weights.double()
        template = layer.v_template.double()[..., None]
        shapes = torch.cat([template, layer.shapedirs.double()], -1)  # (V, 3, 1 + 10)
        corrections = layer.posedirs.double().unflatten(1, (-1, 3)).permute(1, 2, 0)
        centres = torch.einsum('jv,vxs->jxs', layer.J_regressor.double(), shapes)
        regressor = hand_model.joint_regressor[0].double()
        bodies = torch.einsum('rv,vj->rjv', regressor, skin)
        share = bodies.sum(-1)
        points = torch.einsum('rjv,vxs->rjxs', bodies, shapes)
        corrections = torch.einsum('rjv,vxp->rjxp', bodies, corrections)
        if hand_model.kinematic:
            for joint, rotation in enumerate(OPENPOSE_FROM_HO3D):
                if rotation < NUM_ROTATIONS:
                    share[joint], points[joint], corrections[joint] = 0, 0, 0
                    share[joint, rotation] = 1
                    points[joint, rotation] = centres[rotation]
        bones = centres - centres[list(MANO_PARENTS)]
        bones[0] = centres[0]  # the wrist's, from the origin
        moves = _moves().double()
        self._keep('centres', centres)  # (16, 3, 1 + 10), a column for each shape
        self._keep('bones', bones)
        self._keep('points', points)  # (21, 16, 3, 1 + 10)
        self._keep('corrections', corrections)  # (21, 16, 3, 135)
        flat = corrections.permute(1, 2, 0, 3).flatten(2).flatten(0, 1)
        self._keep('flat_corrections', flat)  # (16 * 3, 21 * 135)
        self._keep('share', share)  # (21, 16)
        self._keep('moves', moves)  # (16, 16)
        self._keep('moved_share', share @ moves.mT)

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def forward(self, base: Tensor, vectors: Tensor, betas: Tensor) -> MovedJoints:
        """Joints and their derivatives.

        Args:
            base: (B, 3, 3) global rotation at the zero vector, or (B, 16, 3, 3) all
                rotations there.
            vectors: (B, 16, 3) radians, MANO order; the first one turns ``base`` in
                the camera's axes; the others are absolute, or turn theirs in the axes
                of the joint before.
            betas: (B, 10).
        """
        local = matrix_from_axis_angle(vectors)
        if base.dim() == 3:
            local = torch.cat([(local[:, 0] @ base)[:, None], local[:, 1:]], 1)
        else:
            local = local @ base
        before, after = _chained(local)
        shape = torch.cat([torch.ones_like(betas[:, :1]), betas], -1)
        pivots = torch.einsum('kj,bkxs->bjxs', self.moves, before @ self.bones)
        shifts = pivots - after @ self.centres
        features = (local[:, 1:] - torch.eye(3).to(local)).flatten(1)
        rest = torch.einsum('rjys,bs->bjyr', self.points, shape)
        rest = rest + torch.einsum('rjyp,bp->bjyr', self.corrections, features)
        # What each rotation contributes to each joint, (B, 16, 3, 21).
        parts = after @ rest
        parts = parts + (shifts @ shape[:, None, :, None]) * self.share.mT[:, None]
        joints = parts.sum(1).mT
        places = (pivots @ shape[:, None, :, None])[..., 0]
        turns = left_jacobian(vectors)
        turned = self._turned(parts, places, before @ turns)
        turned[:, :, :, 1:] += self._corrected(after, local[:, 1:], turns[:, 1:])
        shaped = torch.einsum('bjxy,rjys->brxs', after, self.points[..., 1:])
        shaped = shaped + torch.einsum('rj,bjxs->brxs', self.share, shifts[..., 1:])
        jacobian = torch.cat([turned.flatten(3), shaped], -1)
        return MovedJoints(
            joints - joints[:, WRIST, None], jacobian - jacobian[:, WRIST, None]
        )

    def _turned(self, parts: Tensor, places: Tensor, axes: Tensor) -> Tensor:
        """What a rotation about a joint does to all that it carries.

        Args:
            parts: (B, 16, 3, 21) metres, contributions to the joints.
            places: (B, 16, 3) metres, the centres of the rotations.
            axes: (B, 16, 3, 3), columns: of the rotation as a vector's parts change.
        Returns: (B, 21, 3, 16, 3) metres per radian.
        """
        arms = torch.einsum('kj,bjxr->brkx', self.moves, parts)
        arms = arms - self.moved_share[..., None] * places[:, None]
        moved = torch.linalg.cross(axes.mT[:, None], arms[..., None, :])
        return moved.permute(0, 1, 4, 2, 3)

    def _corrected(self, after: Tensor, local: Tensor, turns: Tensor) -> Tensor:
        """What a rotation does to the joints by correcting the skin's shape.

        Args:
            after: (B, 16, 3, 3) rotations in the hand's frame.
            local: (B, 15, 3, 3) of the fingers, to their parents.
            turns: (B, 15, 3, 3) left Jacobians of their vectors.
        Returns: (B, 21, 3, 15, 3) metres per radian.
        """
        swayed = after.permute(0, 2, 1, 3).flatten(2) @ self.flat_corrections
        swayed = swayed.unflatten(-1, (NUM_JOINTS, -1, 9)).permute(0, 3, 2, 1, 4)
        changed = torch.linalg.cross(turns.mT[..., None], local[:, :, None], dim=-2)
        moved = swayed.flatten(2, 3) @ changed.flatten(3).mT
        return moved.unflatten(2, (NUM_JOINTS, 3)).permute(0, 2, 3, 1, 4)


def _chained(local: Tensor) -> tuple[Tensor, Tensor]:
    """Rotations (B, 16, 3, 3) to parents -> of the parents and own, hand's frame.

    The fingers are chained at once: their joints of one rank are a batch.
    """
    palm = local[:, 0]
    fingers = local[:, 1:].unflatten(1, (-1, 3))
    first = palm[:, None] @ fingers[:, :, 0]
    second = first @ fingers[:, :, 1]
    third = second @ fingers[:, :, 2]
    after = torch.stack([first, second, third], 2).flatten(1, 2)
    palms = palm[:, None].expand_as(first)
    before = torch.stack([palms, first, second], 2).flatten(1, 2)
    still = torch.eye(3).to(palm).expand_as(palm)[:, None]
    return torch.cat([still, before], 1), torch.cat([palm[:, None], after], 1)


def _moves() -> Tensor:
    """(16, 16) whether a rotation, the row, moves a part, the column."""
    moves = torch.eye(NUM_ROTATIONS)
    for part, parent in enumerate(MANO_PARENTS):
        if parent >= 0:
            moves[:, part] += moves[:, parent]
    return moves
