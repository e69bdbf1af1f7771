"""What InterHandMeshDataset says about a hand, compared with how it was made."""

import json

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpose.datasets import InterHand3DDataset

from mmhand_dne.conventions import INTERHAND_JOINTS, OPENPOSE_JOINTS, reorder
from mmhand_dne.datasets.datasets import InterHandMeshDataset
from mmhand_dne.geometry.rotation import matrix_from_axis_angle
from mmhand_dne.hand_model import HandPair
from tests.interhand_fixture import TYPES

TENTH_MM = 1e-4  # metres
SIDES = ('right', 'left')
REAL = dict(
    ann_file='test_interhand2.6m_data.json',
    joint_file='test_interhand2.6m_joint_3d.json',
    data_prefix=dict(img=''),
)
REAL_CAMERA = 'test_interhand2.6m_camera.json'


def read(root, name):
    path = root / 'annotations' / 'train' / f'InterHand2.6M_train_{name}.json'
    return json.loads(path.read_text())


def tight_box(info):
    """The box of the valid joints, projected by hand, times 1.2."""
    seen = info['joint_in_image'] & info['joints_valid']
    image = info['joints_cam'][seen] @ info['intrinsics'].T
    pixels = image[:, :2] / image[:, 2:]
    low, high = pixels.min(0), pixels.max(0)
    margin = 0.1 * (high - low)
    return np.concatenate([low - margin, high + margin])


def test_both_routes_into_the_camera_agree(regular_root, build):
    """Vertices moved from the world equal MANO run on parameters moved there."""
    dataset, manos = build(regular_root), read(regular_root, 'MANO_NeuralAnnot')
    cameras, pair = read(regular_root, 'camera')['0'], HandPair()
    images = {i['id']: i for i in read(regular_root, 'data')['images']}
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        image = images[info['img_id']]
        turn = torch.tensor(cameras['camrot'][image['camera']])
        shift = -turn @ torch.tensor(cameras['campos'][image['camera']]) / 1000
        for slot, side in enumerate(SIDES):
            hand = manos['0'][str(image['frame_idx'])][side]
            if hand is None:
                assert not info['mano_valid'][slot]
                continue
            layer, betas = getattr(pair, side), torch.tensor(hand['shape'])
            rotations = layer.absolute_pose(torch.tensor(hand['pose']), mean=True)
            rest = layer(torch.eye(3).expand(16, 3, 3), betas)
            pivot = layer.J_regressor[0] @ rest
            rotations[0] = turn @ matrix_from_axis_angle(torch.tensor(hand['pose'])[:3])
            trans = turn @ (pivot + torch.tensor(hand['trans'])) + shift - pivot
            expected = layer(rotations, betas, trans).numpy()
            found = info['mesh_vertices'][slot] + info['mesh_root'][slot]
            assert np.abs(found - expected).max() < TENTH_MM


def test_joints_of_the_mesh_are_the_annotated_joints(infos):
    for info in infos:
        mesh = info['mesh_joints'] + info['mesh_root'][:, None]
        error = np.abs(mesh - info['joints_cam'])[info['joints_valid']]
        assert info['joints_valid'].any() and error.max() < TENTH_MM


def test_boxes_hold_the_joints_and_a_fifth_more(infos):
    for info in infos:
        np.testing.assert_allclose(tight_box(info), info['bbox'][0], atol=1e-6)


def test_real_boxes_hold_the_real_joints_and_a_fifth_more(real_data):
    dataset = InterHandMeshDataset(
        **REAL, camera_file=REAL_CAMERA, data_root=str(real_data / 'interhand2.6m')
    )
    assert len(dataset) == 4
    for info in map(dataset.get_data_info, range(4)):
        np.testing.assert_allclose(tight_box(info), info['bbox'][0], atol=1e-3)
        wrist_to_middle = np.linalg.norm(
            info['joints_cam'][:, 9] - info['joints_cam'][:, 0], axis=-1
        )[info['joints_valid'][:, 0]]
        assert ((wrist_to_middle > 0.07) & (wrist_to_middle < 0.1)).all()  # metres


def test_mmposes_fields_are_those_of_mmposes_dataset(real_data):
    """On the real annotations, where both classes read the same files."""
    root = str(real_data / 'interhand2.6m')
    ours = InterHandMeshDataset(**REAL, camera_file=REAL_CAMERA, data_root=root)
    with DefaultScope.overwrite_default_scope('mmpose'):
        theirs = InterHand3DDataset(
            **REAL, camera_param_file=REAL_CAMERA, data_root=root
        )
    # MMPose orders by image id, we by annotation.
    by_id = {info['id']: info for info in map(theirs.get_data_info, range(4))}
    for info in map(ours.get_data_info, range(4)):
        other = by_id[info['id']]
        seen = other['keypoints_visible'] > 0
        np.testing.assert_array_equal(info['keypoints_visible'], seen)
        for name, tolerance in (('keypoints_cam', 0.01), ('keypoints', 0.01)):
            error = np.abs(info[name][seen] - other[name][seen])
            assert error.max() < tolerance, name  # mm; pixels and mm
        for name in ('hand_type', 'hand_type_valid', 'focal', 'principal_pt'):
            np.testing.assert_allclose(info[name], other[name], rtol=1e-6)
        there = np.flatnonzero(info['hand_type'][0])
        np.testing.assert_allclose(
            info['abs_depth'][there], np.array(other['abs_depth'])[there], atol=0.01
        )


def test_one_hand_frames_fill_one_slot(infos):
    for info, sides in zip(infos[:3], TYPES.values()):
        there = [side in sides for side in SIDES]
        for name in ('mano_valid', 'hand_presence'):
            assert list(info[name] > 0) == there
        assert (info['hand_presence_valid'] == 1).all()
        assert not info['joints_valid'][np.logical_not(there)].any()
        assert not info['joints_cam'][np.logical_not(there)].any()
        assert not info['mesh_vertices'][np.logical_not(there)].any()


def test_irregular_frames_are_read_with_masks(odd_root, build):
    dataset = build(odd_root)
    odd = [dataset.get_data_info(i) for i in range(2, 21, 3)]
    mano = [list(info['mano_valid'] > 0) for info in odd]
    both = [True, True]
    assert mano == [
        [False, True],
        [True, False],
        [False, False],
        both,
        both,
        [True, False],
        [False, True],
    ]
    joints = [[int(n) for n in info['joints_valid'].sum(-1)] for info in odd]
    assert joints == [[21, 21]] * 5 + [[21, 0], [20, 21]]
    # MMPose's mask drops the whole hand with its wrist.
    seen = [
        [int(n) for n in x['keypoints_visible'].reshape(2, 21).sum(-1)] for x in odd
    ]
    assert seen[-2:] == [[21, 0], [0, 21]]
    known = [[int(n) for n in info['hand_presence_valid']] for info in odd]
    assert known == [[1, 1]] * 4 + [[0, 0], [1, 0], [1, 1]]


def test_a_bare_list_of_joints_marks_its_placeholders(tmp_path, odd_root, build):
    files = dict(joint_file=tmp_path / 'joints.json')
    table = read(odd_root, 'joint_3d')
    frame = table['0']['1066']  # frame 11: the bare list
    assert isinstance(frame, list)
    frame[20] = [1, 1, 1]
    files['joint_file'].write_text(json.dumps(table))
    info = build(odd_root, **files).get_data_info(11)
    assert info['joints_valid'].sum() == 41 and not info['joints_valid'][0, 0]


def test_annotations_are_joined_by_image_id(regular_root, build):
    """The fixture lists its images the other way round."""
    data = read(regular_root, 'data')
    names = {image['id']: image['file_name'] for image in data['images']}
    dataset = build(regular_root)
    for index, annotation in enumerate(data['annotations']):
        info = dataset.get_data_info(index)
        assert info['img_path'].endswith(names[annotation['image_id']])
        assert info['id'] == annotation['id']


def test_a_subset_takes_every_nth_annotation(regular_root, build):
    whole = build(regular_root)
    ids = [whole.get_data_info(i)['id'] for i in range(6)]
    part = build(regular_root, subset_step=2)
    assert [part.get_data_info(i)['id'] for i in range(len(part))] == ids[::2]
    first = build(regular_root, subset_step=2, indices=2)
    assert [first.get_data_info(i)['id'] for i in range(len(first))] == ids[:4:2]


def test_the_data_set_knows_the_joints_by_mmposes_names(regular_root, build):
    names = build(regular_root).metainfo['keypoint_id2name']
    order = reorder(INTERHAND_JOINTS, OPENPOSE_JOINTS)
    assert names[order[0]] == 'right_wrist' and names[order[8] + 21].startswith(
        'left_forefinger4'
    )


def test_boxes_without_extent_are_left_out(tmp_path, regular_root, build):
    data = read(regular_root, 'data')
    data['annotations'][1]['bbox'][2:] = [0, 0]
    path = tmp_path / 'data.json'
    path.write_text(json.dumps(data))
    dataset = build(regular_root, ann_file=str(path))
    ids = [dataset.get_data_info(i)['id'] for i in range(len(dataset))]
    kept = [a['id'] for a in data['annotations']]
    assert ids == kept[:1] + kept[2:]


@pytest.mark.parametrize('step', [0, -1])
def test_a_subset_step_is_positive(regular_root, build, step):
    with pytest.raises(ValueError, match=f'subset_step is {step}, expected >= 1'):
        build(regular_root, subset_step=step)
