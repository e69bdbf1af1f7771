"""Our data sets under MMPose's own transforms, for MMPose's own models."""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS, TRANSFORMS

from mmhand_dne.conventions import OPENPOSE_FROM_INTERHAND, OPENPOSE_JOINTS
from mmhand_dne.errors import UserError
from tests.interhand_fixture import dataset_config

INTERNET = (
    'mmpose::hand_3d_keypoint/internet/interhand3d/'
    'internet_res50_4xb16-20e_interhand3d-256x256.py'
)
RTMPOSE = (
    'mmpose::hand_2d_keypoint/rtmpose/hand5/rtmpose-m_8xb256-210e_hand5-256x256.py'
)


def mmpose_config(tmp_path, base, text=''):
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {base!r}\n{text}')
    init_default_scope('mmpose')
    return Config.fromfile(str(path))


def mmpose_dataset(root, pipeline):
    """MMPose's own reader of the same files."""
    files = dataset_config(root)
    files.pop('mano_file')
    files['camera_param_file'] = files.pop('camera_file')
    return DATASETS.build(dict(type='InterHand3DDataset', pipeline=pipeline, **files))


def our_dataset(root, pipeline):
    return DATASETS.build(
        dict(type='InterHandMeshDataset', pipeline=pipeline, **dataset_config(root))
    )


def by_id(dataset):
    """Samples by their annotation, each drawn from the same random numbers."""
    found = {}
    for index in range(len(dataset)):
        number = dataset.get_data_info(index)['id']
        np.random.seed(number)
        found[number] = dataset[index]
    return found


def test_a_top_down_crop_is_about_the_annotated_box(regular_root):
    pipeline = [
        dict(type='LoadImage'),
        dict(type='GetBBoxCenterScale'),
        dict(type='TopdownAffine', input_size=(128, 128)),
    ]
    dataset = our_dataset(regular_root, pipeline)
    boxes = dataset.table.columns['bbox'][dataset.rows]
    for index, (x, y, w, h) in enumerate(boxes):
        found = dataset[index]
        np.testing.assert_allclose(found['input_center'], [x + w / 2, y + h / 2])
        np.testing.assert_allclose(found['input_scale'], 1.25 * max(w, h))


def test_internet_gets_from_our_reader_what_it_gets_from_mmposes(
    regular_root, tmp_path
):
    cfg = mmpose_config(tmp_path, INTERNET)
    flips = 0
    for pipeline in (cfg.train_pipeline, cfg.val_pipeline):
        theirs = by_id(mmpose_dataset(regular_root, copy.deepcopy(pipeline)))
        ours = by_id(our_dataset(regular_root, copy.deepcopy(pipeline)))
        assert len(ours) == 6 and set(ours) == set(theirs)
        for number, sample in ours.items():
            wanted = theirs[number]
            # Boxes of theirs are float32, which moves pixels by a grey value or two.
            difference = sample['inputs'].float() - wanted['inputs'].float()
            assert difference.abs().mean() < 0.1
            one, other = sample['data_samples'], wanted['data_samples']
            seen = other.gt_instances.keypoints_visible > 0
            flipped = one.get('flip', False)
            flips += flipped
            # MMPose mirrors neither keypoints_cam nor abs_depth.
            annotated = seen[:, one.flip_indices] if flipped else seen
            # What is not known is zero here, and coordinates of no meaning there.
            for name, mask in (('keypoints', seen), ('keypoints_cam', annotated)):
                for instances in (one.gt_instances, other.gt_instances):
                    instances.set_field(instances.get(name)[mask][None], name)
            labels = one.gt_instance_labels, other.gt_instance_labels
            for fields in labels:
                if 'root_depth' in fields:
                    fields.root_depth = fields.root_depth * fields.root_depth_weight
            same_fields(*labels, 1e-3)
            same_fields(one.gt_instances, other.gt_instances, 2e-2)
            if 'gt_fields' in other:
                maps = one.gt_fields.heatmaps, other.gt_fields.heatmaps
                same_heatmaps(*maps, torch.from_numpy(seen[0]))
            for name in ('flip_indices', 'hand_type', 'hand_type_valid'):
                np.testing.assert_array_equal(one.get(name), other.get(name), name)
            wrists = annotated[0, [20, 41]]
            np.testing.assert_allclose(
                np.array(one.abs_depth)[wrists], np.array(other.abs_depth)[wrists]
            )
    assert flips


def same_heatmaps(ours, theirs, seen):
    """The codec rounds to whole cells: a joint near a border may go to the next."""
    maps = [value.reshape(42, 64, 64, 64)[seen] for value in (ours, theirs)]
    same = (maps[0] - maps[1]).flatten(1).abs().amax(1) < 0.5  # of 255
    assert same.float().mean() >= 0.9
    there = [value.flatten(1).amax(1) > 0 for value in maps]
    assert torch.equal(*there)
    cells = [np.unravel_index(value.flatten(1).argmax(1), (64,) * 3) for value in maps]
    assert np.abs(np.subtract(*cells)).max() <= 1


def same_fields(ours, theirs, tolerance):
    assert set(theirs.keys()) <= set(ours.keys())
    for name in theirs.keys():
        np.testing.assert_allclose(
            np.asarray(ours.get(name), float),
            np.asarray(theirs.get(name), float),
            atol=tolerance,
            rtol=1e-5,
            err_msg=name,
        )


def one_hand_dataset(root, pipeline, **changes):
    pipeline = [pipeline[0], dict(type='OneHandKeypoints'), *pipeline[1:]]
    part = dict(type='InterHandMeshDataset', **dataset_config(root, **changes))
    return DATASETS.build(
        dict(type='SingleHandDataset', dataset=dict(part, pipeline=pipeline))
    )


@pytest.mark.parametrize('mano', [True, False])
def test_a_hands_keypoints_are_the_annotated_joints_of_that_hand(regular_root, mano):
    changes = {} if mano else dict(mano_file=None)
    dataset = one_hand_dataset(regular_root, [dict(type='LoadImage')], **changes)
    sides = []
    for index in range(len(dataset)):
        raw, found = dataset.get_data_info(index), dataset[index]
        start = 21 * raw['hand_slot']
        wanted = raw['keypoints'][:, start : start + 21, :2][:, OPENPOSE_FROM_INTERHAND]
        np.testing.assert_allclose(found['keypoints'], wanted, atol=0.3)
        assert found['keypoints_visible'].all()
        corners = [*found['keypoints'][0].min(0), *found['keypoints'][0].max(0)]
        np.testing.assert_allclose(found['bbox'], [corners], atol=1e-3)
        assert found['flip_indices'] == list(range(21))
        sides.append(found['hand_side'])
    assert sides.count('left') == 4 and sides.count('right') == 4


def test_the_order_of_a_hand_is_that_of_mmposes_hand_models(tmp_path):
    text = "metainfo = dict(from_file='configs/_base_/datasets/coco_wholebody_hand.py')"
    dataset = mmpose_config(tmp_path, RTMPOSE, text)
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    names = parse_pose_metainfo(dict(dataset.metainfo))['keypoint_id2name']
    theirs = [names[i].replace('forefinger', 'index') for i in range(21)]
    theirs = [name.replace('_finger', '').replace('pinky_', 'pinky') for name in theirs]
    assert theirs == list(OPENPOSE_JOINTS)


def test_a_joint_outside_the_image_is_not_visible(regular_root):
    dataset = one_hand_dataset(regular_root, [dict(type='LoadImage')])
    info = dataset.get_data_info(0)
    info['img'] = np.zeros((info['height'], info['width'], 3), np.uint8)
    info['mesh_root'][info['hand_slot'], 0] += 0.1
    found = TRANSFORMS.build(dict(type='OneHandKeypoints')).transform(info)
    seen = found['keypoints_visible'][0] > 0
    assert seen.any() and not seen.all()
    assert (found['keypoints'][0][~seen] == 0).all()
    assert found['bbox'][0, 2] <= info['width'] - 1


@pytest.mark.parametrize(
    'changes', [dict(hand_slot=None), dict(input_size=(64, 64))], ids=str
)
def test_without_a_hand_or_after_a_crop_it_is_refused(regular_root, changes):
    info = one_hand_dataset(regular_root, [dict(type='LoadImage')]).get_data_info(0)
    info.update(changes)
    with pytest.raises(UserError, match='wrap the data set in SingleHandDataset'):
        TRANSFORMS.build(dict(type='OneHandKeypoints')).transform(info)


def test_a_box_of_four_numbers_is_refused(regular_root):
    info = our_dataset(regular_root, []).get_data_info(0)
    info['bbox'] = np.array([3.0, 4, 10, 10])
    with pytest.raises(UserError, match=r'has shape \(4,\), expected \(1, 4\)'):
        TRANSFORMS.build(dict(type='MeshCrop', input_size=64)).transform(info)


def test_rtmpose_learns_from_our_reader(regular_root, tmp_path):
    cfg = mmpose_config(tmp_path, RTMPOSE)
    cfg.model.backbone.update(
        _scope_='mmpose', init_cfg=None, norm_cfg=dict(type='BN'), widen_factor=0.25
    )
    cfg.model.head.in_channels = 256
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).train()
    steps = [
        step
        for step in cfg.train_pipeline
        if step.type not in ('mmdet.YOLOXHSVRandomAug', 'Albumentation')
    ]
    dataset = one_hand_dataset(regular_root, steps)
    np.random.seed(0)
    batch = [dataset[index] for index in range(4)]
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5)
    values = []
    for _ in range(2):
        data = dict(
            inputs=[sample['inputs'] for sample in batch],
            data_samples=[sample['data_samples'] for sample in batch],
        )
        data = model.data_preprocessor(data, training=True)
        loss = model.loss(**data)['loss_kpt']
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[1] < values[0]
    model.eval()
    model.test_cfg = {}
    with torch.no_grad():
        found = model.predict(data['inputs'], data['data_samples'])
    assert found[0].pred_instances.keypoints.shape == (1, 21, 2)
