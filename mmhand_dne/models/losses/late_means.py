"""One reduction over the processes for all denominators of a forward's losses."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import get_world_size
from torch import Tensor
from torch.utils._pytree import tree_map


class Counts:
    """Numbers of valid elements of this process, and their means over processes."""

    def __init__(self) -> None:
        self.local: list[Tensor] = []
        self.shared: list[Tensor] = []

    def add(self, count: Tensor) -> int:
        """Take a scalar; returns its number."""
        self.local.append(count.detach())
        return len(self.local) - 1

    def mean(self, number: int) -> Tensor:
        """The mean over processes of a scalar, all that were added reduced at once."""
        if number >= len(self.shared):
            waiting = self.local[len(self.shared) :]
            joined = torch.cat([count.reshape(1) for count in waiting])
            torch.distributed.all_reduce(joined)
            joined = joined / get_world_size()
            self.shared += [
                mean.to(count.dtype) for mean, count in zip(joined, waiting)
            ]
        return self.shared[number]


def _later(operation: Callable, swapped: bool = False) -> Callable:
    def method(self: 'LateMean', other: Any) -> 'LateMean':
        pair = (other, self) if swapped else (self, other)
        return LateMean(lambda: operation(*_known(pair)))

    return method


class LateMean:
    """A scalar that is known once the counts of all processes are.

    Sums, differences, products and quotients of it and numbers wait as well. Whatever
    else is done with it reduces the counts there and then: one more reduction, the
    same value.
    """

    def __init__(self, compute: Callable[[], Tensor]) -> None:
        self._compute, self._value = compute, None

    def value(self) -> Tensor:
        """The scalar with its graph."""
        if self._value is None:
            self._value = self._compute()
        return self._value

    __add__, __radd__ = _later(operator.add), _later(operator.add, True)
    __sub__, __rsub__ = _later(operator.sub), _later(operator.sub, True)
    __mul__, __rmul__ = _later(operator.mul), _later(operator.mul, True)
    __truediv__ = _later(operator.truediv)

    def __neg__(self) -> 'LateMean':
        return -1 * self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.value(), name)

    @classmethod
    def __torch_function__(
        cls, function: Callable, types: tuple, args: tuple = (), kwargs: dict = {}
    ) -> Any:
        return function(*_known(args), **_known(kwargs or {}))


def _known(nested: Any) -> Any:
    """With the value in place of each late mean of nested lists, tuples and dicts."""
    return tree_map(lambda x: x.value() if isinstance(x, LateMean) else x, nested)


class _Open:
    """The counts of the forward that this process is in, if it is in one."""

    counts: Counts | None = None


def divide(total: Tensor, count: Tensor, least: float) -> Tensor | LateMean:
    """``total`` over the mean of ``count`` over the processes, at least ``least``."""
    counts = _Open.counts
    late = counts is not None
    counts = counts if late else Counts()
    number = counts.add(count)
    mean = LateMean(lambda: total / counts.mean(number).clamp(min=least))
    return mean if late else mean.value()


def reduced_together(loss: Callable[..., dict]) -> Callable[..., dict]:
    """Decorates a method that returns a dict of losses: their denominators are reduced
    over the processes in one call, after the last one is known.

    Without other processes nothing changes. Within, :func:`masked_mean` returns a
    :class:`LateMean`; what comes out are tensors.
    """

    @functools.wraps(loss)
    def together(*args: Any, **kwargs: Any) -> dict:
        if get_world_size() == 1 or _Open.counts is not None:
            return loss(*args, **kwargs)
        _Open.counts = Counts()
        try:
            return _known(loss(*args, **kwargs))
        finally:
            _Open.counts = None

    return together
