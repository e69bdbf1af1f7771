"""The noise distributions of DNE Eq. 2 and draws from them."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmhand_dne.randomness.keys import fold_in, normal_from_keys

from . import fused_stage


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


class NoiseDraws:
    """Standard normal draws of a step's stages, keyed by image where keys are known.

    Those of one shape are made for all stages at once, when the first asks.

    Args:
        num_samples: R; the draws of a stage have shape (B, R, S, V, D).
        keys: (B,) int64 from :func:`batch_keys`, or None for torch's generator.
        num_stages: M.
        fused: by one kernel, on CUDA with Triton alone; torch's generator has its own.
    """

    def __init__(
        self,
        num_samples: int,
        keys: np.ndarray | None,
        num_stages: int = 1,
        fused: bool = False,
    ) -> None:
        self.num_samples, self.keys, self.fused = num_samples, keys, fused
        self.num_stages, self.drawn = num_stages, {}

    def of_stage(self, number: int) -> 'StageDraws':
        """What the stage of that number, from 0 on, draws."""
        return StageDraws(self, number)

    def normal(self, number: int, mean: Tensor) -> Tensor:
        """Draws of a stage for means (B, 1 or R, S, V, D): (B, R, S, V, D)."""
        shape = (self.num_samples, *mean.shape[2:])
        if self.keys is None:
            return torch.randn(len(mean), *shape, dtype=mean.dtype, device=mean.device)
        kind = shape, mean.dtype, mean.device
        if kind not in self.drawn:
            self.drawn[kind] = self._all_stages(*kind)
        return self.drawn[kind][number]

    def _all_stages(
        self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        """(M, B, *shape)."""
        if self.fused:
            fused_stage.require_kernels(device)
        streams = (8 * stage + shape[-1] for stage in range(self.num_stages))
        keys = np.concatenate([fold_in(self.keys, stream) for stream in streams])
        normal = normal_from_keys(keys, shape, dtype, device, self.fused)
        return normal.unflatten(0, (self.num_stages, -1))


class StageDraws(NamedTuple):
    """Standard normal draws of one stage.

    Attributes:
        shared: those of all stages.
        number: the stage's, from 0 on.
    """

    shared: NoiseDraws
    number: int

    def normal(self, mean: Tensor) -> Tensor:
        """Draws of shape (B, R, *mean.shape[2:])."""
        return self.shared.normal(self.number, mean)
