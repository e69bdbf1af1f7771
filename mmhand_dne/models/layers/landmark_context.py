"""What a refinement stage is told of landmarks that a network read."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_JOINTS
from mmhand_dne.geometry.camera import project
from mmhand_dne.models.fitting.landmark_terms import BONE_ENDS, BONE_STARTS
from mmhand_dne.structures.hand_state import HandState

REACH = 0.006  # metres of the template's surface over which bones take turns
GAP_UNIT = 0.1  # NDC; displacements offered to a perceptron are of size about 1
SPACE_UNIT = 0.1  # metres


class LandmarkContext(BaseModule):
    """Where the landmarks lie from where the mesh's joints are seen, for each vertex.

    The displacement at the nearest point of the bones, between those of their joints so
    that the mesh stays smooth, and a code of all displacements and joints of its hand:
    a vertex alone does not know whether its bone is seen too short.

    Args:
        hand_model: of one hand slot or two.
        channels: K of the code.

    Example:
        >>> from mmhand_dne.hand_model import SingleHand
        >>> context = LandmarkContext(SingleHand())
        >>> context.num_channels
        34
    """

    def __init__(
        self, hand_model: nn.Module, channels: int = 32, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        template = hand_model.template
        joints = hand_model.regress_joints(template[None])[0]
        spread = bone_weights(template, joints)  # (S, V, 21)
        self.register_buffer('spread', spread, persistent=False)
        self.code = nn.Sequential(
            nn.Linear(NUM_JOINTS * 5, 2 * channels),
            nn.ReLU(inplace=True),
            nn.Linear(2 * channels, channels),
            nn.ReLU(inplace=True),
        )
        self.num_channels = 2 + channels

    def forward(self, landmarks: Tensor, state: HandState) -> Tensor:
        """-> (B, S, V, 2 + K).

        Args:
            landmarks: (B, S, 21, 2) crop NDC, OpenPose order.
            state: the hands that are to be refined.
        """
        gap = (landmarks - project(state.joints, state.camera)) / GAP_UNIT
        joints = state.joints / SPACE_UNIT
        code = self.code(torch.cat([gap.flatten(-2), joints.flatten(-2)], -1))
        local = self.spread.to(gap) @ gap
        code = code[..., None, :].expand(*local.shape[:-1], -1)
        return torch.cat([local, code.to(local.dtype)], -1)


def bone_weights(vertices: Tensor, joints: Tensor) -> Tensor:
    """Weights (S, V, 21) of a hand's joints at its vertices, which sum to 1.

    Along a bone they change linearly from joint to joint; where bones are about as near
    the surface goes over from one to the other.

    Args:
        vertices: (S, V, 3) metres.
        joints: (S, 21, 3) OpenPose order.
    """
    start, end = joints[:, None, BONE_STARTS], joints[:, None, BONE_ENDS]
    along = end - start  # (S, 1, 20, 3)
    from_start = vertices[:, :, None] - start
    share = (from_start * along).sum(-1) / along.square().sum(-1)
    share = share.clamp(0, 1)  # (S, V, 20)
    distance = (from_start - share[..., None] * along).norm(dim=-1)
    bones = (-(distance / REACH).square() / 2).softmax(-1)
    weights = vertices.new_zeros(*vertices.shape[:2], NUM_JOINTS)
    for index, joint in ((BONE_STARTS, 1 - share), (BONE_ENDS, share)):
        weights.index_add_(-1, torch.tensor(index), bones * joint)
    return weights
