"""Randomness of a data pipeline that depends on (seed, epoch, index) alone."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType

import numpy as np
import torch

from mmhand_dne.errors import UserError

WORD = 1 << 32


class SampleKey(int):
    """A data set index that carries the seed and the epoch it is sampled in.

    It behaves as the plain index everywhere and survives the way to a worker. Wrappers
    of data sets (concatenation, repetition) subtract and divide: the result keeps the
    key of the whole set's index.

    Attributes:
        seed, epoch: of the run and its epoch.
        origin: the index that the sampler chose.
    """

    seed: int
    epoch: int
    origin: int

    def __new__(
        cls, index: int, seed: int, epoch: int, origin: int | None = None
    ) -> 'SampleKey':
        key = super().__new__(cls, index)
        key.seed, key.epoch = int(seed), int(epoch)
        key.origin = int(index if origin is None else origin)
        return key

    def __reduce__(self) -> tuple:
        return SampleKey, (int(self), self.seed, self.epoch, self.origin)

    def _moved(self, index: int) -> 'SampleKey':
        return SampleKey(index, self.seed, self.epoch, self.origin)

    def __sub__(self, other: int) -> 'SampleKey':
        return self._moved(int(self) - int(other))

    def __mod__(self, other: int) -> 'SampleKey':
        return self._moved(int(self) % int(other))


class _Own:
    """The generator of our transforms where it is not NumPy's own."""

    generator = np.random.RandomState(0)
    used = False


def draws() -> np.random.RandomState | ModuleType:
    """What our transforms draw from: NumPy's global generator, ``np.random``, or the
    one that :func:`draws_by` has seeded.
    """
    return _Own.generator if _Own.used else np.random


class draws_by:
    """Seed :func:`draws` alone, for pipelines of our own transforms.

    The numbers are those of :func:`seeded_by`, without its saving and restoring of
    three generators, a fifth of the time that such a sample takes.

    Args:
        key: of the sample.
    """

    def __init__(self, key: SampleKey) -> None:
        self.key = key

    def __enter__(self) -> None:
        _Own.generator.seed(_seeds(self.key)[1])
        _Own.used = True

    def __exit__(self, *raised: object) -> None:
        _Own.used = False


def _seeds(key: SampleKey) -> np.ndarray:
    """Of Python's, NumPy's and torch's generator, (3,) uint32."""
    numbers = key.seed, key.epoch, key.origin
    if 0 <= min(numbers) and max(numbers) < WORD:
        # What NumPy makes of the three, in half the time.
        numbers = np.array(numbers, np.uint32)
    return np.random.SeedSequence(numbers).generate_state(3, np.uint32)


@contextmanager
def seeded_by(key: SampleKey) -> Iterator[None]:
    """Seed Python, NumPy and torch for one sample; afterwards all is as before."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = _seeds(key)
    random.seed(int(words[0]))
    np.random.seed(words[1])
    torch.random.default_generator.manual_seed(int(words[2]))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def shuffled(position: int, size: int, *key: int) -> int:
    """The entry at a position of a random order of 0 ... size - 1.

    Args:
        position: 0 ... size - 1.
        size: of the set, at least 1.
        key: of the order, integers >= 0; each gives another one.
    Raises:
        ValueError: the position is outside of the set.
    """
    if not 0 <= position < size:
        raise UserError(
            f'position {position} is outside of a set of {size}, expected 0 to '
            f'{size - 1}'
        )
    return int(_order(size, *key)[position])


# An epoch of several sets goes through one order of each, or a few of a small one; the
# largest set, of 1.4 million entries, takes 11 MB and a seventh of a second.
@lru_cache(maxsize=16)
def _order(size: int, *key: int) -> np.ndarray:
    return np.random.default_rng(list(key)).permutation(size)
