"""What a refinement stage is told of landmarks that a network read."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_JOINTS
from mmhand_dne.geometry.camera import project
from mmhand_dne.structures.hand_state import HandState

REACH = 0.01  # metres on the template over which a joint's displacement spreads
GAP_UNIT = 0.1  # NDC; displacements offered to a perceptron are of size about 1
SPACE_UNIT = 0.1  # metres


class LandmarkContext(BaseModule):
    """Where the landmarks lie from where the mesh's joints are seen, for each vertex.

    The displacements of the joints near a vertex, and a code of all displacements and
    joints of its hand: a vertex alone does not know whether its bone is seen too short.

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
        near = -(torch.cdist(template, joints) / REACH).square() / 2
        self.register_buffer('spread', near.softmax(-1), persistent=False)  # (S, V, 21)
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
