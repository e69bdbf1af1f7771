"""What depends on a tensor's type and device: precision, and reads that wait."""

from torch import Tensor

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
