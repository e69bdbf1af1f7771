"""What MediaPipe Hands' landmark network reads from the pooled token."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_JOINTS
from mmhand_dne.structures.hand_landmarks import HandLandmarks

HALF_PIXEL = 0.5  # MediaPipe measures from the crop's edge, we from a pixel's centre


class LandmarkReadout(BaseModule):
    """Four linear layers: side, presence, landmarks in the crop, landmarks in metres.

    Args:
        channels: of the token, which is the mean over space of
            :class:`MediaPipeHandNet`'s last map.
    """

    def __init__(self, channels: int = 1152, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        # In the order in which the original runs them, which the converter goes by.
        self.right = nn.Linear(channels, 1)
        self.presence = nn.Linear(channels, 1)
        self.points = nn.Linear(channels, NUM_JOINTS * 3)
        self.world = nn.Linear(channels, NUM_JOINTS * 3)

    def forward(self, token: Tensor) -> HandLandmarks:
        """(B, channels) -> landmarks of B crops of 224 x 224 pixels."""
        right, presence = self.right(token)[:, 0], self.presence(token)[:, 0]
        points = self.points(token).unflatten(-1, (NUM_JOINTS, 3))
        world = self.world(token).unflatten(-1, (NUM_JOINTS, 3))
        pixels = torch.cat([points[..., :2] - HALF_PIXEL, points[..., 2:]], -1)
        return HandLandmarks(pixels, presence, right, world)
