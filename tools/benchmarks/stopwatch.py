"""Exclusive timing of nested calls."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable

import torch


class Stopwatch:
    """Seconds spent in named parts; a part inside another is not counted twice.

    Args:
        cuda: wait for the device before reading the clock.

    Example:
        >>> watch = Stopwatch(cuda=False)
        >>> watch.wrap(model.backbone, 'forward', 'backbone')
    """

    def __init__(self, cuda: bool):
        self.cuda = cuda
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []  # seconds of the parts inside each open part

    def wrap(self, owner, attribute: str, name: str) -> None:
        """Replace ``owner.attribute``, a callable, by its timed self."""
        setattr(owner, attribute, self.timed(getattr(owner, attribute), name))

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

    def _now(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter()
