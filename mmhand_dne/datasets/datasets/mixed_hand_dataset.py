"""Data sets mixed in given shares, whatever their sizes."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from mmengine.logging import print_log
from mmpose.datasets import CombinedDataset
from mmpose.registry import DATASETS

from mmhand_dne.errors import UserError
from mmhand_dne.randomness.pipeline import SampleKey, shuffled

from .hand_mesh_dataset import HandMeshDataset, quiet_metainfo


@DATASETS.register_module()
class MixedHandDataset(CombinedDataset):
    """MMPose's combination of data sets with shares that are exact and repeatable.

    An epoch has a fixed number of samples of each set. Which ones goes on from epoch to
    epoch: every entry of a set is used once, in a random order, before any is used
    again. The choice depends on the key of :class:`KeyedSampler` alone (seed, epoch,
    index): it is the same for any number of processes and workers and after a resume.
    MMPose's own ``sample_ratio_factor`` uses the worker's generator and is not.

    Each set keeps its own pipeline, whose last step packs the sample. An index without
    a key (of another sampler) is taken as of epoch 0, and a warning says so once.

    Args:
        datasets: configs.
        shares: relative weights of the sets, as [0.25, 0.25, 0.05]; 0 leaves a set
            out. None: every entry of every set once per epoch.
        epoch_length: samples per epoch; by default as many as the sets have together.
            Only with shares.

    Example:
        >>> mixed = MixedHandDataset(
        ...     [dict(type='InterHandMeshDataset', ...), dict(type='HO3DMeshDataset',
        ...      ...)], shares=[3, 1], epoch_length=100_000)
        >>> mixed.lens
        [75000, 25000]
    """

    def __init__(
        self,
        datasets: Sequence[Mapping],
        shares: Sequence[float] | None = None,
        epoch_length: int | None = None,
        metainfo: Mapping = HandMeshDataset.METAINFO,
        **kwargs,
    ) -> None:
        if not datasets:
            raise UserError('MixedHandDataset: datasets is empty, expected some')
        if shares is None and epoch_length is not None:
            raise UserError(
                f'MixedHandDataset: epoch_length is {epoch_length} without shares; '
                'give shares, or leave it out to use every entry once'
            )
        if shares is not None:
            _check_shares(shares, len(datasets), epoch_length)
        with quiet_metainfo():
            super().__init__(dict(metainfo), list(datasets), **kwargs)
        self.shares, self._warned = shares, False
        self.sizes = list(self._lens)  # of the sets
        if shares is not None:
            self._check_sizes()
            self._lens = split_exactly(epoch_length or sum(self.sizes), shares)
            self._len = sum(self._lens)

    def _check_sizes(self) -> None:
        for number, (share, size) in enumerate(zip(self.shares, self.sizes)):
            if share and not size:
                raise UserError(
                    f'MixedHandDataset: data set {number} has no entries but a share '
                    f'of {share}; set the share to 0 or correct the data set'
                )

    def _get_subset_index(self, index: int) -> tuple[int, int]:
        """Which data set, and its index there, with the key if the index has one."""
        part, inside = super()._get_subset_index(index)
        if self.shares is None:
            return part, inside
        seed, epoch = 0, 0
        if isinstance(index, SampleKey):
            seed, epoch = index.seed, index.epoch
        elif not self._warned:
            self._warned = True
            print_log(
                'MixedHandDataset: indices without keys, every epoch has the same '
                "samples; set sampler=dict(type='KeyedSampler', shuffle=True)",
                'current',
                level=logging.WARNING,
            )
        # How often the set was gone through before, each time in another order.
        size = self.sizes[part]
        rounds, position = divmod(epoch * self._lens[part] + int(inside), size)
        entry = shuffled(position, size, seed, part, rounds)
        if isinstance(index, SampleKey):
            entry = SampleKey(entry, seed, epoch, index.origin)
        return part, entry

    def get_data_info(self, idx: int) -> dict:
        """The chosen entry, before its set's pipeline."""
        part, entry = self._get_subset_index(idx)
        return self.datasets[part].get_data_info(entry)

    def prepare_data(self, idx: int) -> dict:
        """The chosen entry, packed by its set's pipeline."""
        part, entry = self._get_subset_index(idx)
        return self.datasets[part][entry]


def _check_shares(shares: Sequence[float], count: int, length: int | None) -> None:
    numbers = np.asarray(shares, dtype=np.float64)
    if numbers.shape != (count,) or not (
        np.isfinite(numbers).all() and (numbers >= 0).all() and numbers.any()
    ):
        raise UserError(
            f'MixedHandDataset: shares are {list(shares)}, expected {count} numbers >= '
            '0, one per data set, not all 0'
        )
    if length is not None and length < 1:
        raise UserError(
            f'MixedHandDataset: epoch_length is {length}, expected at least 1'
        )


def split_exactly(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers in given proportions whose sum is the total (largest remainder)."""
    exact = total * np.asarray(shares, np.float64) / np.sum(shares)
    counts = np.floor(exact).astype(int)
    rest = np.argsort(counts - exact, kind='stable')[: total - counts.sum()]
    counts[rest] += 1
    return counts.tolist()
