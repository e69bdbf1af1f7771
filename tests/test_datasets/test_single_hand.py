"""One sample a hand, whatever the wrapped set holds."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS

from mmhand_dne.datasets.datasets import InterHandMeshDataset, SingleHandDataset
from mmhand_dne.datasets.datasets.single_hand_dataset import shown_joints
from mmhand_dne.datasets.samplers import KeyedSampler
from mmhand_dne.hand_model import SingleHand
from mmhand_dne.randomness.pipeline import SampleKey
from mmhand_dne.structures.ground_truth_fields import HAND_LABELS, check_labels
from tests.interhand_fixture import dataset_config, write_interhand

PIPELINE = [
    dict(type='LoadHandImage'),
    dict(type='SelectHand'),
    dict(
        type='HaMeRCrop', input_size=64, shift=0.02, scale=0.3, rotation=30, color=0.2
    ),
    dict(type='PackHandInputs'),
]


@pytest.fixture(scope='module')
def hands(regular_root):
    with DefaultScope.overwrite_default_scope('mmpose'):
        return SingleHandDataset(
            InterHandMeshDataset(**dataset_config(regular_root, pipeline=PIPELINE))
        )


def test_every_hand_is_a_sample(hands):
    """Right, left, interacting, twice: 1 + 1 + 2 hands each time."""
    found = [
        (info['img_id'], info['hand_slot'], info['sample_idx'])
        for info in map(hands.get_data_info, range(len(hands)))
    ]
    expected = [(7, 0), (10, 1), (13, 0), (13, 1), (16, 0), (19, 1), (22, 0), (22, 1)]
    assert found == [(*hand, index) for index, hand in enumerate(expected)]
    sides = [hands[index]['data_samples'].hand_side for index in range(4)]
    assert sides == ['right', 'left', 'right', 'left']
    assert hands.metainfo['dataset_name'] == hands.dataset.metainfo['dataset_name']
    assert hands.metainfo['num_keypoints'] == 42


def test_hands_without_ground_truth_are_left_out(build, odd_root):
    plain = build(odd_root)
    hands = SingleHandDataset(plain, min_joints=1)
    expected = []
    for image in range(len(plain)):
        info = plain.get_data_info(image)
        for slot in (0, 1):
            joints = info['joints_valid'][slot] & info['joint_in_image'][slot]
            if joints.any():
                expected.append((image, slot))
    assert hands.hands.tolist() == [list(hand) for hand in expected]
    assert 0 < len(hands) < 2 * len(plain)


def test_joints_are_counted_as_a_reader_of_entries_counts(build, odd_root):
    """The cheap method of the set agrees with reading every entry."""
    plain = build(odd_root)

    class Plain:
        """A set without count_joints."""

        metainfo = {}

        def full_init(self):
            pass

        def __len__(self):
            return len(plain)

        def get_data_info(self, index):
            return plain.get_data_info(index)

    for joints in (1, 5, 21):
        cheap = SingleHandDataset(plain, min_joints=joints).hands
        assert (
            cheap.tolist()
            == SingleHandDataset(Plain(), min_joints=joints).hands.tolist()
        )


@pytest.fixture(scope='module')
def odd_hands(tmp_path_factory):
    """Every hand of 21 frames with images, seven of them odd."""
    root = write_interhand(
        tmp_path_factory.mktemp('pictures'), num_frames=21, odd_cases=True
    )
    with DefaultScope.overwrite_default_scope('mmpose'):
        plain = InterHandMeshDataset(**dataset_config(root, pipeline=PIPELINE))
    return SingleHandDataset(plain)


def test_samples_of_odd_frames_are_valid_and_of_one_hand(odd_hands):
    meshes, sides = [], set()
    for index in range(len(odd_hands)):
        sample = odd_hands[SampleKey(index, seed=0, epoch=0)]['data_samples']
        labels, info = sample.gt_instance_labels, odd_hands.get_data_info(index)
        fields = {name: labels[name][0].numpy() for name in HAND_LABELS}
        check_labels(fields, sample.img_path)
        for name, field in HAND_LABELS.items():
            if field.unit == '0 or 1':
                assert not fields[name][1].any(), name
        slot = info['hand_slot']
        assert fields['hand_presence'].tolist() == [1, 0]
        assert fields['mano_valid'][0] == info['mano_valid'][slot]
        assert fields['hand_joints_ndc_valid'][0].tolist() == (
            info['joints_valid'][slot].tolist()
        )
        meshes.append(fields['hand_vertices_valid'][0])
        sides.add(sample.hand_side)
    assert sides == {'right', 'left'} and 0 < sum(meshes) < len(meshes)


def test_ground_truth_of_either_side_is_that_of_the_right_hands_layer(odd_hands):
    hand, checked = SingleHand(), set()
    for index in range(len(odd_hands)):
        sample = odd_hands[SampleKey(index, seed=0, epoch=0)]['data_samples']
        labels = sample.gt_instance_labels
        if not labels.mano_valid[0, 0]:
            continue
        mesh = hand(labels.mano_rotations[:, :1], labels.mano_betas[:, :1])
        assert (mesh.vertices - labels.hand_vertices[:, :1]).abs().max() < 1e-4
        checked.add(sample.hand_side)
    assert checked == {'right', 'left'}


def test_ranks_and_orders_draw_the_same_sample(odd_hands, monkeypatch):
    """A hand's draw does not depend on which process reads it, or when."""
    drawn = set()
    for rank in (0, 1):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2)
        )
        sampler = KeyedSampler(odd_hands, seed=4)
        sampler.set_epoch(1)
        np.random.seed(rank)
        for key in list(sampler)[:4]:
            alone = SampleKey(int(key), seed=4, epoch=1)
            assert torch.equal(odd_hands[key]['inputs'], odd_hands[alone]['inputs'])
            drawn.add(int(key))
    assert len(drawn) == 8  # two ranks read different hands


def test_a_mesh_without_annotated_joints_counts_whole():
    annotated = np.zeros((2, 21), bool)
    annotated[0, :6] = True
    seen = np.zeros((2, 21), bool)
    seen[0, :4] = True
    assert shown_joints(annotated, seen, np.array([1, 1])).tolist() == [4, 21]
    assert shown_joints(annotated, seen, np.array([1, 0])).tolist() == [4, 0]


def test_draws_depend_on_seed_epoch_and_index_alone(hands):
    def draw(key):
        return hands[key]['inputs']

    before = np.random.get_state()[1].copy()
    first = draw(SampleKey(3, seed=1, epoch=2))
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.random.seed(99)
    assert torch.equal(draw(SampleKey(3, seed=1, epoch=2)), first)
    assert not torch.equal(draw(SampleKey(3, seed=1, epoch=3)), first)
    # Two hands of one image draw differently, though the wrapped index is the same.
    one, two = (hands[SampleKey(index, 1, 2)]['data_samples'] for index in (2, 3))
    assert one.img_id == two.img_id
    zooms = []
    for sample in (one, two):
        low, high = sample.gt_instances.bboxes[0].reshape(2, 2)
        zooms.append(max(high - low) * np.linalg.norm(sample.crop_affine[:, 0]))
    assert abs(zooms[0] - zooms[1]) > 0.1


def test_errors_come_through(build, regular_root):
    broken = SingleHandDataset(
        build(regular_root, PIPELINE, data_prefix=dict(img='nowhere'))
    )
    with pytest.raises(ValueError, match='the image cannot be read'):
        broken[0]
    with pytest.raises(ValueError, match='min_joints is 0, expected >= 1'):
        SingleHandDataset(broken.dataset, min_joints=0)


def test_it_builds_from_configs_and_waits_if_asked(regular_root):
    lazy = DATASETS.build(
        dict(
            type='SingleHandDataset',
            lazy_init=True,
            dataset=dict(
                type='InterHandMeshDataset',
                lazy_init=True,
                **dataset_config(regular_root, pipeline=PIPELINE),
            ),
        )
    )
    assert not hasattr(lazy, 'hands')
    assert len(lazy) == 8 and lazy[7]['inputs'].shape == (3, 64, 64)
