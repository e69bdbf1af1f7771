"""Crops that are not square: what they show, where their ground truth says it is."""

import cv2
import numpy as np
import pytest
from mmpose.datasets.transforms import GetBBoxCenterScale, TopdownAffine
from mmpose.registry import DATASETS

from mmhand_dne.datasets.transforms import HaMeRCrop, MeshCrop, PackHandInputs
from mmhand_dne.geometry.camera import ndc_to_pixels, project_perspective
from mmhand_dne.structures.raw_sample import empty_sample
from tests.interhand_fixture import dataset_config, write_interhand

SHAPES = [(192, 256), (256, 160), (64, 64)]
SPOTS = np.array([[60.0, 70], [120, 80], [90, 130]])  # pixels of the image
BOX = (40.0, 50, 150, 160)


def photo(spots=SPOTS):
    """Black, with a bright disc at each spot."""
    image = np.zeros((200, 240, 3), np.uint8)
    for spot in spots:
        cv2.circle(image, tuple(int(value) for value in spot), 4, (255,) * 3, -1)
    return image


def sample(image, box=BOX, angle=0.0):
    """One hand whose first joints lie at 0.5 m on the rays of the spots."""
    camera = np.array([[300.0, 0, 118], [0, 310, 97], [0, 0, 1]])
    rays = np.column_stack([SPOTS, np.ones(3)]) @ np.linalg.inv(camera).T
    found = empty_sample(778)
    found['joints_cam'][0, :3] = 0.5 * rays
    found['joints_cam'][0, 3:] = 0.5 * rays[0]
    found['joints_valid'][0] = 1
    return dict(
        found,
        img=image,
        img_path='a.jpg',
        img_shape=image.shape[:2],
        ori_shape=image.shape[:2],
        intrinsics=camera,
        bbox=np.float64([box]),
        box_angle=angle,
        flip=False,
    )


def brightest(crop, near):
    """The middle (2,) of the disc that lies near (2,) pixels of a crop."""
    rows, columns = np.indices(crop.shape[:2])
    weight = crop[..., 0] * (np.hypot(columns - near[0], rows - near[1]) < 14.0)
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@pytest.mark.parametrize('size', SHAPES)
@pytest.mark.parametrize('kind', [MeshCrop, HaMeRCrop])
@pytest.mark.parametrize('angle', [0.0, 25.0])
def test_a_joint_lies_where_the_crop_shows_it(kind, size, angle):
    options = dict(aspect=None, half_pixel=True) if kind is HaMeRCrop else {}
    crop = kind(input_size=size, padding=1.3, **options)
    results = crop.transform(sample(photo(), angle=angle))
    assert results['img'].shape == (size[1], size[0], 3)
    assert results['input_size'] == size
    packed = PackHandInputs().transform(results)
    assert tuple(packed['inputs'].shape) == (3, size[1], size[0])
    ndc = packed['data_samples'].gt_instance_labels.hand_joints_ndc[0, 0, :3]
    told = ndc_to_pixels(ndc, size).numpy()
    seen = project_perspective(results['joints_cam'][0, :3], results['intrinsics'])
    np.testing.assert_allclose(told, seen, atol=1e-3)
    for point in told:
        assert np.hypot(*(brightest(results['img'], point) - point)) < 0.3


@pytest.mark.parametrize('size', SHAPES)
@pytest.mark.parametrize('box', [BOX, (20, 60, 200, 120), (80, 10, 130, 190)])
def test_mesh_crop_cuts_what_mmpose_cuts(size, box):
    image = np.random.default_rng(0).integers(0, 256, (25, 30, 3), dtype=np.uint8)
    image = cv2.resize(image, (240, 200), interpolation=cv2.INTER_CUBIC)
    ours = MeshCrop(input_size=size, padding=1.25).transform(sample(image, box))
    theirs = dict(img=image, bbox=np.float32([box]))
    theirs = GetBBoxCenterScale(padding=1.25).transform(theirs)
    theirs = TopdownAffine(input_size=size).transform(theirs)
    np.testing.assert_allclose(
        ours['input_scale'], theirs['input_scale'].reshape(2), rtol=1e-5
    )
    # MMPose's crops begin half a pixel beside ours, which have the box in the middle.
    pixel = ours['input_scale'][0] / size[0]
    np.testing.assert_allclose(
        ours['input_center'] - 0.5 * pixel, theirs['input_center'].reshape(2), rtol=1e-5
    )


@pytest.mark.parametrize('size', [(192, 256), (256, 160)])
@pytest.mark.parametrize('kind', [MeshCrop, HaMeRCrop])
def test_the_whole_box_is_in_the_crop(kind, size):
    options = dict(aspect=None) if kind is HaMeRCrop else {}
    crop = kind(input_size=size, padding=1.0, **options)
    for box in (BOX, (20, 60, 200, 120), (80, 10, 130, 190)):
        results = crop.transform(sample(photo(), box))
        corners = np.array([[*box[:2], 1], [*box[2:], 1]])
        low, high = corners @ results['crop_affine'].T
        assert (low > -1.1).all() and (high < np.array(size) + 0.1).all()
        touched = np.isclose(high - low, size, atol=0.02)
        assert touched.any(), 'and one side fills it'


def test_hamers_columns_are_a_crop_of_that_shape():
    """HaMeR cuts 256 x 256 and reads columns 32 to 224 of it."""
    image = np.random.default_rng(1).integers(0, 256, (25, 30, 3), dtype=np.uint8)
    image = cv2.resize(image, (240, 200), interpolation=cv2.INTER_CUBIC)
    for options in (dict(), dict(blur=True, padding=4.0), dict(half_pixel=True)):
        square = HaMeRCrop(**options).transform(sample(image, angle=10.0))
        shape = dict(input_size=(192, 256), **options)
        tall = HaMeRCrop(**shape).transform(sample(image, angle=10.0))
        # OpenCV rounds positions to 1/32 pixel, in sums that begin elsewhere.
        gap = tall['img'].astype(float) - square['img'][:, 32:-32]
        assert np.abs(gap).mean() < 0.01  # of 255
        shift = np.array([[0, 0, 32], [0, 0, 0]])
        np.testing.assert_allclose(
            tall['crop_affine'], square['crop_affine'] - shift, atol=1e-9
        )
        np.testing.assert_allclose(tall['input_center'], square['input_center'])
        np.testing.assert_allclose(
            tall['input_scale'], square['input_scale'] * [0.75, 1]
        )


def test_an_aspect_of_another_shape_is_one_sentence():
    with pytest.raises(ValueError, match='cut hands off; set aspect=None'):
        HaMeRCrop(input_size=(256, 192))
    assert HaMeRCrop(input_size=(256, 192), aspect=None).aspect == (256, 192)


@pytest.mark.parametrize('size', [(48, 64), (64, 40)])
def test_augmented_ground_truth_stays_exact(size, tmp_path):
    """Rotated, shifted, scaled: a joint's pixel is the image's, through the affine."""
    write_interhand(tmp_path, 3)
    crop = dict(
        type='MeshCrop', input_size=size, shift=10, rotation=90, scale=(0.9, 1.1)
    )
    plain = dict(type='InterHandMeshDataset', **dataset_config(tmp_path))
    whole = DATASETS.build(dict(plain, pipeline=[dict(type='LoadHandImage')]))
    cut = DATASETS.build(dict(plain, pipeline=[dict(type='LoadHandImage'), crop]))
    for i in range(3):
        before, after = whole[i], cut[i]
        valid = before['joints_valid'].astype(bool)
        pixels = project_perspective(before['joints_cam'][valid], before['intrinsics'])
        moved = np.column_stack([pixels, np.ones(len(pixels))]) @ after['crop_affine'].T
        found = project_perspective(after['joints_cam'][valid], after['intrinsics'])
        np.testing.assert_allclose(found, moved, atol=1e-3)
