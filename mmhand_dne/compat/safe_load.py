"""Checkpoints load as data, never as code.

Symptom: mmengine 0.10.7 calls ``torch.load`` without ``weights_only``. From torch 2.6
on that refuses the checkpoints that mmengine itself writes (HistoryBuffer, NumPy
arrays), so nothing resumes; and a download through ``torch.hub`` executes whatever the
file asks for.
Versions: mmengine 0.10.7, torch 2.6 to 2.13. Can go when mmengine passes
``weights_only=True`` and registers its own types (0.11 registers them).
"""

import codecs
import os
import pickle
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from mmhand_dne.errors import UserError

from .plain_checkpoint import restore_types

_THREAD = threading.local()  # whether this thread is inside weights_only()
# What torch and pickle raise over a file that is cut short or no checkpoint at all.
UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    LookupError,
    EOFError,
    AttributeError,
    TypeError,
    UnicodeDecodeError,
)
# Numbers, strings and dates; not 'O', whose elements are arbitrary objects.
NUMPY_DTYPES = '?bhilqBHILQefdgFDGSUMm'
STATISTICS = ('min', 'max', 'mean', 'current')


def read_statistic(owner: type, name: str) -> Callable:
    """The one use of ``getattr`` in a checkpoint: a statistic of HistoryBuffer.

    Raises:
        UnpicklingError: the file asks for any other attribute or owner.
    """
    if owner is not HistoryBuffer or name not in STATISTICS:
        raise pickle.UnpicklingError(f'Unsupported global: GLOBAL getattr({name!r})')
    return getattr(owner, name)


def no_bytes() -> bytes:
    """The bytes of an empty NumPy array, such as MMPose's ``sigmas`` of InterHand."""
    return b''


def allowed_types() -> dict[str, object]:
    """Qualified name in the file -> what stands for it, beyond torch's own list."""
    reconstruct, scalar = _numpy_pickle_helpers()
    allowed = {
        'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
        'builtins.getattr': read_statistic,
        'builtins.bytes': no_bytes,
        '_codecs.encode': codecs.encode,  # the bytes of a NumPy scalar or dtype
        'numpy.ndarray': np.ndarray,
        'numpy.dtype': np.dtype,
    }
    for core in ('numpy.core', 'numpy._core'):  # written by NumPy 1, by NumPy 2
        allowed[f'{core}.multiarray._reconstruct'] = reconstruct
        allowed[f'{core}.multiarray.scalar'] = scalar
    for code in NUMPY_DTYPES:
        dtype = type(np.dtype(code))
        allowed[f'{dtype.__module__}.{dtype.__qualname__}'] = dtype
    return allowed


def _numpy_pickle_helpers() -> tuple:
    """NumPy's functions that rebuild an array and a scalar, wherever they live."""
    reconstruct = np.zeros(1).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    return reconstruct, scalar


def refusal(filename: str, error: Exception) -> str:
    """One sentence for a file that weights-only loading refused."""
    found = re.search(r'GLOBAL (\S+)', str(error))
    if found is None:
        reason = f'{type(error).__name__}: {error}'.splitlines()[0]
        return (
            f'{filename}: unreadable checkpoint ({reason}); write or download it again'
        )
    return (
        f'{filename}: the checkpoint wants to run {found.group(1)}, and only tensors '
        "and plain data are loaded; save its 'state_dict' alone where you trust it"
    )


@contextmanager
def weights_only() -> Iterator[None]:
    """While open, every ``torch.load`` of this thread is weights-only, whatever its
    caller or the environment says. Other threads load as they please.
    """
    before = getattr(_THREAD, 'weights_only', False)
    _THREAD.weights_only = True
    try:
        yield
    finally:
        _THREAD.weights_only = before


def obeying(load: Callable) -> Callable:
    """``torch.load`` that knows :func:`weights_only`."""

    @wraps(load)
    def obedient(*args, **kwargs):
        if getattr(_THREAD, 'weights_only', False):
            kwargs['weights_only'] = True
        return load(*args, **kwargs)

    return obedient


def install_safe_loading() -> None:
    """Route MMEngine's checkpoint loading through weights-only loading, once."""
    if getattr(CheckpointLoader.load_checkpoint, 'weights_only', False):
        return
    pairs = [(value, name) for name, value in allowed_types().items()]
    torch.serialization.add_safe_globals(pairs)
    torch.load = obeying(torch.load)  # what MMEngine's loaders and torch.hub call
    load = CheckpointLoader.load_checkpoint.__func__

    @wraps(load)
    def load_checkpoint(cls, filename, map_location=None, logger='current'):
        try:
            with weights_only():
                content = load(cls, os.fspath(filename), map_location, logger)
            return restore_types(content)
        except UNREADABLE as error:
            raise UserError(refusal(filename, error)) from error

    load_checkpoint.weights_only = True
    CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)
