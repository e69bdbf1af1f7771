"""FreiHANDMeshDataset on files in the official format."""

import json

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmpose.registry import DATASETS

from mmhand_dne.datasets.datasets import FreiHANDMeshDataset
from mmhand_dne.datasets.readers.freihand_files import SCHEMA, VERSION, read_keypoints
from mmhand_dne.datasets.readers.index_file import write_index
from mmhand_dne.datasets.transforms import LoadHandImage
from mmhand_dne.randomness.pipeline import SampleKey
from tests.right_hand_fixture import write_freihand
from tests.test_datasets.right_hand_laws import (
    AUGMENTED,
    TENTH_MM,
    check_other_slot,
    check_parameters,
    check_pixels,
    flipped,
)

ROWS = 3
UNIQUE = 32560  # rows of the official training files


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """The download's root and the hands of the training rows."""
    root = tmp_path_factory.mktemp('freihand')
    hands = write_freihand(root, num_rows=ROWS)
    write_freihand(root, num_rows=2, seed=1, split='evaluation')
    return root, hands


@pytest.mark.parametrize(
    'folders', [('', ''), ('FreiHAND_pub_v2', 'FreiHAND_pub_v2_eval')]
)
def test_both_ways_of_unpacking(tmp_path, folders):
    write_freihand(tmp_path, num_rows=1, folder=folders[0])
    hands = write_freihand(tmp_path, 1, seed=1, split='evaluation', folder=folders[1])
    training = FreiHANDMeshDataset(str(tmp_path))
    evaluation = FreiHANDMeshDataset(str(tmp_path), split='evaluation')
    assert (len(training), len(evaluation)) == (4, 1)
    info = LoadHandImage().transform(evaluation.get_data_info(0))
    np.testing.assert_allclose(info['joints_cam'][0], hands[0]['joints'], atol=TENTH_MM)


def test_four_images_share_a_row(written):
    root, hands = written
    dataset = FreiHANDMeshDataset(str(root))
    assert len(dataset) == 4 * ROWS
    for index in range(4 * ROWS):
        info = dataset.get_data_info(index)
        assert info['img_path'].endswith(f'training/rgb/{index:08d}.jpg')
        assert info['id'] == index
        np.testing.assert_allclose(info['joints_cam'][0], hands[index % ROWS]['joints'])


def test_backgrounds_can_be_chosen(written):
    dataset = FreiHANDMeshDataset(str(written[0]), backgrounds=['auto', 'hom'])
    ids = [dataset.get_data_info(i)['id'] for i in range(len(dataset))]
    assert ids == [*range(ROWS, 2 * ROWS), *range(3 * ROWS, 4 * ROWS)]


@pytest.mark.parametrize('epoch', range(3))
def test_targets_land_on_the_source_pixels(written, epoch):
    root, hands = written
    dataset = DATASETS.build(
        dict(type='FreiHANDMeshDataset', data_root=str(root), pipeline=AUGMENTED)
    )
    for index in range(2 * ROWS):
        sample = dataset[SampleKey(index, 0, epoch)]['data_samples']
        check_pixels(sample, hands[index % ROWS])
        check_other_slot(sample)


def test_drawn_joints_are_in_the_loaded_picture(written):
    info = FreiHANDMeshDataset(str(written[0])).get_data_info(0)
    image = Compose([LoadHandImage()])(info)['img']
    pixels = info['joints_cam'][0] @ info['intrinsics'].T
    x, y = np.rint(pixels[:, :2] / pixels[:, 2:]).astype(int).T
    assert (image[y, x].min(-1) > 150).all()  # white spots on dark noise


@pytest.mark.parametrize('mesh', ['verts', 'mano'])
def test_parameters_regenerate_the_mesh_and_its_mirror_image(written, mesh):
    root, hands = written
    info = FreiHANDMeshDataset(str(root), mesh=mesh).get_data_info(1)
    vertices = info['mesh_vertices'][0] + info['mesh_root'][0]
    assert np.abs(vertices - hands[1]['vertices']).max() < TENTH_MM
    check_parameters(info, slot=0)
    check_parameters(flipped(info), slot=1)


def test_flipping_twice_changes_nothing(written):
    info = FreiHANDMeshDataset(str(written[0])).get_data_info(0)
    again = flipped(flipped(info))
    for name in (
        'bbox',
        'intrinsics',
        'joints_cam',
        'mesh_vertices',
        'mesh_root',
        'mano_rotations',
        'mesh_valid',
        'hand_presence',
    ):
        np.testing.assert_allclose(again[name], info[name], atol=1e-9)


def test_evaluation_without_its_ground_truth_has_images_and_cameras(tmp_path):
    write_freihand(tmp_path, 1, split='evaluation')
    for name in ('xyz', 'verts', 'mano'):
        (tmp_path / f'evaluation_{name}.json').unlink()
    config = dict(split='evaluation', pipeline=AUGMENTED)
    with pytest.raises(ValueError, match="ground truth is not there.*box='centre'"):
        FreiHANDMeshDataset(str(tmp_path), **config)
    dataset = FreiHANDMeshDataset(str(tmp_path), box='centre', **config)
    labels = dataset[0]['data_samples'].gt_instance_labels
    for name in (
        'hand_vertices_valid',
        'hand_joints_valid',
        'hand_joints_ndc_valid',
        'hand_root_valid',
        'mano_valid',
    ):
        assert not labels[name].any()
    assert dataset.count_joints(0).tolist() == [0, 0]


def change(path, edit):
    rows = json.loads(path.read_text())
    path.write_text(json.dumps(edit(rows)))


# file, what happens to its rows, what the sentence says
DEFECTS = {
    'too few rows': ('xyz', lambda r: r[:1], r'xyz.json: has 1 rows, .*K.json has 2'),
    'another shape': ('K', lambda r: [[1, 2]] * 2, r'K.json: row 0 has shape'),
    'NaN': ('verts', lambda r: [[[float('nan')] * 3] * 778] * 2, 'not finite'),
    'flat MANO': (
        'mano',
        lambda r: [x[0] for x in r],
        r'shape \(61,\), expected \(1, 61\)',
    ),
    'another scale': ('scale', lambda r: [2 * x for x in r], 'of different versions'),
    'meshes of another hand': (
        'verts',
        lambda r: (1.2 * np.array(r)).tolist(),
        'lie .* mm from .*xyz.json',
    ),
    'parameters of another hand': (
        'mano',
        lambda r: [[[2.0] * 3 + x[0][3:]] for x in r],
        'lie .* mm from .*mano.json.*MANO v1.2',
    ),
}


@pytest.mark.parametrize('defect', DEFECTS)
def test_a_defect_is_one_sentence(tmp_path, defect):
    name, edit, message = DEFECTS[defect]
    write_freihand(tmp_path, num_rows=2)
    change(tmp_path / f'training_{name}.json', edit)
    with pytest.raises(ValueError, match=message):
        FreiHANDMeshDataset(str(tmp_path))


def test_missing_and_truncated_files_are_named(tmp_path):
    write_freihand(tmp_path, num_rows=1)
    path = tmp_path / 'training_verts.json'
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ValueError, match='training_verts.json: not valid JSON'):
        FreiHANDMeshDataset(str(tmp_path))
    path.unlink()
    with pytest.raises(ValueError, match='has training_verts.json; check data_root'):
        FreiHANDMeshDataset(str(tmp_path))
    assert len(FreiHANDMeshDataset(str(tmp_path), mesh='mano')) == 4


@pytest.mark.parametrize(
    'arguments',
    [
        dict(split='test'),
        dict(mesh='none'),
        dict(box='mask'),
        dict(backgrounds=['sky']),
        dict(backgrounds=[]),
    ],
)
def test_unknown_choices_are_refused(arguments):
    with pytest.raises(ValueError, match='expected'):
        FreiHANDMeshDataset('nowhere', **arguments)


def test_real_images_share_their_keypoints_across_backgrounds(real_data):
    folder = real_data / 'freihand'
    found = read_keypoints(folder / 'test_freihand.json', folder)
    assert len(found) == 8
    rows = {}
    for entry in found:
        image = LoadHandImage().transform(
            dict(img_path=entry.img_path, width=entry.size[0], height=entry.size[1])
        )['img']
        assert image.shape == (224, 224, 3) and entry.valid.all()
        low, high = entry.bbox[:2], entry.bbox[:2] + entry.bbox[2:]
        assert ((entry.keypoints > low) & (entry.keypoints < high)).all()
        rows.setdefault(entry.image_id % UNIQUE, []).append(entry)
    assert sorted(rows) == [355, 17620]
    for same in rows.values():
        assert sorted(e.image_id // UNIQUE for e in same) == [0, 1, 2, 3]
        for entry in same[1:]:
            np.testing.assert_array_equal(entry.keypoints, same[0].keypoints)


def test_real_images_are_samples_of_their_rows(real_data, tmp_path):
    """Image i + 32,560 v is row i before background v; an index stands for the rest."""
    (tmp_path / 'training').mkdir()
    (tmp_path / 'training/rgb').symlink_to(real_data / 'freihand')
    gt = {
        e.image_id: e
        for e in read_keypoints(
            real_data / 'freihand/test_freihand.json', real_data / 'freihand'
        )
    }
    rows = np.arange(UNIQUE)
    # The camera of a row tells which row a sample is of.
    intrinsics = np.eye(3) + rows[:, None, None] * np.eye(3)[[0, 1, 2]] * [1, 1, 0]
    write_index(
        tmp_path / 'freihand_training.index',
        SCHEMA,
        VERSION,
        dict(id=rows, intrinsics=intrinsics),
        {},
        [],
    )
    dataset = DATASETS.build(
        dict(
            type='FreiHANDMeshDataset',
            data_root=str(tmp_path),
            box='centre',
            pipeline=AUGMENTED,
        )
    )
    assert len(dataset) == 4 * UNIQUE
    for number in gt:
        info = dataset.get_data_info(number)
        assert info['img_path'].endswith(f'{number:08d}.jpg')
        assert info['intrinsics'][0, 0] == 1 + number % UNIQUE
        np.testing.assert_array_equal(
            gt[number].keypoints, gt[number % UNIQUE + UNIQUE].keypoints
        )
        sample = dataset[number]
        assert sample['inputs'].shape == (3, 256, 256)
        assert sample['inputs'].float().std() > 10  # a picture
        assert not sample['data_samples'].gt_instance_labels.hand_joints_valid.any()


def test_lengths_may_be_lists_of_one(tmp_path):
    write_freihand(tmp_path, num_rows=2)
    change(tmp_path / 'training_scale.json', lambda rows: [[x] for x in rows])
    assert len(FreiHANDMeshDataset(str(tmp_path))) == 8
    change(tmp_path / 'training_scale.json', lambda rows: [rows[0], [1, 2]])
    with pytest.raises(ValueError, match='training_scale.json: row 1 has shape'):
        FreiHANDMeshDataset(str(tmp_path))


def test_a_keypoint_file_of_another_kind_is_named(tmp_path):
    path = tmp_path / 'keypoints.json'
    path.write_text(json.dumps(dict(images=[], annotations=[dict(id=4, image_id=1)])))
    with pytest.raises(ValueError, match='annotation 4 is of image 1'):
        read_keypoints(path, tmp_path)
