"""One hand of an image as a right hand, with all its ground truth."""

import numpy as np
import pytest
import torch

from mmhand_dne.datasets.transforms import HaMeRCrop, PackHandInputs, SelectHand


def select(info, slot, image=None):
    if image is None:
        image = np.zeros((info['height'], info['width'], 3), np.uint8)
    return SelectHand().transform(
        dict(info, hand_slot=slot, img=image, ori_shape=image.shape[:2])
    )


@pytest.fixture
def interacting(infos):
    return next(info for info in infos if info['mano_valid'].all())


def test_a_right_hand_stays_and_its_neighbour_goes(interacting):
    found = select(interacting, 0)
    assert (found['flip'], found['hand_side']) == (False, 'right')
    for name in ('mesh_vertices', 'joints_cam', 'mano_rotations', 'mano_betas'):
        np.testing.assert_array_equal(found[name][0], interacting[name][0])
    assert not found['joints_valid'][1].any() and found['mano_valid'][1] == 0
    np.testing.assert_array_equal(
        found['mano_rotations'][1], np.tile(np.eye(3), (16, 1, 1))
    )
    assert found['hand_presence'].tolist() == [1, 0]
    assert found['hand_presence_valid'].tolist() == [1, 0]
    assert interacting['mano_valid'].all()  # the entry itself is as before


def test_a_left_hand_is_mirrored_with_its_image_and_camera(interacting):
    shape = interacting['height'], interacting['width'], 3
    image = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    found = select(interacting, 1, image)
    assert (found['flip'], found['hand_side']) == (True, 'left')
    np.testing.assert_array_equal(found['img'], image[:, ::-1])
    mirror = np.array([-1.0, 1, 1])
    np.testing.assert_array_equal(
        found['mesh_vertices'][0], interacting['mesh_vertices'][1] * mirror
    )
    for name in ('mesh_joints', 'mesh_root'):
        assert np.abs(found[name][0]).max() > 0 and not found[name][1].any()

    def pixels(info, slot):
        points = info['mesh_vertices'][slot] + info['mesh_root'][slot]
        points = points @ info['intrinsics'].T
        return points[:, :2] / points[:, 2:]

    expected = pixels(interacting, 1)
    expected[:, 0] = interacting['width'] - 1 - expected[:, 0]
    np.testing.assert_allclose(pixels(found, 0), expected, atol=1e-9)


def test_mmposes_fields_are_of_the_mirrored_image(interacting):
    """Their points, focal length and principal point still belong together."""
    found = select(interacting, 1)
    seen = found['keypoints_visible'][0].astype(bool)
    assert seen[:21].any() and not seen[21:].any()
    points = found['keypoints_cam'][0, :21][seen[:21]]
    pixels = points[:, :2] / points[:, 2:] * found['focal'] + found['principal_pt']
    np.testing.assert_allclose(
        found['keypoints'][0, :21, :2][seen[:21]], pixels, atol=1e-2
    )
    assert found['abs_depth'][0] == interacting['abs_depth'][1]
    assert not found['abs_depth'][1]


@pytest.mark.parametrize('slot', [0, 1])
def test_the_box_is_the_tight_one_of_the_hands_joints(interacting, slot):
    found = select(interacting, slot)
    points = interacting['mesh_joints'][slot] + interacting['mesh_root'][slot]
    pixels = points @ interacting['intrinsics'].T
    pixels = pixels[:, :2] / pixels[:, 2:]
    if slot:
        pixels[:, 0] = interacting['width'] - 1 - pixels[:, 0]
    expected = [[*pixels.min(0), *pixels.max(0)]]
    np.testing.assert_allclose(found['bbox'], expected, atol=1e-6)


def test_joints_make_the_box_where_there_is_no_mesh(interacting):
    info = dict(interacting, mano_valid=np.zeros(2, bool))
    info['joints_valid'] = info['joints_valid'].copy()
    info['joints_valid'][0, 5:] = False
    points = info['joints_cam'][0, :5] @ info['intrinsics'].T
    pixels = points[:, :2] / points[:, 2:]
    expected = [[*pixels.min(0), *pixels.max(0)]]
    np.testing.assert_allclose(select(info, 0)['bbox'], expected, atol=1e-6)


@pytest.mark.parametrize('slot', [0, 1])
def test_packed_samples_keep_the_contract_of_one_hand(interacting, slot):
    results = HaMeRCrop(input_size=64).transform(select(interacting, slot))
    sample = PackHandInputs().transform(results)['data_samples']
    assert (sample.flip, sample.hand_side) == (bool(slot), ('right', 'left')[slot])
    labels = sample.gt_instance_labels
    for name in (
        'hand_vertices_valid',
        'hand_root_valid',
        'mano_valid',
        'hand_presence',
        'hand_presence_valid',
    ):
        assert labels[name].tolist() == [[1, 0]]
    for name in (
        'hand_vertices',
        'hand_joints',
        'hand_joints_valid',
        'hand_joints_ndc_valid',
        'hand_root_cam',
        'mano_betas',
    ):
        assert labels[name][:, 0].any() and not labels[name][:, 1].any()
    assert torch.isfinite(labels.hand_joints_ndc).all()


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        (dict(hand_slot=None), 'hand_slot is None, expected 0 or 1; wrap'),
        (
            dict(hand_slot=1, mano_valid=np.zeros(2), joints_valid=np.zeros((2, 21))),
            'its left hand has neither a valid joint nor a mesh',
        ),
    ],
)
def test_a_hand_without_ground_truth_is_an_error(interacting, changes, sentence):
    image = np.zeros((interacting['height'], interacting['width'], 3), np.uint8)
    with pytest.raises(ValueError, match=sentence):
        SelectHand().transform({**interacting, 'img': image, **changes})
