"""SHA-256 of files and of tensors: whether something is still what it was."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

READ_AT_ONCE = 1 << 20  # bytes


def content_hash(path: str | Path) -> str:
    """Of a file's bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while part := file.read(READ_AT_ONCE):
            digest.update(part)
    return digest.hexdigest()


def short_hash(path: str | Path) -> int:
    """The first 64 bits of :func:`content_hash`, for a column of an index."""
    return int(content_hash(path)[:16], 16)


def tensor_hash(tensors: Iterable[Tensor]) -> str:
    """Of tensors' numbers as float32, one after the other, in hexadecimal digits."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()
