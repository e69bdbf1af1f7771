"""Labels, the table they follow, and their batch."""

import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmhand_dne.structures.ground_truth_fields import (
    HAND_LABELS,
    HandLabels,
    check_labels,
)
from mmhand_dne.structures.hand_targets import HandTargets

VERTICES, SIZE = 7, (64, 48)


def random_labels(seed=0, mesh=(1, 1)):
    """One image's arrays; hands without a mesh are zero."""
    rng = np.random.default_rng(seed)
    letters = dict(S=2, J=21, V=VERTICES)
    labels = {}
    for name, field in HAND_LABELS.items():
        shape = [letters.get(x) or int(x) for x in field.shape.split()]
        mask = field.unit == '0 or 1'
        value = rng.integers(0, 2, shape) if mask else rng.normal(0, 0.05, shape)
        labels[name] = value.astype(np.float32)
    labels['hand_vertices_valid'] = np.array(mesh, np.float32)
    labels['hand_vertices'][labels['hand_vertices_valid'] == 0] = 0
    labels['hand_root_cam'] = np.array([[0.1, 0, 0.9], [0, -0.1, 1.1]], np.float32)
    labels['crop_intrinsics'] = np.array(
        [[90, 1, 31], [2, 88, 25], [0, 0, 1]], np.float32
    )
    return labels


def sample_of(labels, kind=HandLabels):
    sample = PoseDataSample(metainfo=dict(input_size=SIZE))
    fields = {name: torch.from_numpy(value)[None] for name, value in labels.items()}
    sample.gt_instance_labels = kind(**fields)
    return sample


@pytest.mark.parametrize('kind', [HandLabels, InstanceData])
def test_a_batch_stacks_every_field_under_its_name(kind):
    rows = [random_labels(seed) for seed in range(3)]
    targets = HandTargets.from_samples([sample_of(row, kind) for row in rows])
    for name, field in HAND_LABELS.items():
        expected = np.stack([row[name] for row in rows])
        np.testing.assert_array_equal(getattr(targets, field.target), expected)


def test_vertices_go_through_the_whole_camera_matrix():
    labels = random_labels()
    targets = HandTargets.from_samples([sample_of(labels)])
    points = (labels['hand_vertices'] + labels['hand_root_cam'][:, None]).astype(float)
    np.testing.assert_allclose(targets.vertices_cam[0], points, atol=1e-6)
    for hand in range(2):
        for vertex in range(VERTICES):
            x, y, z = points[hand, vertex]
            u = (90 * x + 1 * y + 31 * z) / z
            v = (2 * x + 88 * y + 25 * z) / z
            expected = [(2 * u + 1) / 64 - 1, (2 * v + 1) / 48 - 1]
            found = targets.vertices_ndc[0, hand, vertex]
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_hands_without_a_mesh_are_zero_and_finite():
    rows = [random_labels(0, (1, 0)), random_labels(1, (0, 0))]
    targets = HandTargets.from_samples([sample_of(row) for row in rows])
    hidden = targets.vertices_valid == 0
    for value in (targets.vertices_ndc, targets.vertices_cam):
        assert hidden.sum() == 3 and not value[hidden].any()
    assert targets.vertices_ndc[~hidden].abs().min() > 0


def test_another_device_gets_the_same_fields():
    samples = [sample_of(random_labels(seed)) for seed in range(2)]
    here = HandTargets.from_samples(samples)
    there = HandTargets.from_samples(samples, 'meta')
    for name, value in there._asdict().items():
        assert value.device.type == 'meta' and value.dtype == torch.float32
        assert value.shape == getattr(here, name).shape, name


def test_labels_travel_without_shared_memory_files():
    """torch would open a file a tensor, hundreds a batch."""
    labels = sample_of(random_labels()).gt_instance_labels
    labels.set_metainfo(dict(note='kept'))
    arrived = pickle.loads(ForkingPickler.dumps(labels))
    assert type(arrived) is HandLabels and arrived.note == 'kept' and len(arrived) == 1
    assert set(arrived.keys()) == set(labels.keys())
    for name, value in labels.items():
        assert torch.equal(arrived[name], value)
        assert not value.is_shared() and not arrived[name].is_shared()
    arrived.hand_vertices += 1  # writable


DEFECTS = {
    'absent': (lambda x: x.pop('mano_betas'), "has no 'mano_betas' .* provide it"),
    'too few dimensions': (
        lambda x: x.update(hand_root_cam=np.zeros(3)),
        r"'hand_root_cam' has shape \(3,\), expected \(S, 3\)",
    ),
    'three hands': (
        lambda x: x.update(hand_presence=np.zeros(3)),
        r"'hand_presence' has shape \(3,\), expected \(S\)",
    ),
    'NaN': (
        lambda x: x['hand_joints'].put(4, np.nan),
        "'hand_joints' is not finite; correct",
    ),
    'half a mask': (
        lambda x: x['mano_valid'].fill(0.5),
        "'mano_valid' holds 0.5, expected 0 or 1",
    ),
}


@pytest.mark.parametrize('defect', DEFECTS)
def test_a_defect_of_the_labels_is_named(defect):
    spoil, sentence = DEFECTS[defect]
    labels = random_labels()
    check_labels(labels, 'a.jpg')
    spoil(labels)
    with pytest.raises(ValueError, match=f'^a.jpg: .*{sentence}'):
        check_labels(labels, 'a.jpg')


def test_every_mask_is_a_field_of_fewer_dimensions():
    for name, field in HAND_LABELS.items():
        if field.mask is not None:
            mask = HAND_LABELS[field.mask]
            assert mask.unit == '0 or 1'
            assert field.shape.startswith(mask.shape), name
    targets = [field.target for field in HAND_LABELS.values()]
    assert len(set(targets)) == len(targets)
    assert set(targets) | {'vertices_ndc', 'vertices_cam'} == set(HandTargets._fields)
