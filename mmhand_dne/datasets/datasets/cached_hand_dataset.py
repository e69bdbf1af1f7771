"""Crops of one hand as a frozen network's feature maps, which were computed before."""

from collections.abc import Sequence

import numpy as np
import torch
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS
from mmpose.structures import PoseDataSample

from mmhand_dne.datasets.readers.feature_cache import (
    FeatureCache,
    metainfo_of,
    open_cache,
    unpack_labels,
)
from mmhand_dne.datasets.readers.index_file import Table
from mmhand_dne.errors import UserError

from .hand_mesh_dataset import metainfo_named, quiet_metainfo
from .indexed_dataset import IndexedDataset

HARD = 'hard'  # metainfo: what makes an image hard, see Recipe.tagged
PARTS = ('plain', 'hard')  # names by which HandSetsEvaluator tells crops apart


@DATASETS.register_module()
class CachedHandDataset(IndexedDataset):
    """Feature maps and ground truth of crops that ``cache_features.py`` has seen.

    There are no images and no pipeline: what a training without augmentation repeats
    in every epoch, decoding, cropping and the frozen network, was done once. An entry's
    ``inputs`` are the maps of some levels, flattened one after the other, (K,) float16;
    :class:`CachedFeaturesPreprocessor` stacks them and :class:`CachedFeatures` gives
    them their shapes again.

    Args:
        folder: of the cache.
        levels: which of the network's maps to read; a head on the pooled token does
            not need the others.
        hard: True keeps the crops of images with something before or in the hand or
            out of focus, False all other ones, None both.

    ``hard`` crops and ``plain`` ones are two sets to :class:`HandSetsEvaluator`.

    Other arguments: see MMEngine's ``BaseDataset``.

    Raises:
        ValueError: there is no finished cache, or it has no such level.
    """

    METAINFO = metainfo_named('rendered')
    num_vertices = 778

    def __init__(
        self, folder: str, levels: Sequence[int], hard: bool | None = None, **kwargs
    ) -> None:
        self.folder, self.levels, self.hard = folder, tuple(levels), hard
        super().__init__(**kwargs)

    def load_table(self) -> Table:
        """The cache's rows; its arrays stay on the disk."""
        self.cache: FeatureCache = open_cache(self.folder)
        known = len(self.cache.levels)
        for level in self.levels:
            if not 0 <= level < known:
                raise UserError(
                    f'CachedHandDataset: levels are {self.levels}, {self.folder} has '
                    f'0 to {known - 1}'
                )
        return Table(dict(id=np.arange(len(self.cache.samples))), {})

    def select_rows(self) -> np.ndarray:
        """All crops, or those whose image is hard, or is not."""
        rows = super().select_rows()
        if self.hard is None:
            return rows
        hard = [is_hard(metainfo_of(line)) for line in self.cache.samples]
        return rows[np.array(hard) == self.hard]

    def read_row(self, row: int) -> dict:
        """One crop, packed."""
        maps = [self.cache.levels[level][row].ravel() for level in self.levels]
        told = metainfo_of(self.cache.samples[row])
        told['dataset_name'] = PARTS[is_hard(told)]
        sample = PoseDataSample(metainfo=told)
        sample.gt_instance_labels = unpack_labels(
            self.cache.labels[row], self.num_vertices
        )
        return dict(inputs=torch.from_numpy(np.concatenate(maps)), data_samples=sample)

    def get_data_info(self, idx: int) -> dict:
        """As :meth:`read_row`; the sample knows its position in the set."""
        info = super().get_data_info(idx)
        info['data_samples'].set_metainfo(dict(sample_idx=info.pop('sample_idx')))
        return info

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        with quiet_metainfo():
            return parse_pose_metainfo({**cls.METAINFO, **(metainfo or {})})


def is_hard(metainfo: dict) -> bool:
    """Whether something makes the image of a crop hard."""
    return bool(len(metainfo[HARD]))
