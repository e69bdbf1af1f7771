"""Exclusive timing of nested calls, and of the parts of a backward pass."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor

BACKWARD = ' backward'  # ends the name of a part's seconds in the backward pass


class Stopwatch:
    """Seconds spent in named parts; a part inside another is not counted twice.

    Args:
        cuda: wait for the device before reading the clock.

    Example:
        >>> watch = Stopwatch(cuda=False)
        >>> watch.wrap(model.backbone, 'forward', 'backbone', lambda levels: levels[0])
        >>> watch.wrap_backward(optimiser, 'backward', first='losses')
    """

    def __init__(self, cuda: bool):
        self.cuda = cuda
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []  # seconds of the parts inside each open part
        self._marks: list[tuple[float, str]] = []  # since when the gradient is where

    def wrap(
        self, owner, attribute: str, name: str, output: Callable | None = None
    ) -> None:
        """Replace ``owner.attribute``, a callable, by its timed self.

        Args:
            output: picks the tensor of its result that tells, by the arrival of its
                gradient, since when the backward pass is in this part.
        """
        function = self.timed(getattr(owner, attribute), name)
        if output is not None:
            function = self._marking(function, name, output)
        setattr(owner, attribute, function)

    def wrap_backward(self, owner, attribute: str, first: str) -> None:
        """Time a backward pass part by part; what comes first is named ``first``."""
        function = getattr(owner, attribute)

        def call(*args, **kwargs):
            self._marks = [(self._now(), first)]
            result = function(*args, **kwargs)
            ends = [start for start, _ in self._marks[1:]] + [self._now()]
            for (start, name), end in zip(self._marks, ends):
                self.seconds[name + BACKWARD] += end - start
            if self._inside:
                self._inside[-1] += ends[-1] - self._marks[0][0]
            return result

        setattr(owner, attribute, call)

    def timed(self, function: Callable, name: str) -> Callable:
        """The function, its own seconds added to ``name`` at each call."""

        @functools.wraps(function)
        def call(*args, **kwargs):
            start = self._now()
            self._inside.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                elapsed = self._now() - start
                self.seconds[name] += elapsed - self._inside.pop()
                if self._inside:
                    self._inside[-1] += elapsed

        return call

    def take(self) -> dict[str, float]:
        """The seconds since the last call, by name, in order of completion."""
        taken, self.seconds = dict(self.seconds), defaultdict(float)
        return taken

    def _marking(self, function: Callable, name: str, output: Callable) -> Callable:
        @functools.wraps(function)
        def call(*args, **kwargs):
            result = function(*args, **kwargs)
            tensor: Tensor = output(result)
            if tensor.requires_grad:
                tensor.register_hook(lambda _: self._marks.append((self._now(), name)))
            return result

        return call

    def _now(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter()
