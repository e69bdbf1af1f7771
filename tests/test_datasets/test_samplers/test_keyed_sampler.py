"""Order and draws depend on (seed, epoch, index), on nothing else."""

import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset, pseudo_collate
from mmengine.dataset import sampler as mmengine_sampler
from torch.utils.data import DataLoader

from mmhand_dne.datasets.samplers import KeyedSampler
from mmhand_dne.randomness.pipeline import SampleKey, seeded_by


@pytest.fixture
def sampler_of(monkeypatch):
    """A sampler as process ``rank`` of ``world`` builds it."""

    def make(size=11, rank=0, world=1, **arguments):
        info = lambda: (rank, world)  # noqa: E731
        monkeypatch.setattr(mmengine_sampler, 'get_dist_info', info)
        return KeyedSampler(range(size), **{'seed': 3, **arguments})

    return make


def drawn(sampler, epoch=0):
    sampler.set_epoch(epoch)
    return [(int(key), key.seed, key.epoch) for key in sampler]


@pytest.mark.parametrize('shuffle', [True, False])
def test_two_processes_take_turns_in_the_order_of_one(sampler_of, shuffle):
    for epoch in (0, 1):
        one = drawn(sampler_of(12, shuffle=shuffle), epoch)
        parts = [drawn(sampler_of(12, r, 2, shuffle=shuffle), epoch) for r in (0, 1)]
        assert [key for pair in zip(*parts) for key in pair] == one
        assert sorted(index for index, *_ in one) == list(range(12))


def test_epoch_and_seed_change_order_and_keys(sampler_of):
    first = drawn(sampler_of())
    assert first == drawn(sampler_of()) and {key[1:] for key in first} == {(3, 0)}
    for other in (drawn(sampler_of(), epoch=1), drawn(sampler_of(seed=4))):
        assert [key[0] for key in other] != [key[0] for key in first]
    assert {key[2] for key in drawn(sampler_of(), epoch=1)} == {1}


def test_skipped_samples_are_left_out_once(sampler_of):
    sampler = sampler_of()
    whole = drawn(sampler)
    sampler.start = 4
    assert drawn(sampler) == whole[4:]
    assert drawn(sampler) == whole and len(sampler) == 11


def test_processes_get_equally_many(sampler_of):
    parts = [drawn(sampler_of(11, rank, 2)) for rank in (0, 1)]
    assert [len(part) for part in parts] == [6, 6]
    parts = [drawn(sampler_of(11, rank, 2, round_up=False)) for rank in (0, 1)]
    assert [len(part) for part in parts] == [6, 5]


def test_a_key_survives_pickling_and_wrapped_data_sets():
    key = SampleKey(9, seed=3, epoch=2)
    assert key == 9 and list(range(20))[key] == 9
    for other in (pickle.loads(pickle.dumps(key)), key - 5, key % 5):
        assert (other.seed, other.epoch, other.origin) == (3, 2, 9)
    for wrapped, index, inside in (
        (ConcatDataset([_Keys(), _Keys()]), 6, 2),
        (RepeatDataset(_Keys(), times=3), 9, 1),
    ):
        inner = wrapped[SampleKey(index, seed=3, epoch=2)]
        assert inner == inside and (inner.origin, inner.epoch) == (index, 2)


def test_a_key_seeds_the_same_numbers_and_leaves_the_generators_alone():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    undisturbed = draw()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    found = []
    keys = [(5, 0, 0), (5, 0, 0), (6, 0, 0), (5, 1, 0), (5, 0, 1)]
    for index, seed, epoch in keys:
        with seeded_by(SampleKey(index, seed, epoch)):
            found.append(draw())
    with pytest.raises(KeyError), seeded_by(SampleKey(1, 1, 1)):
        draw()
        raise KeyError
    assert draw() == undisturbed
    assert found[0] == found[1]
    for generator in range(3):
        assert len({values[generator] for values in found}) == 4


def test_augmentation_is_the_same_in_any_worker(regular_root, build, augmented):
    dataset = build(regular_root, augmented)
    batches = {}
    for workers in (0, 2):
        sampler = KeyedSampler(dataset, shuffle=True, seed=1)
        sampler.set_epoch(2)
        loader = DataLoader(
            dataset,
            3,
            sampler=sampler,
            num_workers=workers,
            collate_fn=pseudo_collate,
        )
        torch.manual_seed(workers)
        np.random.seed(workers)
        batches[workers] = list(loader)
    first, second = batches[0], batches[2]
    assert [len(batch['inputs']) for batch in first] == [3, 3]
    for one, two in zip(first, second):
        for image, other in zip(one['inputs'], two['inputs']):
            assert torch.equal(image, other)
        for sample, other in zip(one['data_samples'], two['data_samples']):
            assert sample.sample_idx == other.sample_idx
            for name, value in sample.gt_instance_labels.items():
                assert torch.equal(value, other.gt_instance_labels[name]), name


def test_epochs_augment_differently_and_plain_indices_follow_the_generator(
    regular_root, build, augmented
):
    dataset = build(regular_root, augmented)
    affine = [
        dataset[SampleKey(0, 1, epoch)]['data_samples'].crop_affine
        for epoch in (0, 0, 1)
    ]
    np.testing.assert_array_equal(affine[0], affine[1])
    assert not np.allclose(affine[0], affine[2])
    np.random.seed(0)
    plain = [dataset[0]['data_samples'].crop_affine for _ in range(2)]
    assert not np.allclose(*plain)


class _Keys(BaseDataset):
    """A data set of keys, to see what arrives."""

    def load_data_list(self):
        return [dict(number=number) for number in range(4)]

    def __getitem__(self, key):
        return key
