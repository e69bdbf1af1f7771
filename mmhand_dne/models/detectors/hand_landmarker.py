"""Landmarks of hands in rotated squares of an image."""

from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.models.backbones.mediapipe_hand_net import MediaPipeHandNet
from mmhand_dne.models.layers.landmark_readout import LandmarkReadout
from mmhand_dne.structures.hand_landmarks import HandLandmarks


@MODELS.register_module()
class HandLandmarker(BaseModule):
    """MediaPipe Hands' landmark network."""

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.trunk = MediaPipeHandNet(frozen=True)
        self.readout = LandmarkReadout().requires_grad_(False)

    def forward(self, crops: Tensor) -> HandLandmarks:
        """RGB crops in [0, 1], (B, 3, 224, 224) -> their landmarks."""
        return self.readout(self.trunk(crops)[-1].mean((-2, -1)))
