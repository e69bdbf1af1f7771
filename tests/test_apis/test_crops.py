"""At inference the crop of a square is the training pipeline's, pixel by pixel."""

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmpose.registry import DATASETS

from mmhand_dne.apis import config_names
from mmhand_dne.apis.crops import CropPipeline
from mmhand_dne.apis.inputs.given_boxes import HandBox
from mmhand_dne.apis.inputs.palm_hands import box_of_square
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.geometry.hand_rois import roi_of_landmarks
from tests.interhand_fixture import dataset_config, write_interhand
from tests.oracles import hamer_crop


@pytest.fixture(scope='module')
def pipeline():
    return config_names.test_pipeline(config_names.config_of('dne_real'))


@pytest.fixture(scope='module')
def hands(tmp_path_factory):
    root = write_interhand(tmp_path_factory.mktemp('set') / 'data', 4)
    with DefaultScope.overwrite_default_scope('mmpose'):
        inner = dict(type='InterHandMeshDataset', **dataset_config(root, pipeline=[]))
        return DATASETS.build(dict(type='SingleHandDataset', dataset=inner))


def test_a_square_is_cut_as_training_cuts_it(hands, pipeline):
    training = Compose(pipeline)
    cutter = CropPipeline(pipeline, 778, one_hand=True)
    assert cutter.upright
    loader = Compose(pipeline[:1])
    for index in range(len(hands)):
        wanted = training(hands.get_data_info(index))
        sample = loader(hands.get_data_info(index))
        slot = sample['hand_slot']
        points = sample['mesh_joints'][slot] + sample['mesh_root'][slot]
        roi = roi_of_landmarks(project_perspective(points, sample['intrinsics']))
        box = box_of_square(roi, ('right', 'left')[slot])
        [crop] = cutter.crops(sample['img'], box, sample['intrinsics'], 'image')
        shown, expected = (
            np.asarray(data['inputs'], int) for data in (crop.data, wanted)
        )
        # A left hand's square is mirrored after it was placed, which rounds otherwise.
        assert np.abs(shown - expected).max() <= slot
        metas = [data['data_samples'].metainfo for data in (crop.data, wanted)]
        assert metas[0]['flip'] == metas[1]['flip'] == bool(slot)
        np.testing.assert_allclose(
            metas[0]['crop_affine'], metas[1]['crop_affine'], atol=1e-3
        )


@pytest.mark.parametrize('side', ['right', 'left'])
def test_hamers_configs_cut_photos_as_hamers_demo_does(side):
    """From a photo of many pixels, which the demo filters before it shrinks it."""
    image = np.random.default_rng(1).integers(0, 255, (800, 900, 3), dtype=np.uint8)
    corners = np.float32([200, 150, 560, 600])
    name = 'hamer-deterministic_vit-h_1xb64-9e_interhand26m-256x256'
    steps = config_names.test_pipeline(config_names.config_of(name))
    cutter = CropPipeline(steps, 778, one_hand=True)
    [crop] = cutter.crops(image, HandBox(corners, side), np.eye(3), 'photo')
    expected, _ = hamer_crop.crop(image, corners, side == 'left', blur=True)
    shown = np.moveaxis(np.asarray(crop.data['inputs']), 0, -1)
    np.testing.assert_array_equal(shown, np.float32(expected))
