"""A frozen network's features on the disk: what went in comes out, or it is refused."""

import json

import numpy as np
import pytest
import torch

from mmhand_dne.datasets.datasets import CachedHandDataset
from mmhand_dne.datasets.readers.feature_cache import FeatureCacheWriter, open_cache
from mmhand_dne.errors import UserError
from mmhand_dne.models.backbones import CachedFeatures
from mmhand_dne.models.data_preprocessors import CachedFeaturesPreprocessor
from mmhand_dne.structures.hand_targets import HandTargets
from tests.cached_features import VERTICES, random_levels, tagged_samples, write_cache

SMALL = ((3, 4, 4), (5, 1, 1))


def test_maps_come_out_as_they_went_in_to_float16(tmp_path):
    levels = write_cache(tmp_path, 3, shapes=SMALL)
    hands = CachedHandDataset(str(tmp_path), levels=[0, 1])
    inputs = [hands[i]['inputs'] for i in range(3)]
    assert inputs[0].dtype == torch.float16
    batch = CachedFeaturesPreprocessor()(dict(inputs=inputs, data_samples=[]))
    found = CachedFeatures(SMALL)(batch['inputs'])
    for level, want in zip(found, levels):
        torch.testing.assert_close(level, want.half().float(), rtol=0, atol=0)
    (only,) = CachedFeatures(SMALL[1:])(
        CachedHandDataset(str(tmp_path), levels=[1])[2]['inputs'].float()[None]
    )
    torch.testing.assert_close(only[0], levels[1][2].half().float(), rtol=0, atol=0)


def test_ground_truth_and_metainfo_come_out_as_they_went_in(tmp_path):
    write_cache(tmp_path, 4, shapes=SMALL)
    before = tagged_samples(4)
    hands = CachedHandDataset(str(tmp_path), levels=[1])
    after = [hands[i]['data_samples'] for i in range(4)]
    pairs = [HandTargets.from_samples(samples) for samples in (before, after)]
    for name, want, found in zip(HandTargets._fields, *pairs):
        if name != 'intrinsics':
            want, found = want[:, 0], found[:, 0]
        torch.testing.assert_close(found, want, rtol=0, atol=0, msg=name)
    empty = pairs[1]
    assert not empty.vertices[:, 1].any() and not empty.joints_valid[:, 1].any()
    assert torch.equal(empty.rotations[:, 1], torch.eye(3).expand(4, 16, 3, 3))
    for old, new in zip(before, after):
        assert new.input_size == (224, 224) and new.sample_idx == old.sample_idx
        np.testing.assert_array_equal(new.crop_affine, old.crop_affine)
        np.testing.assert_array_equal(new.hand_type, np.asarray(old.hand_type))


def test_hard_images_can_be_had_apart_and_are_named(tmp_path):
    write_cache(tmp_path, 5, shapes=SMALL)
    sets = {h: CachedHandDataset(str(tmp_path), [1], h) for h in (None, True, False)}
    ids = {h: [s[i]['data_samples'].id for i in range(len(s))] for h, s in sets.items()}
    assert ids == {None: [0, 1, 2, 3, 4], True: [1, 3], False: [0, 2, 4]}
    names = [sets[None][i]['data_samples'].dataset_name for i in range(5)]
    assert names == ['plain', 'hard', 'plain', 'hard', 'plain']
    assert sets[True][1]['data_samples'].sample_idx == 1  # in its own set


def test_a_cache_that_was_stopped_goes_on_where_it_was(tmp_path):
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    levels = write_cache(whole, 4, shapes=SMALL)
    samples = tagged_samples(4)
    for first in (0, 2):
        writer = FeatureCacheWriter(parts, dict(seed=0), 4, SMALL, VERTICES)
        assert writer.done == first
        with pytest.raises(UserError, match=f'{first} of 4 crops|no cache'):
            open_cache(parts)
        rows = slice(first, first + 2)
        writer.append([level[rows] for level in levels], samples[rows])
    # What was written after the last record of it, by a run that was killed.
    told = json.loads((parts / 'cache.json').read_text())
    (parts / 'cache.json').write_text(json.dumps(dict(told, done=2)))
    writer = FeatureCacheWriter(parts, dict(seed=0), 4, SMALL, VERTICES)
    writer.append([level[2:] for level in levels], samples[2:])
    lines = (whole / 'samples.jsonl').read_text().splitlines()
    assert all(list(told) == sorted(told) for told in map(json.loads, lines))
    for path in whole.iterdir():
        assert (parts / path.name).read_bytes() == path.read_bytes(), path.name


def test_features_of_something_else_are_refused(tmp_path):
    write_cache(tmp_path, 2, shapes=SMALL)
    with pytest.raises(UserError, match='other settings'):
        FeatureCacheWriter(tmp_path, dict(seed=1), 2, SMALL, VERTICES)
    with pytest.raises(UserError, match='other count'):
        FeatureCacheWriter(tmp_path, dict(seed=0), 3, SMALL, VERTICES)
    with pytest.raises(UserError, match='has 0 to 1'):
        CachedHandDataset(str(tmp_path), levels=[2])
    with pytest.raises(UserError, match='no cache of features'):
        CachedHandDataset(str(tmp_path / 'nowhere'), levels=[0])


def test_a_number_beyond_float16_is_refused(tmp_path):
    levels = random_levels(2, SMALL)
    levels[0][1, 0, 0, 0] = 1e6
    writer = FeatureCacheWriter(tmp_path, {}, 2, SMALL, VERTICES)
    with pytest.raises(UserError, match='do not fit into float16'):
        writer.append(levels, tagged_samples(2))


def test_shapes_that_do_not_fit_the_data_are_named():
    with pytest.raises(UserError, match='have 53 numbers'):
        CachedFeatures(SMALL)(torch.rand(2, 5))
