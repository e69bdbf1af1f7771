"""Random draws of a data pipeline that depend on (seed, epoch, index) alone."""

import random
from contextlib import contextmanager

import numpy as np
import torch


class DrawKey(int):
    """A data set index that carries the seed and the epoch it is drawn in.

    It behaves as the plain index everywhere and survives the way to a worker. Wrappers
    of data sets (concatenation, repetition) subtract and divide: the result keeps the
    key of the whole set's index.

    Attributes:
        seed, epoch: of the run and its epoch.
        origin: the index that the sampler drew.
    """

    seed: int
    epoch: int
    origin: int

    def __new__(cls, index: int, seed: int, epoch: int, origin: int | None = None):
        key = super().__new__(cls, index)
        key.seed, key.epoch = int(seed), int(epoch)
        key.origin = int(index if origin is None else origin)
        return key

    def __reduce__(self):
        return DrawKey, (int(self), self.seed, self.epoch, self.origin)

    def _moved(self, index: int) -> 'DrawKey':
        return DrawKey(index, self.seed, self.epoch, self.origin)

    def __sub__(self, other: int) -> 'DrawKey':
        return self._moved(int(self) - int(other))

    def __mod__(self, other: int) -> 'DrawKey':
        return self._moved(int(self) % int(other))


@contextmanager
def draws_of(key: DrawKey):
    """Seed Python, NumPy and torch for one sample; afterwards all is as before."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = np.random.SeedSequence([key.seed, key.epoch, key.origin]).generate_state(
        3, np.uint32
    )
    random.seed(int(words[0]))
    np.random.seed(words[1])
    torch.random.default_generator.manual_seed(int(words[2]))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
