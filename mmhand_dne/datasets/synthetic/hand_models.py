"""The two CC0 hands, and one posed hand as the annotation files describe it."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmhand_dne.conventions import SIDES
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import MANOLayer, load_cc0_hand


class Hand(NamedTuple):
    """A hand as the annotation files describe it."""

    side: str
    pose: np.ndarray  # (48,) axis-angle; the first in world axes, fingers less the mean
    shape: np.ndarray  # (10,)
    translation: np.ndarray  # (3,) metres, world
    vertices: Tensor  # (V, 3) metres, world


class HandModels:
    """Both CC0 hands, and what an image needs beyond a mesh."""

    def __init__(self) -> None:
        self.layers = {side: MANOLayer(side=side, source='cc0') for side in SIDES}
        self.extras = {side: load_cc0_hand(side) for side in SIDES}

    def make(
        self, side: str, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray
    ) -> Hand:
        """A hand, its numbers rounded first to what the files keep."""
        pose, shape, translation = (
            value.round(6) for value in (pose, shape, translation)
        )
        layer = self.layers[side]
        fingers = pose[3:] + np.asarray(layer.hands_mean.cpu(), np.float64)
        axis_angles = np.concatenate([pose[:3], fingers]).reshape(16, 3)
        rotations = matrix_from_axis_angle(torch.from_numpy(axis_angles)).float()
        vertices = layer(rotations[None], row_of(shape), row_of(translation))[0]
        return Hand(side, pose, shape, translation, vertices)

    def moved(self, hand: Hand, shift: Tensor) -> Hand:
        """The hand, shifted by (3,) metres."""
        return self.make(
            hand.side, hand.pose, hand.shape, hand.translation + shift.numpy()
        )

    def joints(self, hand: Hand) -> Tensor:
        """Regressed joints (21, 3) metres, world, OpenPose order."""
        return self.layers[hand.side].joints(hand.vertices)


def row_of(values: np.ndarray) -> Tensor:
    """A batch of one, float32."""
    return torch.from_numpy(values).float()[None]
