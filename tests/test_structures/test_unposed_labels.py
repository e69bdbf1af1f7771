"""Hands that a batch poses are those that each worker posed, and weigh little."""

import copy
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS

from mmhand_dne.errors import UserError
from mmhand_dne.randomness.pipeline import SampleKey
from mmhand_dne.structures.ground_truth_fields import HAND_LABELS, HandLabels
from mmhand_dne.structures.hand_parameters import (
    MASKS,
    SIZE,
    as_bytes,
    complete_row,
    from_bytes,
)
from mmhand_dne.structures.hand_targets import HandTargets
from mmhand_dne.structures.unposed_labels import UnposedLabels, full_float32
from tests.interhand_fixture import dataset_config, write_interhand

MICROMETRE, IMAGES = 1e-6, 21
PIPELINE = [
    dict(type='RandomMeshFlip', prob=0.5),
    dict(type='MeshCrop', input_size=64, shift=10, rotation=90, scale=(0.9, 1.1)),
    dict(type='PackHandInputs'),
]


class BlankImage:
    takes_unposed = True

    def __call__(self, results):
        image = np.zeros((results['height'], results['width'], 3), np.uint8)
        return dict(results, img=image, img_shape=image.shape[:2])


@pytest.fixture(scope='module')
def both(tmp_path_factory):
    """Samples of irregular frames, posed by workers and not posed, drawn alike."""
    folder = tmp_path_factory.mktemp('odd')
    root = write_interhand(folder, num_frames=IMAGES, image=False, odd_cases=True)
    found = []
    for posed in (True, False):
        with DefaultScope.overwrite_default_scope('mmpose'):
            dataset = DATASETS.build(
                dict(
                    type='InterHandMeshDataset',
                    posed=posed,
                    pipeline=PIPELINE,
                    **dataset_config(root),
                )
            )
        dataset.pipeline.transforms.insert(0, BlankImage())
        found.append([dataset[SampleKey(i, 3, 1)] for i in range(IMAGES)])
    return [[packed['data_samples'] for packed in part] for part in found]


@pytest.fixture
def posed(both):
    return copy.deepcopy(both[0])


@pytest.fixture
def unposed(both):
    return copy.deepcopy(both[1])


def assert_same(found, expected):
    for name in HandTargets._fields:
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == torch.float32 and one.shape == other.shape, name
        bound = 0 if name.endswith('valid') else MICROMETRE
        if name in ('joints_ndc', 'vertices_ndc', 'intrinsics'):
            bound = 2e-6  # of a crop's half
        assert (one - other).abs().max() <= bound, name


def test_a_batch_posed_at_once_has_the_workers_ground_truth(posed, unposed):
    """Among them mirrored images, hands without MANO, a bare wrist, no joints."""
    assert {sample.flip for sample in unposed} == {True, False}
    assert all(sample.gt_instance_labels.parameters for sample in unposed)
    assert_same(HandTargets.from_samples(unposed), HandTargets.from_samples(posed))
    # Nothing was filled in for it.
    assert all(sample.gt_instance_labels.parameters for sample in unposed)


def test_a_mixed_batch_keeps_its_order(posed, unposed):
    expected = HandTargets.from_samples(posed)
    mixed = [pair[i % 3 == 0] for i, pair in enumerate(zip(posed, unposed))]
    assert_same(HandTargets.from_samples(mixed), expected)


def test_each_hand_model_poses_its_own(unposed):
    """Their fingertips are other vertices; a set of each in one batch."""
    others = copy.deepcopy(unposed)
    for sample in others:
        packed, hand, size = sample.gt_instance_labels.parameters
        sample.gt_instance_labels = UnposedLabels.of_row(
            from_bytes([packed])[0], hand._replace(tips='freihand'), size
        )
    found = HandTargets.from_samples([unposed[0], others[0], unposed[1], others[1]])
    plain = HandTargets.from_samples(unposed[:2])
    assert torch.equal(found.joints_ndc[::2], plain.joints_ndc)
    moved = (found.joints_ndc[1::2] - plain.joints_ndc).abs().amax(-1) > 0
    tips = torch.zeros(21, dtype=torch.bool)
    tips[[4, 8, 12, 16, 20]] = True
    assert moved.any() and not moved[..., ~tips].any()


def test_a_field_that_is_read_is_there(posed, unposed):
    for one, other in zip(unposed, posed):
        one, other = one.gt_instance_labels, other.gt_instance_labels
        assert set(one.keys()) == set(HAND_LABELS) and len(one) == 1
        assert 'hand_vertices' in one and 'nothing' not in one
        assert one.parameters is not None
        for name in HAND_LABELS:
            torch.testing.assert_close(one[name], other[name], atol=2e-6, rtol=0)
        assert one.parameters is None
        assert not hasattr(one, 'nothing') and one.get('nothing') is None


def test_labels_are_changed_as_others_are(unposed):
    labels = unposed[0].gt_instance_labels
    labels.hand_presence = torch.zeros(1, 2)
    assert not labels.hand_presence.any() and labels.hand_vertices.any()
    changed = HandTargets.from_samples(unposed[:2])
    assert not changed.presence[0].any() and changed.presence[1].any()
    labels = unposed[2].gt_instance_labels
    before = labels.clone().hand_vertices
    assert torch.equal(labels.pop('hand_vertices'), before)
    assert 'hand_vertices' not in labels and 'hand_joints' in labels


def test_copies_and_dictionaries_have_all_fields(unposed):
    sample = unposed[0]
    assert copy.deepcopy(sample).gt_instance_labels.parameters is not None
    moved = sample.gt_instance_labels.to('cpu', torch.float64)
    assert moved.hand_vertices.dtype == torch.float64
    assert set(sample.to_dict()['gt_instance_labels']) == set(HAND_LABELS)


def test_two_kilobytes_travel_for_a_sample(both, unposed):
    kilobyte = 1024
    sizes = [len(bytes(ForkingPickler.dumps(part))) / IMAGES for part in both]
    assert sizes[1] <= 2 * kilobyte < 20 * kilobyte < sizes[0]
    arrived = pickle.loads(ForkingPickler.dumps(unposed))
    for one, other in zip(arrived, unposed):
        one, other = one.gt_instance_labels, other.gt_instance_labels
        assert type(one) is UnposedLabels and one.parameters == other.parameters
    arrived[0].gt_instance_labels.hand_vertices += 1  # posed and writable
    again = pickle.loads(ForkingPickler.dumps(arrived[0].gt_instance_labels))
    assert isinstance(again, HandLabels)
    assert torch.equal(again.hand_vertices, arrived[0].gt_instance_labels.hand_vertices)


def test_a_row_survives_its_way_as_bytes():
    row = np.random.default_rng(0).normal(size=SIZE).astype(np.float32)
    row[MASKS] = row[MASKS] > 0
    found = from_bytes([as_bytes(row), as_bytes(0 * row)])
    np.testing.assert_array_equal(found, [row, 0 * row])


@pytest.mark.parametrize('posed_by', ['worker', 'batch'])
def test_autocast_does_not_round_ground_truth(posed, unposed, posed_by):
    samples = posed if posed_by == 'worker' else unposed
    plain = HandTargets.from_samples(samples)
    with torch.autocast('cpu', torch.bfloat16):
        assert_same(HandTargets.from_samples(samples), plain)


@pytest.mark.parametrize(
    'name, value, sentence',
    [
        ('pose', np.nan, "'pose' is not finite"),
        ('intrinsics', np.inf, "'intrinsics' is not finite"),
        ('joints_valid', 0.5, "'joints_valid' holds 0.5, expected 0 or 1"),
    ],
)
def test_a_defect_is_named(unposed, name, value, sentence):
    row = from_bytes([unposed[0].gt_instance_labels.parameters.packed])[0]
    index = dict(pose=40, joints_valid=MASKS.start + 2, intrinsics=SIZE - 1)[name]
    row[index] = value
    with pytest.raises(UserError, match=f'^a.jpg: {sentence}'):
        complete_row(row[:-18], row[-18:-9], row[-9:], 'a.jpg')


def test_precision_set_in_either_way_stays_and_does_not_round(posed, unposed):
    """PyTorch raises where older names of the switches are read after newer ones."""
    products = torch.backends.cuda.matmul
    before = products.allow_tf32
    products.allow_tf32 = True
    try:
        with full_float32(torch.device('cuda')):
            assert getattr(products, 'fp32_precision', 'ieee') == 'ieee'
        assert products.allow_tf32
        HandTargets.from_samples(unposed)
    finally:
        products.allow_tf32 = before
    on_cpu = getattr(torch.backends.mkldnn, 'matmul', None)
    if on_cpu is None:
        return  # before torch 2.9
    kept, on_cpu.fp32_precision = on_cpu.fp32_precision, 'bf16'
    try:
        found = HandTargets.from_samples(unposed)
        assert on_cpu.fp32_precision == 'bf16'
    finally:
        on_cpu.fp32_precision = kept
    expected = HandTargets.from_samples(posed)
    assert (found.vertices - expected.vertices).abs().max() < MICROMETRE
