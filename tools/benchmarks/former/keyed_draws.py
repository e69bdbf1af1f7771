"""Keyed draws as they were at first: operator by operator in int64."""

import math
from collections.abc import Sequence

import torch
from mmengine.logging import MessageHub
from torch import Tensor

from mmhand_dne.models.data_preprocessors.gaussian_noise import (
    NOISE_STREAM,
    BatchGaussianNoise,
)
from mmhand_dne.models.estimators import hand_mesh_estimator
from mmhand_dne.models.layers.noise_model import NoiseDraws

GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as int64
MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def shift_right(value: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64 (torch's is arithmetic)."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def mix(value: Tensor) -> Tensor:
    """splitmix64's output function."""
    value = (value ^ shift_right(value, 30)) * MIX_1
    value = (value ^ shift_right(value, 27)) * MIX_2
    return value ^ shift_right(value, 31)


def fold_in(keys: Tensor, number: int) -> Tensor:
    """(B,) int64 keys and a number -> new keys."""
    number = torch.as_tensor(number, device=keys.device).long()
    return mix(keys * GOLDEN + mix(number + GOLDEN))


def normal_from_keys(
    keys: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> Tensor:
    """Standard normal samples: (B,) int64 keys -> (B, *shape)."""
    count = math.prod(shape)
    pairs = (count + 1) // 2
    counter = torch.arange(1, 2 * pairs + 1, device=keys.device)
    bits = mix(mix(keys)[:, None] + counter * GOLDEN)
    uniform = (shift_right(bits, 11).double() + 0.5) * 2.0**-53
    radius = torch.sqrt(-2 * torch.log(uniform[:, :pairs]))
    angle = 2 * math.pi * uniform[:, pairs:]
    normal = torch.cat([radius * angle.cos(), radius * angle.sin()], 1).to(dtype)
    return normal[:, :count].reshape(len(keys), *shape)


def batch_keys(data_samples: Sequence, device: torch.device | str = 'cpu') -> Tensor:
    """(B,) int64 of (seed, iteration, data set index), which the hub must have."""
    hub = MessageHub.get_current_instance()
    keys = torch.tensor(
        [sample.metainfo['sample_idx'] for sample in data_samples], device=device
    )
    return fold_in(fold_in(keys, hub.get_info('seed')), hub.get_info('iter'))


def stage_normal(self: NoiseDraws, number: int, mean: Tensor) -> Tensor:
    """``NoiseDraws.normal``, a stage at a time."""
    keys = torch.as_tensor(self.keys, device=mean.device)
    keys = fold_in(keys, 8 * number + mean.shape[-1])
    return normal_from_keys(keys, (self.num_samples, *mean.shape[2:]), mean.dtype)


def noisy(
    self: BatchGaussianNoise, inputs: Tensor, data_samples: list
) -> tuple[Tensor, list]:
    """``BatchGaussianNoise.forward``."""
    keys = fold_in(batch_keys(data_samples, inputs.device), NOISE_STREAM)
    noise = normal_from_keys(keys, tuple(inputs.shape[1:]), inputs.dtype)
    return inputs + self.std * noise, data_samples


def use_former_draws() -> None:
    """Replace them, in this process for good."""
    NoiseDraws.normal, BatchGaussianNoise.forward = stage_normal, noisy
    hand_mesh_estimator.batch_keys = batch_keys
