"""What depends on a tensor's type and device: precision, and reads that wait."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from mmhand_dne.errors import UserError

PRECISIONS = ('fp32', 'bf16')  # of a network that only predicts
Nested = TypeVar('Nested')
HALF_TYPES = frozenset({'torch.float16', 'torch.bfloat16'})


def at_least_fp32(tensor: Tensor) -> Tensor:
    """float16 and bfloat16 become float32; float32 and float64 stay as they are."""
    return tensor.float() if str(tensor.dtype) in HALF_TYPES else tensor


def reading_is_free(tensor: Tensor) -> bool:
    """Whether a number of the tensor can be had at once: only where it is the CPU's.

    A read from any other device waits until all that was asked of it before is done,
    and the device then waits for what comes next.
    """
    return tensor.device.type == 'cpu'


def set_precision(network: nn.Module, precision: str) -> None:
    """Let a network that only predicts compute with 32 or 16 bits.

    With 'bf16' its weights are stored in bfloat16, which halves their memory; autocast
    would keep a second copy of them beside those in float32. It takes and gives float32
    as before.

    Args:
        network: changed in place, once.
        precision: 'fp32' leaves it as it is.

    Raises:
        ValueError: the precision has another name.
    """
    if precision not in PRECISIONS:
        raise UserError(f'precision {precision!r}; choose from {list(PRECISIONS)}')
    if precision == 'fp32':
        return
    network.to(torch.bfloat16)
    network.register_forward_pre_hook(lambda _, given: _to(given, torch.bfloat16))
    network.register_forward_hook(lambda _, given, found: _to(found, torch.float32))


def _to(values: Nested, dtype: torch.dtype) -> Nested:
    """The floating-point tensors of a nest of tuples, lists and dicts in a type."""
    if isinstance(values, Tensor):
        return values.to(dtype) if values.is_floating_point() else values
    if isinstance(values, dict):
        return {name: _to(value, dtype) for name, value in values.items()}
    if isinstance(values, tuple) and hasattr(values, '_fields'):
        return type(values)(*(_to(value, dtype) for value in values))
    if isinstance(values, (tuple, list)):
        return type(values)(_to(value, dtype) for value in values)
    return values
