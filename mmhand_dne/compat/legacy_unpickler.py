"""Weights-only loading of MMEngine's checkpoints with torch 2.1 to 2.5.

Symptom: there ``weights_only=True`` cannot build any class that torch does not know
(2.1 to 2.3), or not under a name of our choice (2.4, 2.5), so no checkpoint of
mmengine resumes. Here the same switch reads through an unpickler that finds torch's
own safe names and ``safe_load.allowed_types()``, and nothing else.
Can go when torch 2.6 is the oldest that we support.
"""

import _compat_pickle
import collections
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import BinaryIO

import torch

from .safe_load import allowed_types, weights_only

# Plain containers that torch's own list has from 2.6 on.
CONTAINERS = {
    'collections.Counter': collections.Counter,  # milestones of MultiStepLR
    'builtins.bytearray': bytearray,
    'builtins.complex': complex,
    'builtins.set': set,
}


class ListedUnpickler(pickle.Unpickler):
    """Unpickler whose only reachable names are the listed ones."""

    extra: dict[str, object] = {}  # qualified name -> what else it stands for

    def __init__(self, file: BinaryIO, **kwargs) -> None:
        super().__init__(file, **kwargs)
        self.listed = {
            **torch._weights_only_unpickler._get_allowed_globals(),
            **CONTAINERS,
            **allowed_types(),
            **self.extra,
        }

    def find_class(self, module: str, name: str) -> object:
        """What a name in the file stands for.

        Raises:
            UnpicklingError: the name is not listed.
        """
        # torch saves with protocol 2, which spells builtins as Python 2 did.
        module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        full_name = f'{module}.{name}'
        if full_name not in self.listed:
            raise pickle.UnpicklingError(f'Unsupported global: GLOBAL {full_name}')
        return self.listed[full_name]


def listed_pickle(names: dict[str, object] | None = None) -> SimpleNamespace:
    """A stand-in for torch's reader that knows these names besides the listed ones."""
    reader = type('NamedUnpickler', (ListedUnpickler,), dict(extra=names or {}))
    return SimpleNamespace(
        __name__='listed_pickle',
        Unpickler=reader,
        UnpicklingError=pickle.UnpicklingError,
        load=lambda file, **kwargs: reader(file, **kwargs).load(),
    )


@contextmanager
def weights_only_before_2_6(
    names: dict[str, object] | None = None,
) -> Iterator[None]:
    """While open, every ``torch.load`` is weights-only and knows the listed types.

    Args:
        names: qualified name in the file -> what it stands for, besides these.
    """
    reader = torch.serialization._weights_only_unpickler
    torch.serialization._weights_only_unpickler = listed_pickle(names)
    try:
        with weights_only():
            yield
    finally:
        torch.serialization._weights_only_unpickler = reader
