"""Precision of the parts that must not run in half precision."""

from torch import Tensor

HALF_TYPES = frozenset({'torch.float16', 'torch.bfloat16'})


def at_least_fp32(tensor: Tensor) -> Tensor:
    """float16 and bfloat16 become float32; float32 and float64 stay as they are."""
    return tensor.float() if str(tensor.dtype) in HALF_TYPES else tensor
