"""Gaussian noise on the normalised batch, made on the training device."""

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.models.layers import fused_stage
from mmhand_dne.randomness.keys import batch_keys, fold_in, normal_from_keys

NOISE_STREAM = 7001  # tells these draws from the noise of the refinement stages


@MODELS.register_module()
class BatchGaussianNoise(nn.Module):
    """Add N(0, std^2) to the mean/std-normalised image (DNE: 0.3).

    The paper adds N(0, 0.3) "to images": that 0.3 is a standard deviation, and the
    image the normalised one, is ours [decided].

    A batch augmentation of MMPose's ``PoseDataPreprocessor``. The draw of an image
    depends on (seed, iteration, data set index) only.

    Args:
        std: standard deviation, in normalised units.
        fused: draw it by one kernel, on CUDA with Triton alone, see
            :mod:`mmhand_dne.randomness.fused_normal`; no GPU has run it.

    Example:
        >>> augment = BatchGaussianNoise(std=0.3)
        >>> images, samples = augment(torch.zeros(2, 3, 8, 8), [])
    """

    def __init__(self, std: float = 0.3, fused: bool = False) -> None:
        super().__init__()
        if not std >= 0:
            raise UserError(f'BatchGaussianNoise: std is {std}, expected >= 0')
        self.std, self.fused = std, fused

    def forward(self, inputs: Tensor, data_samples: list) -> tuple[Tensor, list]:
        """(B, 3, h, w) normalised images and their samples -> the same, noisy."""
        keys = batch_keys(data_samples) if data_samples else None
        if keys is None:
            return inputs + self.std * torch.randn_like(inputs), data_samples
        if self.fused:
            fused_stage.require_kernels(inputs.device, "BatchGaussianNoise's fused")
        noise = normal_from_keys(
            fold_in(keys, NOISE_STREAM),
            tuple(inputs.shape[1:]),
            inputs.dtype,
            inputs.device,
            self.fused,
        )
        return inputs + self.std * noise, data_samples
