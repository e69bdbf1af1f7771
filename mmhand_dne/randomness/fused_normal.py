"""Keyed normal samples by one kernel: hash and Box-Muller, nothing between in memory.

**No GPU has run this kernel.** It is tested on a CPU in Triton's interpreter and
compiles for NVIDIA's compute capability 9.0. Importing this module needs Triton, which
comes with torch's CUDA wheels for Linux.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024  # pairs of a program


@triton.jit
def _uniform(start, counter):
    """splitmix64 of a key and its counters, uint64, as float64 in (0, 1)."""
    bits = start + counter * 0x9E3779B97F4A7C15
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB
    bits = (bits ^ (bits >> 31)) >> 11
    return (bits.to(tl.float64) + 0.5) * 1.1102230246251565e-16  # 2**-53


@triton.jit
def _normal(
    starts,  # (B,) int64
    normal,  # (B, 2 pairs)
    pairs,
    BLOCK: tl.constexpr,
):
    """Of each pair of counters: two samples, ``pairs`` apart."""
    key = tl.program_id(0).to(tl.int64)
    pair = tl.program_id(1).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    start = tl.load(starts + key).to(tl.uint64, bitcast=True)
    counter = (pair + 1).to(tl.uint64, bitcast=True)
    radius = tl.sqrt(-2.0 * tl.log(_uniform(start, counter)))
    behind = (pair + 1 + pairs).to(tl.uint64, bitcast=True)
    angle = _uniform(start, behind) * 6.283185307179586  # 2 pi
    into, inside = normal + key * 2 * pairs + pair, pair < pairs
    kind = normal.dtype.element_ty
    tl.store(into, (radius * tl.cos(angle)).to(kind), mask=inside)
    tl.store(into + pairs, (radius * tl.sin(angle)).to(kind), mask=inside)


def start(starts: Tensor, normal: Tensor, pairs: int) -> None:
    """Fill ``normal``, on its device.

    Args:
        starts: (B,) int64, hashed keys.
        normal: (B, 2 pairs), contiguous, of any float type; computed in float64.
        pairs: of samples.
    """
    if not normal.numel():
        return
    with torch.cuda.device_of(normal):
        _normal[len(starts), triton.cdiv(pairs, BLOCK)](
            starts, normal, pairs, BLOCK=BLOCK
        )
