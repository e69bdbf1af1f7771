"""Samples whose hands the batch poses: the same draws, the same pictures, in less."""

import pickle
import pickletools
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS, DefaultScope
from mmpose.registry import DATASETS, TRANSFORMS
from torch.utils.data import DataLoader

from mmhand_dne.datasets.collate import SampleList, stack_crops
from mmhand_dne.datasets.datasets.interhand_hands import presence_fields
from mmhand_dne.datasets.datasets.interhand_mesh_dataset import _joined
from mmhand_dne.datasets.transforms import MeshCrop
from mmhand_dne.errors import UserError
from mmhand_dne.randomness.pipeline import SampleKey, draws, draws_by, seeded_by
from mmhand_dne.randomness.state import get_random_state
from mmhand_dne.structures.hand_targets import HandTargets
from mmhand_dne.structures.unposed_labels import UnposedLabels
from tests.interhand_fixture import dataset_config

# OpenCV 4's maps are in whole numbers, which a mirror leaves as they are.
GREYS = 0 if cv2.__version__ < '5' else 2


class CopiedFlip:
    """A mirror as it was before: OpenCV finds an image that runs forwards."""

    def __call__(self, results):
        return dict(results, img=np.ascontiguousarray(results['img']))


@pytest.fixture
def unposed(regular_root, build, augmented):
    return build(regular_root, augmented, posed=False)


def keyed(dataset, epoch=0):
    return [dataset[SampleKey(i, 5, epoch)] for i in range(len(dataset))]


def parameters_of(packed):
    return packed['data_samples'].gt_instance_labels.parameters


def test_crops_are_those_of_an_image_mirrored_first(
    regular_root, build, augmented, unposed
):
    before = build(regular_root, augmented)
    before.pipeline.transforms.insert(2, CopiedFlip())
    flips = 0
    for epoch in range(4):
        for old, new in zip(keyed(before, epoch), keyed(unposed, epoch)):
            flips += new['data_samples'].flip
            apart = (old['inputs'].int() - new['inputs'].int()).abs().max()
            assert apart <= GREYS
    assert 6 <= flips <= 18


def test_a_sample_is_the_posed_one_in_all_else(regular_root, build, augmented, unposed):
    posed = build(regular_root, augmented)
    for old, new in zip(keyed(posed), keyed(unposed)):
        old, new = old['data_samples'], new['data_samples']
        lacking = {'abs_depth', 'focal', 'principal_pt'}  # of MMPose's metrics
        assert set(new.metainfo) == set(old.metainfo) - lacking
        for name in new.metainfo:
            value = old.metainfo[name]
            if isinstance(value, np.ndarray):
                np.testing.assert_allclose(new.metainfo[name], value, atol=1e-9)
            else:
                assert new.metainfo[name] == value, name
        np.testing.assert_array_equal(old.gt_instances.bboxes, new.gt_instances.bboxes)


def test_both_ways_of_seeding_draw_the_same():
    for index in range(3):
        key = SampleKey(index, 7, 2)
        with draws_by(key):
            own = draws().uniform(-1, 1, 5), draws().rand(), draws().randn()
        with seeded_by(key):
            shared = np.random.uniform(-1, 1, 5), np.random.rand(), np.random.randn()
            assert draws() is np.random
        np.testing.assert_array_equal(np.hstack(own), np.hstack(shared))
        assert draws() is np.random


def test_no_generator_moves(unposed):
    before = str(get_random_state())
    keyed(unposed)
    assert str(get_random_state()) == before
    assert draws() is np.random


def test_an_error_gives_the_generator_back(unposed):
    unposed.pipeline.transforms[2].size = 'nothing'
    with pytest.raises(TypeError):
        unposed[SampleKey(0, 0, 0)]
    assert draws() is np.random


def test_what_is_asked_for_itself_is_posed(regular_root, build, unposed):
    posed = build(regular_root)
    for index in range(len(unposed)):
        one, other = unposed.get_data_info(index), posed.get_data_info(index)
        np.testing.assert_array_equal(one['mesh_vertices'], other['mesh_vertices'])
        np.testing.assert_array_equal(one['keypoints'], other['keypoints'])


class Nudged(MeshCrop):
    """A user's crop, which says nothing of what it reads."""

    def transform(self, results):
        return super().transform(dict(results, mesh_root=results['mesh_root'] + 0.001))


@pytest.mark.parametrize('step', [Nudged(64), lambda results: results])
def test_before_another_transform_hands_are_posed(unposed, step, monkeypatch):
    said = []
    monkeypatch.setattr(
        'mmhand_dne.datasets.datasets.interhand_mesh_dataset.print_log',
        lambda text, *args, **kwargs: said.append(text),
    )
    where = slice(2, 3) if isinstance(step, MeshCrop) else slice(1, 1)
    unposed.pipeline.transforms[where] = [step]
    for packed in keyed(unposed):
        labels = packed['data_samples'].gt_instance_labels
        assert not isinstance(labels, UnposedLabels)
        assert 'keypoints' in packed['data_samples'].gt_instances
    assert len(said) == 1 and type(step).__name__ in said[0]


def test_what_changes_pixels_alone_leaves_hands_unposed(regular_root, build, augmented):
    """MMPose's, MMCV's and ours; their draws are keyed too."""
    steps = [
        *augmented[:-1],
        dict(type='PhotometricDistortion'),
        dict(type='LightDistortion'),
        dict(type='RandomGrayscale', prob=0.5, keep_channels=True),
        dict(type='CheapCamera'),
        augmented[-1],
    ]
    dataset = build(regular_root, steps, posed=False)
    once, again = keyed(dataset), keyed(dataset)
    plain = keyed(build(regular_root, augmented, posed=False))
    changed = 0
    for one, other, without in zip(once, again, plain):
        assert parameters_of(one) is not None
        assert torch.equal(one['inputs'], other['inputs'])
        changed += not torch.equal(one['inputs'], without['inputs'])
        assert parameters_of(one) == parameters_of(without)
    assert changed >= 3


def test_labels_of_another_hand_are_refused(regular_root, build):
    dataset = build(regular_root, posed=False)
    columns = dataset.table.columns
    columns['frame_joints'] = columns['frame_joints'] + 0.02  # metres
    with pytest.raises(UserError, match='its labels are not of the hand'):
        dataset._check_hand_of_labels()


def test_without_parameters_joints_are_left(regular_root, build, augmented):
    pair = [
        HandTargets.from_samples([packed['data_samples'] for packed in keyed(dataset)])
        for dataset in (
            build(regular_root, augmented, mano_file=None, posed=posed)
            for posed in (True, False)
        )
    ]
    assert not pair[1].mano_valid.any() and pair[1].joints_valid.any()
    for one, other in zip(*pair):
        torch.testing.assert_close(one, other, atol=2e-6, rtol=0)


def test_a_mix_takes_both_kinds(regular_root, augmented):
    part = dict(type='InterHandMeshDataset', **dataset_config(regular_root))
    parts = [dict(part, pipeline=augmented, posed=posed) for posed in (True, False)]
    with DefaultScope.overwrite_default_scope('mmpose'):
        mixed = DATASETS.build(
            dict(type='mmpose.MixedHandDataset', datasets=parts, shares=[1, 1])
        )
    samples = [packed['data_samples'] for packed in keyed(mixed)]
    kinds = [isinstance(each.gt_instance_labels, UnposedLabels) for each in samples]
    assert kinds == [False] * 6 + [True] * 6
    targets = HandTargets.from_samples(samples)
    single = [HandTargets.from_samples([sample]) for sample in samples]
    for name, value in targets._asdict().items():
        alone = torch.cat([getattr(each, name) for each in single])
        torch.testing.assert_close(value, alone, atol=2e-6, rtol=0)


@pytest.mark.parametrize('workers', [1, 2])
def test_any_number_of_workers_gives_the_same_batches(unposed, workers):
    keys = [SampleKey(i, 5, 0) for i in range(len(unposed))]
    loader = DataLoader(
        unposed, 3, sampler=keys, num_workers=workers, collate_fn=stack_crops
    )
    here = stack_crops([unposed[key] for key in keys])
    there = list(loader)
    assert [batch['inputs'].shape for batch in there] == [(3, 3, 256, 256)] * 2
    assert all(batch['inputs'].is_shared() for batch in there)
    assert torch.equal(torch.cat([batch['inputs'] for batch in there]), here['inputs'])
    samples = [sample for batch in there for sample in batch['data_samples']]
    for one, other in zip(samples, here['data_samples']):
        assert one.img_path == other.img_path
        assert one.gt_instance_labels.parameters == other.gt_instance_labels.parameters


def test_crops_of_several_sizes_stay_a_list():
    assert FUNCTIONS.get('stack_crops') is stack_crops
    crops = [torch.zeros(3, 4, 4), torch.zeros(3, 4, 5)]
    samples = [dict(inputs=crop, data_samples=i) for i, crop in enumerate(crops)]
    assert stack_crops(samples) == pseudo_collate(samples)
    batch = stack_crops(samples[:1] * 2)
    assert batch['inputs'].shape == (2, 3, 4, 4) and batch['data_samples'] == [0, 0]


def test_the_mean_grey_value_can_be_left_out(regular_root, build):
    info = build(regular_root).get_data_info(0)
    found = [
        TRANSFORMS.build(dict(type='LoadHandImage', mean=mean)).transform(dict(info))
        for mean in (True, False)
    ]
    assert found[0].pop('image_mean') > 1 and set(found[0]) == set(found[1])


def test_a_batch_travels_field_by_field_and_arrives_as_it_was(unposed):
    """Making nine small arrays for each sample was half of the main process's work."""
    batch = stack_crops(keyed(unposed))['data_samples']
    batch[0].set_metainfo(dict(input_center=np.arange(3)))  # another shape
    sent = bytes(ForkingPickler.dumps(batch))
    made = [code.name for code, *_ in pickletools.genops(sent)].count('REDUCE')
    assert made < 4 * len(batch)  # 11 for each before
    arrived = pickle.loads(sent)
    assert type(arrived) is list and len(arrived) == len(batch) > 2
    for one, other in zip(arrived, batch):
        assert type(one) is type(other)
        for group in (lambda sample: sample, lambda sample: sample.gt_instances):
            assert set(group(one).keys()) == set(group(other).keys())
        assert set(one.metainfo_keys()) == set(other.metainfo_keys())
        for name, value in other.metainfo_items():
            assert type(one.get(name)) is type(value)
            np.testing.assert_array_equal(one.get(name), value)
            assert getattr(one.get(name), 'dtype', 0) == getattr(value, 'dtype', 0)
        np.testing.assert_array_equal(
            one.gt_instances.bboxes, other.gt_instances.bboxes
        )
        assert one.gt_instance_labels.parameters == other.gt_instance_labels.parameters
    arrived[1].crop_affine[:] = 7
    arrived[1].set_metainfo(dict(own=1))
    assert (arrived[2].crop_affine != 7).any() and 'own' not in arrived[2]


def test_samples_of_several_kinds_travel_too(unposed):
    mixed = [packed['data_samples'] for packed in keyed(unposed)[:3]]
    mixed[1].own, mixed[2] = torch.ones(1), 'another'
    arrived = pickle.loads(bytes(ForkingPickler.dumps(SampleList(mixed))))
    assert arrived[1].own == 1 and arrived[2] == 'another'
    assert arrived[0].img_path == mixed[0].img_path


@pytest.mark.parametrize('folder', ['', 'a', 'a/', '/a//b', './a', '/', '../a'])
@pytest.mark.parametrize(
    'name', ['c/d.jpg', './c', 'c//d', '/c', '', 'c/./d', '.c/..d']
)
def test_paths_are_written_as_pathlib_does(folder, name):
    assert _joined(folder, name) == str(Path(folder) / name)


@pytest.mark.parametrize('numbers', [(0, 0, 0), (7, 2**32 - 1, 5), (2**40, 1, 2**33)])
def test_seeds_are_those_of_the_three_numbers(numbers):
    seed, epoch, index = numbers
    with draws_by(SampleKey(0, seed, epoch, index)):
        found = draws().rand(3)
    words = np.random.SeedSequence(list(numbers)).generate_state(3, np.uint32)
    np.testing.assert_array_equal(found, np.random.RandomState(words[1]).rand(3))


def test_a_crop_draws_scale_angle_and_shift_one_after_the_other():
    crop = MeshCrop((256, 192), shift=20, rotation=30, scale=(0.7, 1.3))
    for index in range(100):
        with draws_by(SampleKey(index, 3, 1)):
            found = crop.drawn()
        with draws_by(SampleKey(index, 3, 1)):
            reach = 20 * 192 / 256
            wanted = [
                draws().uniform(*between)
                for between in ((0.7, 1.3), (-30, 30), (-reach, reach), (-reach, reach))
            ]
        assert found == wanted


def test_presence_is_known_where_joints_prove_it():
    none, some = np.zeros(21, bool), np.arange(21) == 3
    for type_valid in (0, 1):
        for there in (0, 1):
            name = 'interacting' if there else 'right'
            for annotated, seen in ((none, none), (some, none), (some, some)):
                hands = np.stack([some, annotated]), np.stack([some, seen])
                found = presence_fields(name, type_valid, *hands)
                proof = seen.any() if there else not annotated.any()
                known = [type_valid, type_valid * proof]
                np.testing.assert_array_equal(found['hand_presence_valid'], known)
                np.testing.assert_array_equal(found['hand_presence'], [1, there])
                assert found['hand_presence_valid'].dtype == np.float32
