"""Normal samples that depend on keys alone, not on a generator's history.

A key is an int64 per image, made of (seed, iteration, data set index). The noise of an
image is therefore the same on every rank, device, batch size and after a resume. The
generator is splitmix64 (Steele et al., OOPSLA 2014) on (key, counter) and Box-Muller.

Keys stay on the host, in NumPy's unsigned integers: a device has nothing to do for
numbers that the host knows. They are hashed with their counters where the samples are
to be: on a CPU by NumPy, and torch is asked for logarithm, root, cosine and sine alone,
on another device operator by operator in int64, or by one kernel
(:mod:`.fused_normal`).
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.logging import MessageHub
from torch import Tensor

_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_UNSIGNED = (1 << 64) - 1
_BLOCK = 1 << 14  # counters that are hashed at a time: they stay in the cache
STEP = 2.0**-53  # 53 bits fill a float64's mantissa
FULL_TURN = 2 * math.pi


def fold_in(keys: Sequence[int], *numbers: int) -> np.ndarray:
    """New keys from keys and one integer after the other.

    Args:
        keys: (B) int64.
        numbers: to fold in.
    Returns: (B,) int64.
    """
    keys = np.array(keys, np.int64).view(np.uint64)
    for number in numbers:
        mixed = np.array([int(number) & _UNSIGNED], np.uint64) + np.uint64(_GOLDEN)
        keys = _mixed(keys * np.uint64(_GOLDEN) + _mixed(mixed))
    return keys.view(np.int64)


def _mixed(value: np.ndarray, room: np.ndarray | None = None) -> np.ndarray:
    """splitmix64's output function of uint64, in place; ``room``: as much memory."""
    room = np.empty_like(value) if room is None else room
    for bits, factor in ((30, _MIX_1), (27, _MIX_2)):
        value ^= np.right_shift(value, np.uint64(bits), out=room)
        value *= np.uint64(factor)
    value ^= np.right_shift(value, np.uint64(31), out=room)
    return value


def uniform_from_keys(keys: np.ndarray, count: int) -> np.ndarray:
    """Uniform samples in (0, 1): (B,) int64 keys -> (B, count) float64."""
    starts = _mixed(np.array(keys, np.int64).view(np.uint64))
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    found = np.empty((len(starts), count))
    bits, room = np.empty((2, min(count, _BLOCK)), np.uint64)
    for begin in range(0, count, _BLOCK):
        part = steps[begin : begin + _BLOCK]
        value, beside = bits[: len(part)], room[: len(part)]
        for row, start in zip(found[:, begin : begin + _BLOCK], starts):
            _mixed(np.add(part, start, out=value), beside)
            value >>= np.uint64(11)
            # Half a step keeps 0 and 1 out.
            np.add(value.view(np.int64), 0.5, out=row)
            row *= STEP
    return found


def normal_from_keys(
    keys: np.ndarray,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = 'cpu',
    fused: bool = False,
) -> Tensor:
    """Standard normal samples: (B,) int64 keys -> (B, *shape).

    The same on every device to the last bits of logarithm, cosine and sine.

    Args:
        keys: (B,) int64, one per image.
        shape: shape of one image's samples.
        dtype: of the result; the samples are computed in float64.
        device: of the result.
        fused: by one kernel there, which needs Triton.
    """
    count = math.prod(shape)
    pairs = (count + 1) // 2
    if fused:
        starts = _starts(keys, device)
        normal = torch.empty(len(keys), 2 * pairs, dtype=dtype, device=device)
        launch(starts, normal, pairs)
    elif is_host(device):
        normal = _normal_by_numpy(keys, pairs, dtype)
    else:
        normal = _normal_by_operators(_starts(keys, device), pairs, dtype)
    return normal[:, :count].reshape(len(keys), *shape)


def is_host(device: torch.device | str) -> bool:
    """Whether what NumPy computes is there already."""
    return torch.device(device).type == 'cpu'


def launch(starts: Tensor, normal: Tensor, pairs: int) -> None:
    """Start the kernel; Triton is imported with the first. Arguments as there."""
    from .fused_normal import start

    start(starts, normal, pairs)


def _starts(keys: np.ndarray, device: torch.device | str) -> Tensor:
    """(B,) int64 that counters are added to, on a device."""
    starts = _mixed(np.array(keys, np.int64).view(np.uint64)).view(np.int64)
    # Without blocking: the device may still be busy with the step before.
    return torch.from_numpy(starts).to(device, non_blocking=True)


def _normal_by_numpy(keys: np.ndarray, pairs: int, dtype: torch.dtype) -> Tensor:
    """(B, 2 pairs), four calls of torch's, whose functions round in their own way."""
    uniform = uniform_from_keys(keys, 2 * pairs)
    radius, angle = uniform[:, :pairs], uniform[:, pairs:]
    torch.from_numpy(radius).log_()
    radius *= -2
    torch.from_numpy(radius).sqrt_()
    angle *= FULL_TURN
    turn = torch.from_numpy(angle)
    single = dtype == torch.float32
    normal = np.empty((len(keys), 2 * pairs), np.float32 if single else np.float64)
    for half, part in ((turn.cos(), slice(pairs)), (turn.sin(), slice(pairs, None))):
        np.multiply(radius, half.numpy(), out=normal[:, part], casting='same_kind')
    return torch.from_numpy(normal).to(dtype)


def _normal_by_operators(starts: Tensor, pairs: int, dtype: torch.dtype) -> Tensor:
    """(B, 2 pairs) in int64 that wraps around, where torch has no unsigned shifts."""
    counter = torch.arange(1, 2 * pairs + 1, device=starts.device)
    bits = torch.add(starts[:, None], counter, alpha=_signed(_GOLDEN))
    for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
        bits ^= _shift_right(bits, shift)
        bits *= _signed(factor)
    bits ^= _shift_right(bits, 31)
    uniform = _shift_right(bits, 11).double().add_(0.5).mul_(STEP)
    radius = uniform[:, :pairs].log().mul_(-2).sqrt_()
    angle = uniform[:, pairs:] * FULL_TURN
    return torch.cat([radius * angle.cos(), radius * angle.sin()], 1).to(dtype)


def _shift_right(value: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64 (torch's is arithmetic)."""
    return (value >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    """The int64 of the same bits."""
    return value - (1 << 64) if value >> 63 else value


def batch_keys(data_samples: Sequence) -> np.ndarray | None:
    """One key per image from (seed, iteration, data set index), the same on any rank.

    Seed and iteration are what MMEngine's runner publishes; outside a runner, or for
    samples without ``sample_idx``, there is nothing to key by and the result is None:
    the caller then uses torch's generator.

    Args:
        data_samples: the batch.
    Returns: (B,) int64, on the host, or None.
    """
    hub = MessageHub.get_current_instance()
    seed, iteration = hub.get_info('seed'), hub.get_info('iter')
    indices = [sample.metainfo.get('sample_idx') for sample in data_samples]
    if seed is None or iteration is None or any(index is None for index in indices):
        return None
    return fold_in(indices, seed, iteration)
