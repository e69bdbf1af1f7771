"""Random draws of a data pipeline that depend on (seed, epoch, index) alone."""
import random
from contextlib import contextmanager

import numpy as np
import torch


class DrawKey(int):
    """A data set index that carries the seed and the epoch it is drawn in.

    It behaves as the plain index everywhere and survives the way to a worker.
    """

    seed: int
    epoch: int

    def __new__(cls, index: int, seed: int, epoch: int):
        key = super().__new__(cls, index)
        key.seed, key.epoch = int(seed), int(epoch)
        return key

    def __reduce__(self):
        return DrawKey, (int(self), self.seed, self.epoch)


@contextmanager
def draws_of(key: DrawKey):
    """Seed Python, NumPy and torch for one sample; afterwards all is as before."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = np.random.SeedSequence(
        [key.seed, key.epoch, int(key)]).generate_state(3, np.uint32)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    torch.random.default_generator.manual_seed(int(words[2]))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
