"""Mixed data sets: shares, order and draws depend on (seed, epoch, index) alone."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.dataset import sampler as mmengine_sampler
from mmpose.registry import DATASETS
from torch.utils.data import DataLoader

from mmhand_dne.datasets.datasets.mixed_hand_dataset import (
    MixedHandDataset,
    split_exactly,
)
from mmhand_dne.datasets.samplers import KeyedSampler
from mmhand_dne.randomness.pipeline import SampleKey
from tests.interhand_fixture import dataset_config
from tests.right_hand_fixture import write_freihand, write_ho3d
from tests.test_datasets.right_hand_laws import AUGMENTED

SHARES = [2, 1, 1]


@pytest.fixture(scope='module')
def parts(regular_root, tmp_path_factory):
    """Configs of InterHand (6 images), FreiHAND (8) and HO-3D (3), with images."""
    freihand, ho3d = (tmp_path_factory.mktemp(name) for name in ('freihand', 'ho3d'))
    write_freihand(freihand, num_rows=2)
    write_ho3d(ho3d, 3)
    return [
        dict(
            type='InterHandMeshDataset',
            **dataset_config(regular_root, pipeline=AUGMENTED),
        ),
        dict(type='FreiHANDMeshDataset', data_root=str(freihand), pipeline=AUGMENTED),
        dict(
            type='HO3DMeshDataset',
            data_root=str(ho3d),
            ann_file='train.txt',
            pipeline=AUGMENTED,
        ),
    ]


@pytest.fixture(scope='module')
def mixed(parts):
    return DATASETS.build(
        dict(
            type='mmpose.MixedHandDataset',
            datasets=parts,
            shares=SHARES,
            epoch_length=12,
        )
    )


def test_shares_are_exact():
    assert split_exactly(12, SHARES) == [6, 3, 3]
    assert split_exactly(10, [1, 1, 1]) == [4, 3, 3]
    assert split_exactly(100_000, [0.25, 0.25, 0.05]) == [45455, 45454, 9091]
    assert split_exactly(5, [0, 1]) == [0, 5]


def drawn(mixed, epoch, seed=0):
    """(data set, entry) of each index of an epoch."""
    return [
        mixed._get_subset_index(SampleKey(index, seed, epoch))
        for index in range(len(mixed))
    ]


def test_every_entry_is_drawn_before_any_is_drawn_again(mixed):
    assert (mixed.lens, mixed.sizes) == ([6, 3, 3], [6, 8, 3])
    entries = {part: [] for part in range(3)}
    for epoch in range(8):
        found = drawn(mixed, epoch)
        assert [part for part, _ in found] == 6 * [0] + 3 * [1] + 3 * [2]
        for part, entry in found:
            entries[part].append(int(entry))
    for part, size in enumerate(mixed.sizes):
        turns = [entries[part][i : i + size] for i in range(0, 24, size)]
        assert all(sorted(turn) == list(range(size)) for turn in turns[: 24 // size])
        assert len(set(map(tuple, turns))) > 1


def test_a_key_and_nothing_else_chooses(mixed):
    torch.manual_seed(0), np.random.seed(0)
    first = drawn(mixed, epoch=5)
    torch.manual_seed(1), np.random.seed(1)
    assert drawn(mixed, epoch=5) == first
    assert drawn(mixed, epoch=6) != first != drawn(mixed, epoch=5, seed=1)
    for index, (_, entry) in enumerate(first):
        assert (entry.seed, entry.epoch, entry.origin) == (0, 5, index)


def samples(mixed, monkeypatch, rank=0, world=1, workers=0, start=0):
    """What a process sees of epoch 2: identity and content of each sample."""
    monkeypatch.setattr(mmengine_sampler, 'get_dist_info', lambda: (rank, world))
    sampler = KeyedSampler(mixed, shuffle=True, seed=1)
    sampler.set_epoch(2)
    sampler.start = start
    loader = DataLoader(
        mixed,
        batch_size=2,
        sampler=sampler,
        num_workers=workers,
        collate_fn=pseudo_collate,
    )
    return [
        (
            sample.img_path,
            image.double().mean().item(),
            sample.gt_instance_labels.hand_joints_ndc.sum().item(),
        )
        for batch in loader
        for image, sample in zip(batch['inputs'], batch['data_samples'])
    ]


def test_processes_workers_and_a_resume_change_no_sample(mixed, parts, monkeypatch):
    whole = samples(mixed, monkeypatch)
    counts = [
        sum(path.startswith(part['data_root']) for path, *_ in whole) for part in parts
    ]
    assert counts == [6, 3, 3]
    assert len(set(whole)) == 12  # a repeated image is cut out anew
    assert samples(mixed, monkeypatch, workers=2) == whole
    assert samples(mixed, monkeypatch, start=8) == whole[8:]
    turns = [samples(mixed, monkeypatch, rank, 2) for rank in (0, 1)]
    assert [sample for pair in zip(*turns) for sample in pair] == whole


def test_without_shares_every_entry_is_there_once(parts):
    mixed = MixedHandDataset(parts)
    assert len(mixed) == 17
    assert [mixed._get_subset_index(i) for i in (0, 6, 16)] == [(0, 0), (1, 0), (2, 2)]
    key = SampleKey(7, seed=3, epoch=1)
    part, inside = mixed._get_subset_index(key)
    assert (part, inside, inside.origin) == (1, 1, 7)
    assert mixed[key]['data_samples'].img_path == mixed.get_data_info(key)['img_path']


def test_an_index_without_a_key_is_drawn_with_a_warning(parts, monkeypatch):
    said = []
    monkeypatch.setattr(
        'mmhand_dne.datasets.datasets.mixed_hand_dataset.print_log',
        lambda text, *_, **__: said.append(text),
    )
    mixed = MixedHandDataset(parts, shares=SHARES)
    assert not said
    found = [mixed._get_subset_index(index) for index in range(17)]
    assert [int(entry) for _, entry in found] == [
        int(entry) for _, entry in drawn(mixed, 0)
    ]
    assert len(said) == 1 and 'KeyedSampler' in said[0]


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(shares=[1, 1]), r'shares are \[1, 1\], expected 3 numbers'),
        (dict(shares=[1, -1, 1]), 'expected 3 numbers >= 0'),
        (dict(shares=[0, 0, 0]), 'not all 0'),
        (dict(shares=[1, float('nan'), 1]), 'expected 3 numbers'),
        (dict(shares=SHARES, epoch_length=0), 'epoch_length is 0, expected at least 1'),
        (dict(epoch_length=5), 'without shares'),
    ],
)
def test_bad_shares_are_refused(parts, arguments, message):
    with pytest.raises(ValueError, match=message):
        MixedHandDataset(parts, **arguments)
