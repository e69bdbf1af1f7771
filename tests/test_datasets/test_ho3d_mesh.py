"""HO3DMeshDataset on files in the official formats of versions 2 and 3."""

import json
import os
import pickle
import re

import cv2
import numpy as np
import pytest
from mmpose.registry import DATASETS

from mmhand_dne.datasets.datasets import HO3DMeshDataset
from mmhand_dne.randomness.pipeline import SampleKey
from mmhand_dne.structures.hand_targets import HandTargets
from tests.right_hand_fixture import NOT_LISTED, write_ho3d, write_python2
from tests.test_datasets.right_hand_laws import (
    AUGMENTED,
    TENTH_MM,
    check_other_slot,
    check_parameters,
    check_pixels,
    flipped,
)

FRAMES = 3
GT = dict(xyz_file='evaluation_xyz.json', verts_file='evaluation_verts.json')
LABELS = ('hand_vertices_valid', 'hand_joints_valid', 'mano_valid')


def build(root, split='train', **changes):
    return DATASETS.build(
        dict(
            type='HO3DMeshDataset',
            data_root=str(root),
            ann_file=f'{split}.txt',
            **changes,
        )
    )


@pytest.fixture(scope='module', params=[2, 3])
def written(request, tmp_path_factory):
    """Root of a version and its hands by split."""
    root = tmp_path_factory.mktemp(f'HO3D_v{request.param}')
    return root, write_ho3d(root, FRAMES, version=request.param)


@pytest.mark.parametrize('split, gt', [('train', {}), ('evaluation', GT)])
def test_targets_land_on_the_source_pixels(written, split, gt):
    root, hands = written
    dataset = build(root, split, pipeline=AUGMENTED, **gt)
    assert len(dataset) == FRAMES  # frames in no list are not read
    for index in range(FRAMES):
        for epoch in range(3):
            sample = dataset[SampleKey(index, 0, epoch)]['data_samples']
            check_pixels(sample, hands[split][index])
            check_other_slot(sample)
            mano = sample.gt_instance_labels.mano_valid[0, int(sample.flip)]
            assert mano == (split == 'train')


def test_parameters_regenerate_the_mesh_and_its_mirror_image(written):
    root, hands = written
    for index, hand in enumerate(hands['train']):
        info = build(root).get_data_info(index)
        vertices = info['mesh_vertices'][0] + info['mesh_root'][0]
        assert np.abs(vertices - hand['vertices']).max() < TENTH_MM
        np.testing.assert_allclose(info['joints_cam'][0], hand['joints'], atol=1e-9)
        assert (info['joints_cam'][0][:, 2] > 0).all()
        check_parameters(info, slot=0)
        check_parameters(flipped(info), slot=1)


def test_evaluation_alone_has_the_wrist_and_the_box(written):
    root, hands = written
    sample = build(root, 'evaluation', pipeline=AUGMENTED)[0]['data_samples']
    gt, slot = HandTargets.from_samples([sample]), int(sample.flip)
    assert gt.joints_valid[0, slot].nonzero().tolist() == [[0]]
    assert gt.root_valid[0, slot] and not gt.vertices_valid.any()
    info = build(root, 'evaluation').get_data_info(0)
    hand = hands['evaluation'][0]
    np.testing.assert_allclose(info['joints_cam'][0, 0], hand['joints'][0], atol=1e-9)
    x, y, w, h = np.subtract(info['bbox'][0], [0, 0, *info['bbox'][0, :2]])
    np.testing.assert_allclose([x, y], hand['pixels'].min(0) - 5)
    np.testing.assert_allclose([x + w, y + h], hand['pixels'].max(0) + 5)


def test_frame_names_stay_text(written):
    root, _ = written
    names = [
        os.path.splitext(build(root).get_data_info(i)['img_path'])[0]
        for i in range(FRAMES)
    ]
    assert [name[-19:] for name in names] == [
        f'train/ABF10/rgb/{7 * i:04d}'[-19:] for i in range(FRAMES)
    ]


def test_a_subset_keeps_its_rows_of_ground_truth(written):
    root, hands = written
    dataset = build(root, 'evaluation', indices=[2, 0], **GT)
    info = dataset.get_data_info(0)
    np.testing.assert_allclose(
        info['joints_cam'][0], hands['evaluation'][2]['joints'], atol=1e-6
    )


def test_a_frame_without_annotation_is_named(tmp_path):
    write_ho3d(tmp_path, 1)
    (tmp_path / 'train.txt').write_text(f'ABF10/{NOT_LISTED}\n')
    with pytest.raises(ValueError, match='handJoints3D is None.*official train.txt'):
        build(tmp_path).get_data_info(0)


def test_columns_and_lists_are_read_as_arrays(tmp_path):
    hand = write_ho3d(tmp_path, 1)['train'][0]
    before = build(tmp_path).get_data_info(0)
    table = dict(
        handJoints3D=hand['joints_gl'].tolist(),
        camMat=hand['K'],
        handPose=hand['pose'][:, None],
        handBeta=hand['betas'].tolist(),
        handTrans=hand['trans'][None],
    )
    (tmp_path / 'train/ABF10/meta/0000.pkl').write_bytes(
        pickle.dumps(table, protocol=2)
    )
    after = build(tmp_path).get_data_info(0)
    for name in ('joints_cam', 'mesh_vertices', 'mano_rotations', 'mano_betas'):
        np.testing.assert_array_equal(after[name], before[name])


def test_png_and_jpg_are_told_apart_file_by_file(tmp_path):
    write_ho3d(tmp_path, 2, version=2)
    image = tmp_path / 'train/ABF10/rgb/0007.png'
    cv2.imwrite(str(image.with_suffix('.jpg')), cv2.imread(str(image)))
    image.unlink()
    dataset = build(tmp_path, pipeline=AUGMENTED)
    assert [dataset[i]['data_samples'].img_path[-8:] for i in range(2)] == [
        '0000.png',
        '0007.jpg',
    ]


@pytest.mark.parametrize(
    'edit, message',
    [
        (lambda text: text[:-9], 'evaluation_verts.json: not valid JSON'),
        (
            lambda text: '[[[NaN, 0, 0]]]',
            r'row 0 has shape \(1, 3\), expected \(778, 3\)',
        ),
        (lambda text: re.sub(r'[0-9.e-]+', 'NaN', text, count=1), 'is not finite'),
    ],
)
def test_damaged_ground_truth_is_named(tmp_path, edit, message):
    write_ho3d(tmp_path, 1)
    path = tmp_path / 'evaluation_verts.json'
    path.write_text(edit(path.read_text()))
    with pytest.raises(ValueError, match=message):
        build(tmp_path, 'evaluation', **GT)


class Payload:
    """Runs a command when a careless reader opens it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


@pytest.mark.parametrize('inside', [False, True])
def test_code_is_refused_by_name_and_not_run(tmp_path, inside):
    write_ho3d(tmp_path, 1)
    path, mark = tmp_path / 'train/ABF10/meta/0000.pkl', tmp_path / 'ran'
    payload = Payload(mark)
    content = pickle.dumps(dict(handPose=payload) if inside else payload, protocol=2)
    pickle.loads(content)
    assert mark.exists()  # the file is live
    mark.unlink()
    path.write_bytes(content)
    with pytest.raises(
        ValueError,
        match=r'0000.pkl: asks to load (posix|nt).system, '
        'which no HO-3D file needs; refused',
    ):
        build(tmp_path).get_data_info(0)
    assert not mark.exists()


@pytest.mark.parametrize(
    'module, name',
    [('chumpy.ch', 'Ch'), ('scipy.sparse.csc', 'csc_matrix'), ('builtins', 'set')],
)
def test_names_of_mano_files_are_refused(tmp_path, module, name):
    write_ho3d(tmp_path, 1)
    path = tmp_path / 'train/ABF10/meta/0000.pkl'
    path.write_bytes(b'\x80\x02c' + f'{module}\n{name}\n'.encode() + b'.')
    with pytest.raises(ValueError, match=f'asks to load {module}.{name}, which no HO'):
        build(tmp_path).get_data_info(0)


# changes to the table of a training frame, what the sentence says
DEFECTS = {
    'no camera': (dict(camMat=...), "0000.pkl: no entry 'camMat'; unpack"),
    'other pose': (dict(handPose=np.zeros(45)), r'handPose has shape \(45,\)'),
    'NaN': (dict(handTrans=np.full(3, np.nan)), 'handTrans holds a number that is not'),
    'text': (dict(handBeta='none'), 'handBeta is not a numeric array'),
    'two joints': (dict(handJoints3D=np.zeros((2, 3))), r'shape \(2, 3\), expected'),
    'converted before': (
        dict(handJoints3D=np.full((21, 3), 0.5)),
        'behind the camera.*OpenGL axes',
    ),
}


@pytest.mark.parametrize('defect', DEFECTS)
def test_a_defect_is_one_sentence(tmp_path, defect):
    changes, message = DEFECTS[defect]
    hand = write_ho3d(tmp_path, 1)['train'][0]
    table = dict(
        handJoints3D=hand['joints_gl'],
        handPose=hand['pose'],
        handBeta=hand['betas'],
        handTrans=hand['trans'],
        camMat=hand['K'],
    )
    table = {k: v for k, v in {**table, **changes}.items() if v is not ...}
    write_python2(tmp_path / 'train/ABF10/meta/0000.pkl', table)
    with pytest.raises(ValueError, match=message):
        build(tmp_path).get_data_info(0)


def test_missing_and_damaged_files_are_named(tmp_path):
    write_ho3d(tmp_path, 1)
    path = tmp_path / 'train/ABF10/meta/0000.pkl'
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match='0000.pkl: is not a readable pickle'):
        build(tmp_path).get_data_info(0)
    path.unlink()
    with pytest.raises(ValueError, match='0000.pkl: no such annotation'):
        build(tmp_path).get_data_info(0)
    (tmp_path / 'train.txt').write_text('ABF10/0000\nABF10 0001\n')
    with pytest.raises(ValueError, match="line 2 is 'ABF10 0001', expected SEQUENCE"):
        build(tmp_path)
    (tmp_path / 'train.txt').unlink()
    with pytest.raises(ValueError, match='train.txt: no such list of frames'):
        build(tmp_path)


def test_ground_truth_of_another_version_is_named(tmp_path):
    write_ho3d(tmp_path, 2)
    path = tmp_path / 'evaluation_xyz.json'
    rows = json.loads(path.read_text())
    path.write_text(json.dumps((np.array(rows) + 0.05).tolist()))
    with pytest.raises(ValueError, match='wrist of row 1 lies 87 mm from'):
        build(tmp_path, 'evaluation', **GT).get_data_info(1)
    path.write_text(json.dumps(rows[:1]))
    with pytest.raises(ValueError, match='has 1 rows, .* lists 2 frames'):
        build(tmp_path, 'evaluation', **GT)


def test_masks_tell_what_evaluation_ground_truth_lacks(written):
    dataset = build(written[0], 'evaluation', pipeline=AUGMENTED, **GT)
    labels = dataset[0]['data_samples'].gt_instance_labels
    assert [bool(labels[name].any()) for name in LABELS] == [True, True, False]
    assert isinstance(dataset, HO3DMeshDataset)
