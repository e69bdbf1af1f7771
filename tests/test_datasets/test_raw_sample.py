"""The table of the raw sample is what data sets and transforms really hand on."""

import json

import numpy as np
import pytest
from mmpose.registry import DATASETS, TRANSFORMS

from mmhand_dne.apis.crops import CropPipeline
from mmhand_dne.apis.inputs.given_boxes import HandBox
from mmhand_dne.datasets import datasets, transforms
from mmhand_dne.structures import hand_parameters
from mmhand_dne.structures.ground_truth_fields import SIZES
from mmhand_dne.structures.raw_sample import (
    DATA_SET,
    HANDS,
    IMAGE,
    MMPOSE,
    POINTS,
    RAW_FIELDS,
    UNPOSED,
    absent_value,
    empty_sample,
    names_of,
)
from tests.interhand_fixture import dataset_config
from tests.right_hand_fixture import write_freihand, write_ho3d

ALL_GROUPS = (POINTS, HANDS, IMAGE, MMPOSE)
# It gives packed samples and has no raw ones: test_cached_hands.py.
PACKED = {'CachedHandDataset'}
# Some data sets do not know the size of an image before they have read it.
OPTIONAL = {'width', 'height'}
CROP = dict(shift=5, rotation=30, scale=(0.9, 1.1))
# Every registered transform, in pipelines as they are used.
PIPELINES = [
    [
        dict(type='LoadHandImage'),
        dict(type='RandomMeshFlip', prob=1.0),
        dict(type='RandomHandFreeBox', prob=0.5),
        dict(type='MeshCrop', input_size=64, **CROP),
        dict(type='PackHandInputs'),
    ],
    [
        dict(type='LoadHandImage'),
        dict(type='SelectHand'),
        dict(type='HaMeRCrop', input_size=64, rotation=30, color=0.2),
        dict(type='PackHandInputs'),
    ],
    [
        dict(type='LoadHandImage'),
        dict(type='SelectHand'),
        dict(type='UprightHandBox'),
        dict(type='HaMeRCrop', input_size=64),
        dict(type='LightDistortion'),
        dict(type='CheapCamera'),
        dict(type='PackHandInputs'),
    ],
]


@pytest.fixture(scope='module')
def configs(regular_root, tmp_path_factory):
    """One of each registered data set, with two kinds of ground truth."""
    freihand, ho3d = (tmp_path_factory.mktemp(name) for name in ('freihand', 'ho3d'))
    write_freihand(freihand, 2), write_freihand(freihand, 2, split='evaluation')
    write_ho3d(ho3d, 2)
    interhand = dict(type='InterHandMeshDataset', **dataset_config(regular_root))
    row = dict(type='FreiHANDMeshDataset', data_root=str(freihand))
    frame = dict(type='HO3DMeshDataset', data_root=str(ho3d))
    return dict(
        InterHandMeshDataset=[interhand, dict(interhand, mano_file=None)],
        FreiHANDMeshDataset=[row, dict(row, split='evaluation', box='centre')],
        HO3DMeshDataset=[
            dict(frame, ann_file='train.txt'),
            dict(frame, ann_file='evaluation.txt'),
        ],
        MixedHandDataset=[
            dict(type='mmpose.MixedHandDataset', datasets=[interhand, row])
        ],
        LandmarkedPhotoDataset=[write_landmarks(tmp_path_factory.mktemp('photos'))],
        SingleHandDataset=[dict(type='SingleHandDataset', dataset=interhand)],
    )


def write_landmarks(folder):
    """Config of two photos with landmarks."""
    hands = [
        dict(
            file='photo.jpg',
            size=[120, 90],
            side=side,
            presence=0.99,
            points=np.linspace(10, 80, 42).reshape(21, 2).tolist(),
            spread=[0.0] * 21,
        )
        for side in ('right', 'left')
    ]
    path = folder / 'landmarks.json'
    path.write_text(json.dumps(dict(hands=hands)))
    return dict(
        type='LandmarkedPhotoDataset',
        ann_file=str(path),
        data_prefix=dict(img=str(folder)),
        hand_model=dict(type='HandPair'),
    )


class Watched(dict):
    """A raw sample that remembers which keys were read and written."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.read, self.written = set(), set()

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        self.read.add(key)
        return super().get(key, default)

    def __contains__(self, key):
        self.read.add(key)
        return super().__contains__(key)

    def __setitem__(self, key, value):
        self.written.add(key)
        super().__setitem__(key, value)

    def update(self, *args, **kwargs):
        self.written |= set(dict(*args, **kwargs))
        super().update(*args, **kwargs)


def check_values(sample):
    """Every key is in the table and every value has its shape."""
    assert set(sample) <= set(RAW_FIELDS), set(sample) - set(RAW_FIELDS)
    sizes = dict(SIZES, P=hand_parameters.SIZE - hand_parameters.OF_CROP)
    if 'img' in sample:
        sizes.update(zip('HW', dict.__getitem__(sample, 'img').shape))
    for name, value in sample.items():
        letters = RAW_FIELDS[name].shape.split()
        found = np.shape(value)
        expected = [int(x) if x.isdigit() else sizes.get(x) for x in letters]
        if len(found) == len(letters):  # V takes the first size seen
            expected = [size or have for size, have in zip(expected, found)]
            sizes.update((x, n) for x, n in zip(letters, found) if not x.isdigit())
        assert list(found) == expected, (name, found)


def keys_of(writer):
    return {name for name, field in RAW_FIELDS.items() if writer in field.writers}


def test_every_registered_class_is_looked_at(configs):
    assert set(configs) == set(datasets.__all__) - PACKED
    used = {step['type'] for pipeline in PIPELINES for step in pipeline}
    # The last one is for pipelines of MMPose: test_mmpose_pipelines.py.
    assert used | {'OneHandKeypoints'} == set(transforms.__all__)
    writers = {writer for field in RAW_FIELDS.values() for writer in field.writers}
    registered = {*datasets.__all__, *transforms.__all__}
    assert writers <= {DATA_SET, UNPOSED, 'CropPipeline', *registered}


@pytest.mark.parametrize('name', sorted(set(datasets.__all__) - PACKED))
def test_a_data_set_gives_its_fields(configs, name):
    for config in configs[name]:
        dataset = DATASETS.build(config)
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            check_values(info)
            wanted = keys_of(DATA_SET) | keys_of(name)
            assert wanted - OPTIONAL <= set(info) <= wanted
            for field in names_of(*ALL_GROUPS):
                assert info[field].dtype == RAW_FIELDS[field].dtype, field


def test_hands_that_are_not_posed_come_with_their_parameters(configs):
    dataset = DATASETS.build(dict(configs['InterHandMeshDataset'][0], posed=False))
    posed = {*names_of(POINTS, HANDS), 'keypoints', 'keypoints_cam'}
    for index in range(len(dataset)):
        sample = dataset.pipeline_entry(index)
        check_values(sample)
        assert keys_of(UNPOSED) <= set(sample) and not posed & set(sample)
        for config in PIPELINES[0]:
            step = TRANSFORMS.build(config)
            check_values(sample)
            after = step.transform(sample)
        assert set(after) == {'inputs', 'data_samples'}


@pytest.mark.parametrize(
    'pipeline', PIPELINES, ids=['two_hands', 'one_hand', 'upright_hand']
)
def test_a_transform_adds_its_fields(configs, pipeline):
    dataset = DATASETS.build(configs['SingleHandDataset'][0])
    for index in range(len(dataset)):
        sample = Watched(dataset.get_data_info(index))
        for config in pipeline:
            before, step = set(sample), TRANSFORMS.build(config)
            sample.read, sample.written = set(), set()
            after = step.transform(sample)
            touched = sample.read | sample.written
            assert touched <= set(RAW_FIELDS), touched - set(RAW_FIELDS)
            own = keys_of(config['type'])
            assert set(sample) - before <= own <= set(sample)
            check_values(sample)
        assert set(after) == {'inputs', 'data_samples'}


def test_the_inferencer_adds_its_fields():
    seen = []

    class Look:
        def __call__(self, results):
            seen.append(dict(results))
            check_values(results)
            return results

    steps = [dict(type='MeshCrop', input_size=64), dict(type='PackHandInputs')]
    crops = CropPipeline(steps, 778, one_hand=False)
    crops.transforms.transforms.insert(0, Look())
    image, intrinsics = np.zeros((40, 60, 3), np.uint8), np.eye(3)
    box = HandBox(np.array([5.0, 5, 30, 30]), None)
    crops.crops(image, box, intrinsics, 'a.jpg')
    (given,) = seen
    assert keys_of('CropPipeline') <= set(given)
    assert set(names_of(*ALL_GROUPS)) <= set(given)


def test_an_empty_sample_says_that_nothing_is_known():
    sample = empty_sample(778)
    check_values(sample)
    assert set(sample) == set(names_of(*ALL_GROUPS))
    for name, value in sample.items():
        assert value.dtype == RAW_FIELDS[name].dtype
        np.testing.assert_array_equal(
            value, np.broadcast_to(absent_value(name), value.shape)
        )
        if name.endswith('valid'):
            assert not value.any()
    np.testing.assert_array_equal(sample['mano_rotations'][1, 15], np.eye(3))
    again = empty_sample(778)
    again['joints_cam'][:] = 1  # fresh arrays
    assert not empty_sample(778)['joints_cam'].any()
