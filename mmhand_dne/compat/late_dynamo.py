"""roma without torch's compiler, until something asks for the compiler.

Symptom: roma wraps two functions in ``torch._dynamo.disable`` while it is imported,
and the name ``torch._dynamo`` alone imports torch's whole compiler: a seventh of the
seconds that the demo needs from the command to the first hand.
Versions: roma 1.8.0, torch 2.13.0; older ones of roma do not wrap them.
Can go when roma imports the compiler where it is used, or torch makes it cheap.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import SimpleNamespace
from typing import Any

import torch


@contextmanager
def late_dynamo() -> Iterator[None]:
    """While it is open, ``torch._dynamo.disable`` takes effect when it is called.

    A function wrapped meanwhile is handed to the real ``torch._dynamo.disable`` at its
    first call. Nothing changes where the compiler is imported already.
    """
    if '_dynamo' in vars(torch):
        yield
        return
    torch._dynamo = SimpleNamespace(disable=_disabled_when_called)
    try:
        yield
    finally:
        del torch._dynamo  # the next to name it imports the real one


def _disabled_when_called(function: Callable) -> Callable:
    disabled: list[Callable] = []

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not disabled:
            disabled.append(torch._dynamo.disable(function))
        return disabled[0](*args, **kwargs)

    return call
