"""Caches of a few crops with random features, without images or networks."""

import torch

from mmhand_dne.datasets.readers.feature_cache import FeatureCacheWriter
from tests.fake_samples import one_hand_samples

SHAPES = [(24, 56, 56), (40, 28, 28), (112, 14, 14), (192, 7, 7), (2304, 1, 1)]
VERTICES = 778


def random_levels(count, shapes=tuple(SHAPES), seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [torch.rand(count, *shape, generator=draw) for shape in shapes]


def tagged_samples(count, seed=0):
    """One-hand samples of 224 pixels, every other one of a hard image."""
    samples = one_hand_samples(count, 224, seed)
    for i, sample in enumerate(samples):
        sample.set_metainfo(dict(hard=['held'] if i % 2 else []))
        sample.set_metainfo(dict(hand_type=torch.ones(1, 2) if i % 3 else [[1, 0]]))
    return samples


def write_cache(folder, count, seed=0, shapes=tuple(SHAPES)):
    """A finished cache; its levels."""
    levels = random_levels(count, shapes, seed)
    writer = FeatureCacheWriter(folder, dict(seed=seed), count, shapes, VERTICES)
    writer.append(levels, tagged_samples(count, seed))
    return levels
