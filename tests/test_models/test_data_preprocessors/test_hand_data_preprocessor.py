import copy

import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmhand_dne.models.data_preprocessors import HandDataPreprocessor

ARGUMENTS = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
)


def batch(sizes):
    generator = torch.Generator().manual_seed(0)
    samples = [
        PoseDataSample(gt_instance_labels=InstanceData(value=torch.rand(1, 3)))
        for _ in sizes
    ]
    return dict(
        inputs=[
            torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
            for size in sizes
        ],
        data_samples=samples,
    )


@pytest.mark.parametrize('sizes', [[(16, 16)] * 3, [(16, 16), (12, 20)]])
def test_images_and_metainfo_equal_mmposes(sizes):
    ours = HandDataPreprocessor(**ARGUMENTS)(batch(sizes), True)
    theirs = MODELS.build(dict(type='PoseDataPreprocessor', **ARGUMENTS))(
        copy.deepcopy(batch(sizes)), True
    )
    torch.testing.assert_close(ours['inputs'], theirs['inputs'], rtol=0, atol=0)
    for mine, other in zip(ours['data_samples'], theirs['data_samples']):
        assert mine.metainfo == other.metainfo
        assert mine.metainfo['batch_input_shape'] == tuple(ours['inputs'].shape[-2:])


def test_ground_truth_stays_where_the_loader_left_it():
    data = batch([(16, 16)] * 2)
    held = [sample.gt_instance_labels.value for sample in data['data_samples']]
    preprocess = HandDataPreprocessor(**ARGUMENTS)
    samples = preprocess.cast_data(data)['data_samples']
    for sample, value in zip(samples, held):
        assert sample.gt_instance_labels.value is value


def test_a_batch_already_stacked_is_taken_as_it_is():
    data = batch([(16, 16)] * 2)
    stacked = {**data, 'inputs': torch.stack(data['inputs'])}
    preprocess = HandDataPreprocessor(**ARGUMENTS)
    torch.testing.assert_close(
        preprocess(stacked, True)['inputs'], preprocess(data, True)['inputs']
    )
