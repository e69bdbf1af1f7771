"""What a packed sample holds, and what is refused."""

import numpy as np
import pytest
import torch

from mmhand_dne.structures.ground_truth_fields import HAND_LABELS
from mmhand_dne.structures.hand_targets import HandTargets

DEFECTS = {
    'another shape': (
        'mano_betas',
        lambda x: x[:, :9],
        r"'mano_betas' has shape \(2, 9\)",
    ),
    'not finite': (
        'mesh_vertices',
        lambda x: x * np.nan,
        "'hand_vertices' is not finite",
    ),
    'no mask': ('hand_presence', lambda x: x * 0.5, "'hand_presence' holds 0.5"),
}


@pytest.fixture
def dataset(regular_root, build, augmented):
    return build(regular_root, augmented)


def test_labels_follow_the_table(dataset):
    letters = dict(S=2, J=21, V=778)
    for index in range(3):
        labels = dataset[index]['data_samples'].gt_instance_labels
        assert set(labels.keys()) == set(HAND_LABELS)
        for name, field in HAND_LABELS.items():
            shape = [letters.get(x) or int(x) for x in field.shape.split()]
            assert list(labels[name].shape) == [1, *shape]
            assert labels[name].dtype == torch.float32


def test_metainfo_and_inputs(dataset):
    packed = dataset[2]
    sample = packed['data_samples']
    assert packed['inputs'].shape == (3, 256, 256)
    assert packed['inputs'].dtype == torch.uint8
    assert sample.input_size == (256, 256) and sample.sample_idx == 2
    assert sample.crop_affine.shape == (2, 3) and isinstance(sample.flip, bool)
    assert sample.img_path.endswith('image1012.jpg') and sample.img_id == 13
    np.testing.assert_array_equal(sample.hand_type, [[1, 1]])
    assert sample.ori_shape == (512, 334) or sample.ori_shape == (334, 512)


def test_unknown_hands_are_zero_and_masked(odd_root, build):
    """Masks of 0 come with zeros (rotations: identity) in every irregular frame."""
    pipeline = [dict(type='MeshCrop'), dict(type='PackHandInputs')]
    dataset = build(odd_root, pipeline)
    dataset.pipeline.transforms.insert(0, _BlankImage())
    samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
    targets = HandTargets.from_samples(samples)
    checked = 0
    for name, field in HAND_LABELS.items():
        if field.mask is None or name == 'hand_presence':
            continue
        value = getattr(targets, field.target)
        hidden = getattr(targets, HAND_LABELS[field.mask].target) == 0
        rest = torch.eye(3) if name == 'mano_rotations' else 0.0
        assert hidden.any() and (value[hidden] == rest).all(), name
        checked += 1
    assert checked == 6
    assert not targets.vertices_ndc[targets.vertices_valid == 0].any()


def test_an_invalid_wrist_masks_3d_but_not_2d(odd_root, build):
    pipeline = [dict(type='MeshCrop'), dict(type='PackHandInputs')]
    dataset = build(odd_root, pipeline)
    dataset.pipeline.transforms.insert(0, _BlankImage())
    targets = HandTargets.from_samples([dataset[20]['data_samples']])
    assert targets.joints_valid[0].sum(-1).tolist() == [0, 21]
    assert targets.joints_ndc_valid[0].sum(-1).tolist() == [20, 21]
    assert targets.root_valid[0].tolist() == [0, 1]


@pytest.mark.parametrize('defect', DEFECTS)
def test_a_defect_names_field_and_image(dataset, defect):
    name, spoil, sentence = DEFECTS[defect]
    dataset.pipeline.transforms.insert(-1, _Change(name, spoil))
    with pytest.raises(ValueError, match=f'image1000.jpg: {sentence}'):
        dataset[0]


class _BlankImage:
    def __call__(self, results):
        image = np.zeros((results['height'], results['width'], 3), np.uint8)
        return dict(results, img=image)


class _Change:
    def __init__(self, name, spoil):
        self.name, self.spoil = name, spoil

    def __call__(self, results):
        return dict(results, **{self.name: self.spoil(results[self.name])})
