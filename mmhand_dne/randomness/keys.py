"""Normal samples that depend on keys alone, not on a generator's history.

A key is an int64 per image, made of (seed, iteration, data set index). The noise of an
image is therefore the same on every rank, device, batch size and after a resume. The
generator is splitmix64 (Steele et al., OOPSLA 2014) on (key, counter), vectorised in
int64 with wrap-around, and Box-Muller.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.logging import MessageHub
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as int64
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_UNSIGNED = (1 << 64) - 1


def _shift_right(value: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64 (torch's is arithmetic)."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _mix(value: Tensor) -> Tensor:
    """splitmix64's output function."""
    value = (value ^ _shift_right(value, 30)) * _MIX_1
    value = (value ^ _shift_right(value, 27)) * _MIX_2
    return value ^ _shift_right(value, 31)


def _mixed_integer(value: int) -> int:
    """:func:`_mix` of ``value + _GOLDEN``, on the host: nothing goes to a device."""
    value = (value + _GOLDEN) & _UNSIGNED
    value = ((value ^ (value >> 30)) * _MIX_1) & _UNSIGNED
    value = ((value ^ (value >> 27)) * _MIX_2) & _UNSIGNED
    value ^= value >> 31
    return value - (1 << 64) if value >> 63 else value


def fold_in(keys: Tensor, data: int | Tensor) -> Tensor:
    """New keys from keys and an integer (or an int64 tensor that broadcasts)."""
    if isinstance(data, Tensor):
        mixed = _mix(data.long() + _GOLDEN)
    else:
        mixed = _mixed_integer(int(data))
    return _mix(keys * _GOLDEN + mixed)


def folded(indices: Sequence[int], *numbers: int) -> np.ndarray:
    """:func:`fold_in` of one number after the other, on the host: a device has nothing
    to do for keys that the host knows.

    Args:
        indices: (B) keys to begin with.
        numbers: to fold in.
    Returns: (B,) int64.
    """
    keys = np.asarray(indices, np.int64).view(np.uint64)
    for number in numbers:
        mixed = np.uint64(_mixed_integer(int(number)) & _UNSIGNED)
        keys = keys * np.uint64(_GOLDEN & _UNSIGNED) + mixed
        for bits, factor in ((30, _MIX_1), (27, _MIX_2)):
            keys = (keys ^ (keys >> np.uint64(bits))) * np.uint64(factor & _UNSIGNED)
        keys = keys ^ (keys >> np.uint64(31))
    return keys.view(np.int64)


def uniform_from_keys(keys: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Uniform samples in (0, 1), float64: (B,) keys -> (B, *shape)."""
    count = math.prod(shape)
    counter = torch.arange(1, count + 1, device=keys.device)
    bits = _mix(_mix(keys)[:, None] + counter * _GOLDEN)
    # 53 bits fill a float64's mantissa; half a step keeps 0 and 1 out.
    uniform = (_shift_right(bits, 11).double() + 0.5) * 2.0**-53
    return uniform.view(len(keys), *shape)


def normal_from_keys(
    keys: Tensor, shape: tuple[int, ...], dtype: torch.dtype = torch.float32
) -> Tensor:
    """Standard normal samples: (B,) int64 keys -> (B, *shape).

    Args:
        keys: (B,) int64, one per image.
        shape: shape of one image's samples.
        dtype: of the result; the samples are computed in float64.
    """
    pairs = uniform_from_keys(keys, (2, (math.prod(shape) + 1) // 2))
    radius = torch.sqrt(-2 * torch.log(pairs[:, 0]))
    angle = 2 * math.pi * pairs[:, 1]
    normal = torch.cat([radius * angle.cos(), radius * angle.sin()], 1).to(dtype)
    return normal[:, : math.prod(shape)].reshape(len(keys), *shape)


def batch_keys(data_samples: Sequence, device: torch.device | str) -> Tensor | None:
    """One key per image from (seed, iteration, data set index), the same on any rank.

    Seed and iteration are what MMEngine's runner publishes; outside a runner, or for
    samples without ``sample_idx``, there is nothing to key by and the result is None:
    the caller then uses torch's generator.

    Args:
        data_samples: the batch.
        device: of the result.
    Returns: (B,) int64 or None.
    """
    hub = MessageHub.get_current_instance()
    seed, iteration = hub.get_info('seed'), hub.get_info('iter')
    indices = [sample.metainfo.get('sample_idx') for sample in data_samples]
    if seed is None or iteration is None or any(index is None for index in indices):
        return None
    keys = torch.from_numpy(folded(indices, seed, iteration))
    # Without blocking: the device may still be busy with the step before.
    return keys.to(device, non_blocking=True)
