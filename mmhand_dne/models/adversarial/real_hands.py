"""Poses and shapes that the discriminator takes for real."""

from pathlib import Path

import numpy as np
import torch
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.conventions import NUM_ROTATIONS
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model.cc0_hand import load_cc0_hand

NUM_ANGLES = 3 * (NUM_ROTATIONS - 1)
MAX_DEVIATION = 2.0  # standard deviations of the CC0 hand's pose space


@MODELS.register_module()
class RealHands:
    """Draws real hands for an adversarial prior.

    Args:
        source: 'batch': the batch's own true hands; 'cc0': draws from the pose space
            of the embedded hand (for models of it); or an npz file with ``hand_pose``
            (N, 45 or 48) axis-angle, absolute, the first three of 48 being the global
            rotation, and ``betas`` (N, 10), such as HaMeR's FreiHAND mocap.

    Raises:
        ValueError: the file is missing or holds something else.
    """

    def __init__(self, source: str = 'batch') -> None:
        self.source, self.poses, self.betas = source, None, None
        if source == 'cc0':
            hand = load_cc0_hand()
            self.mean, self.std, self.components = (
                torch.from_numpy(np.float32(hand[key]))
                for key in ('hands_mean', 'hands_std', 'hands_components')
            )
        elif source != 'batch':
            self.poses, self.betas = read_poses(source)

    def draw(
        self, count: int, rotations: Tensor, betas: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Rotations (count, 15, 3, 3) and betas (count, 10), fewer if none is known.

        Args:
            rotations, betas: (M, 15, 3, 3) and (M, 10), the batch's true hands.
        """
        if self.source == 'cc0':
            weights = (
                torch.randn(count, NUM_ANGLES).clamp(-MAX_DEVIATION, MAX_DEVIATION)
                * self.std
            )
            angles = self.mean + weights @ self.components
            shapes = torch.randn(count, betas.shape[-1])
        elif self.source == 'batch':
            known = min(len(rotations), 1) * count
            rows = torch.randint(max(len(rotations), 1), (known,)).to(rotations.device)
            return rotations[rows], betas[rows]
        else:
            rows = torch.randint(len(self.poses), (count,))
            angles, shapes = self.poses[rows], self.betas[rows]
        poses = matrix_from_axis_angle(angles.unflatten(-1, (-1, 3)))
        return poses.to(rotations), shapes.to(betas)


def read_poses(path: str) -> tuple[Tensor, Tensor]:
    """(N, 45) axis-angle and (N, 10) betas of an npz file."""
    if not Path(path).is_file():
        raise UserError(
            f'RealHands: there is no file {path!r}; give the path of an npz file with '
            "hand_pose and betas, or source='batch' or 'cc0'"
        )
    with np.load(path, allow_pickle=False) as file:
        missing = {'hand_pose', 'betas'} - set(file.files)
        if missing:
            raise UserError(
                f'{path}: has no array {sorted(missing)[0]!r} but {file.files}; '
                'expected hand_pose and betas'
            )
        poses, betas = np.float32(file['hand_pose']), np.float32(file['betas'])
    if (
        poses.ndim != 2
        or poses.shape[1] not in (NUM_ANGLES, NUM_ANGLES + 3)
        or betas.shape != (len(poses), 10)
        or not len(poses)
    ):
        raise UserError(
            f'{path}: hand_pose is {poses.shape} and betas {betas.shape}, expected '
            '(N, 45 or 48) and (N, 10)'
        )
    return torch.from_numpy(poses[:, -NUM_ANGLES:].copy()), torch.from_numpy(betas)
