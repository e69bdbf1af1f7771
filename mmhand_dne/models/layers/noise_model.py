"""The noise distributions of DNE Eq. 2 and draws from them."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.randomness.keys import fold_in, normal_from_keys


class NoiseDraw(NamedTuple):
    """Draws of Eq. 2 and how likely they are.

    Attributes:
        value: (B, R, S, V, D) eps, differentiable in the mean.
        log_density: (B, R, S) log N(eps), summed over vertices and axes.
        normal: (B, R, S, V, D) the standard normal noise behind eps.
    """

    value: Tensor
    log_density: Tensor
    normal: Tensor


def noise_scale(mean: Tensor, gamma: float, delta: float) -> Tensor:
    """Standard deviation of Eq. 2, gamma |mean| + delta, in the mean's unit."""
    return gamma * mean.abs() + delta


def draw_noise(
    mean: Tensor, gamma: float, delta: float, normal: Tensor | None = None
) -> NoiseDraw:
    """eps = mean + (gamma |mean| + delta) n, or eps = mean without n (DNE Eq. 2).

    The paper's "scale" is read as a standard deviation [decided].

    Args:
        mean: (B, R, S, V, D) NDC or metres.
        gamma: relative part of the standard deviation.
        delta: constant part, in the mean's unit.
        normal: standard normal draws of the same shape; None at inference.
    """
    scale = noise_scale(mean, gamma, delta)
    if normal is None:
        normal = torch.zeros_like(mean)
    density = -0.5 * normal**2 - scale.log() - 0.5 * math.log(2 * math.pi)
    return NoiseDraw(mean + scale * normal, density.sum((-1, -2)), normal)


class StageDraws:
    """Standard normal draws of one stage, keyed by image where keys are known.

    Args:
        num_samples: R; the draws have shape (B, R, S, V, D).
        keys: (B,) int64 from :func:`batch_keys`, or None for torch's generator.
        stream: number that tells the stage's draws from another stage's.
    """

    def __init__(self, num_samples: int, keys: Tensor | None, stream: int) -> None:
        self.num_samples, self.keys, self.stream = num_samples, keys, stream

    def normal(self, mean: Tensor) -> Tensor:
        """Draws of shape (B, R, *mean.shape[2:])."""
        shape = (self.num_samples, *mean.shape[2:])
        if self.keys is None:
            return torch.randn(len(mean), *shape, dtype=mean.dtype, device=mean.device)
        keys = fold_in(self.keys, 8 * self.stream + mean.shape[-1])
        return normal_from_keys(keys, shape, mean.dtype)
