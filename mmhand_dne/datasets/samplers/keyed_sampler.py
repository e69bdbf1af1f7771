"""A sampler whose order and augmentation do not depend on the number of processes."""

from collections.abc import Iterator
from functools import partial

from mmengine.dataset import DefaultSampler
from mmpose.registry import DATA_SAMPLERS

from mmhand_dne.randomness.pipeline import SampleKey


@DATA_SAMPLERS.register_module()
class KeyedSampler(DefaultSampler):
    """MMEngine's sampler, yielding indices that carry (seed, epoch).

    Our data sets seed their pipeline by the key, so that a sample's augmentation is
    the same in any process, worker and batch, and after a resume.

    Attributes:
        start: samples of this process to skip in the next iteration, then 0 again.

    Arguments: see ``DefaultSampler``.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.start = 0

    def __iter__(self) -> Iterator[SampleKey]:
        """Indices of this process in the epoch's order."""
        indices = list(super().__iter__())[self.start :]
        self.start = 0
        # One key at a time: a million of them take a third of a gigabyte.
        return map(partial(SampleKey, seed=self.seed, epoch=self.epoch), indices)
