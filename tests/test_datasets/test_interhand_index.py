"""The index says what the JSON files say, to the bit, and is refused when it is old."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest
from torch.utils.data import DataLoader

from mmhand_dne.datasets.datasets import InterHandMeshDataset, SingleHandDataset
from mmhand_dne.datasets.datasets import indexed_dataset as indexed_module
from mmhand_dne.datasets.readers.index_file import write_index
from mmhand_dne.datasets.readers.interhand_table import (
    SCHEMA,
    VERSION,
    InterHandFiles,
    read_table,
)
from mmhand_dne.datasets.synthetic import HandModels, Recipe
from mmhand_dne.datasets.synthetic.dataset_writer import (
    merge_annotations,
    plan_frames,
    write_frame,
)

REAL = dict(
    ann_file='test_interhand2.6m_data.json',
    camera_file='test_interhand2.6m_camera.json',
    joint_file='test_interhand2.6m_joint_3d.json',
    data_prefix=dict(img=''),
)


def make_index(files, meta=None, **extra):
    """Write an index beside the data file, with more columns and notes."""
    table = read_table(files)
    write_index(
        files.index,
        SCHEMA,
        VERSION,
        {**table.all_columns(), **extra},
        {**table.meta, **(meta or {})},
        files.present(),
    )
    return files.index


def files_of(root, split='train'):
    stem = root / 'annotations' / split / f'InterHand2.6M_{split}_'
    return InterHandFiles(
        *(
            stem.with_name(f'{stem.name}{kind}.json')
            for kind in ('data', 'camera', 'joint_3d', 'MANO_NeuralAnnot')
        )
    )


@pytest.fixture
def indexed(odd_root, tmp_path):
    """The irregular set with an index, to spoil."""
    root = shutil.copytree(odd_root, tmp_path / 'set')
    make_index(files_of(root))
    return root


def assert_same(one, other):
    assert len(one) == len(other) > 0
    for row in range(len(one)):
        found, expected = one.get_data_info(row), other.get_data_info(row)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert type(found[key]) is type(value), key
            np.testing.assert_array_equal(found[key], value, key)
            if isinstance(value, np.ndarray):
                assert found[key].dtype == value.dtype, key
                assert found[key].flags.writeable, key


@pytest.mark.parametrize('changes', [{}, dict(subset_step=3), dict(indices=[7, -1, 2])])
def test_irregular_frames_are_the_same_with_an_index(indexed, build, changes):
    assert_same(build(indexed, **changes), build(indexed, index=None, **changes))
    assert hasattr(build(indexed).table, 'path')
    assert not hasattr(build(indexed, index=None).table, 'path')


def test_rendered_frames_are_the_same_with_an_index(tmp_path, build):
    recipe = Recipe(seed=1, image_size=(96, 64), cameras=2, moments=2)
    frames, models = plan_frames(recipe, 'train', 5), HandModels()
    for frame in frames:
        write_frame(tmp_path, recipe, models, frame)
    merge_annotations(tmp_path, recipe, frames)
    make_index(files_of(tmp_path))
    assert_same(build(tmp_path), build(tmp_path, index=None))


def test_the_real_sample_is_the_same_with_an_index(real_data, tmp_path):
    root = shutil.copytree(real_data / 'interhand2.6m', tmp_path / 'real')
    index = make_index(
        InterHandFiles(
            root / REAL['ann_file'],
            root / REAL['camera_file'],
            root / REAL['joint_file'],
            None,
        )
    )
    assert index.name == 'test_interhand2.6m_data.index'
    one, other = (
        InterHandMeshDataset(**REAL, data_root=str(root), index=choice)
        for choice in ('beside', None)
    )
    assert len(one) == 4
    assert_same(one, other)


def test_workers_read_what_one_process_reads(indexed, build):
    dataset = build(indexed)
    loader = DataLoader(dataset, batch_size=4, num_workers=2, collate_fn=list)
    infos = [info for batch in loader for info in batch]
    for row, info in enumerate(infos):
        assert info['sample_idx'] == row
        expected = dataset.get_data_info(row)
        for key in ('mesh_vertices', 'joints_cam', 'bbox', 'intrinsics'):
            np.testing.assert_array_equal(info[key], expected[key])
    assert len(infos) == 21


def test_nothing_of_an_image_is_an_object(indexed, build):
    """What a process gets is one number an image."""
    whole, part = build(indexed), build(indexed, indices=1)
    sizes = [len(pickle.dumps((one.table, one.rows))) for one in (whole, part)]
    assert sizes[0] - sizes[1] <= 20 * 8
    assert not whole.data_list and not hasattr(whole, 'data_bytes')


def test_a_part_of_a_data_set_shares_its_columns(indexed, build):
    dataset = build(indexed)
    part = dataset.get_subset([4, 2, -1])
    assert part.table is dataset.table and len(part) == 3 and len(dataset) == 21
    ids = [dataset.get_data_info(row)['id'] for row in (4, 2, 20)]
    assert [part.get_data_info(row)['id'] for row in range(3)] == ids
    assert len(dataset.get_subset(5)) == 5
    dataset.get_subset_(-2)
    assert dataset.get_data_info(1)['id'] == ids[-1] and len(dataset) == 2


def test_hands_are_counted_at_once_as_one_by_one(indexed, build):
    dataset = build(indexed)
    counts = [dataset.count_joints(row) for row in range(len(dataset))]
    np.testing.assert_array_equal(dataset.count_all_joints(), counts)
    hands = SingleHandDataset(dataset, min_joints=1)
    assert len(hands) == (np.array(counts) > 0).sum()


def test_without_mano_file_the_indexs_meshes_are_masked(indexed, build):
    info = build(indexed, mano_file=None).get_data_info(3)
    assert not info['mano_valid'].any() and not info['mesh_vertices'].any()
    assert not info['mano_betas'].any()
    assert build(indexed).get_data_info(3)['mano_valid'].any()


@pytest.mark.parametrize('kind', range(4))
def test_an_index_of_what_a_source_was_is_refused(indexed, build, kind):
    source = files_of(indexed)[kind]
    source.write_bytes(source.read_bytes() + b'\n')
    os.utime(source, ns=(0, source.stat().st_mtime_ns + 10**9))
    sentence = f'{source.name} has changed .*prepare_interhand.py again'
    with pytest.raises(ValueError, match=sentence):
        build(indexed)
    assert len(build(indexed, index=None)) == 21


def test_an_index_of_other_files_is_refused(indexed, build, tmp_path):
    other = tmp_path / 'joints.json'
    shutil.copy(files_of(indexed).joints, other)
    with pytest.raises(ValueError, match='was not made of .*joints.json, which'):
        build(indexed, joint_file=str(other))


def test_half_an_index_is_refused(indexed, build):
    index = files_of(indexed).index
    index.write_bytes(index.read_bytes()[:-64])
    with pytest.raises(ValueError, match='train_data.index: .*cut off'):
        build(indexed)


def test_without_an_index_the_log_says_how_to_be_faster(odd_root, build, monkeypatch):
    lines = []
    monkeypatch.setattr(
        indexed_module, 'print_log', lambda text, *_: lines.append(text)
    )
    build(odd_root)
    assert len(lines) == 1 and 'prepare_interhand.py writes it once' in lines[0]
    assert str(files_of(odd_root).index) in lines[0]


def test_whole_numbers_may_be_floats(regular_root, tmp_path, build):
    root = shutil.copytree(regular_root, tmp_path / 'set')
    path = files_of(root).data
    table = json.loads(path.read_text())
    for item in table['images'] + table['annotations']:
        for key in ('id', 'image_id', 'width', 'height', 'capture', 'frame_idx'):
            if key in item:
                item[key] = float(item[key])
    path.write_text(json.dumps(table))
    assert_same(
        build(root, data_root=str(regular_root), ann_file=str(path)),
        build(regular_root),
    )


def test_the_json_files_may_go_once_they_are_indexed(indexed, build):
    for path in files_of(indexed).present():
        path.unlink()
    assert len(build(indexed)) == 21


def test_release_0_0_is_read(regular_root, tmp_path, build):
    """Another folder, bare lists of joints with placeholders, no MANO."""
    folder = tmp_path / 'annotations' / 'human_annot'
    folder.mkdir(parents=True)
    kinds = ('data', 'camera', 'joint_3d')
    names = [f'InterHand2.6M_train_{kind}.json' for kind in kinds]
    for name in names:
        shutil.copy(regular_root / 'annotations' / 'train' / name, folder / name)
    joints = json.loads((folder / names[2]).read_text())
    for frames in joints.values():
        for frame, entry in frames.items():
            frames[frame] = entry['world_coord']
    (folder / names[2]).write_text(json.dumps(joints))
    paths = dict(
        zip(
            ('ann_file', 'camera_file', 'joint_file'),
            (f'annotations/human_annot/{name}' for name in names),
        )
    )
    old, new = build(tmp_path, **paths, mano_file=None), build(regular_root)
    for row in range(6):
        info, expected = old.get_data_info(row), new.get_data_info(row)
        np.testing.assert_array_equal(info['joints_valid'], expected['joints_valid'])
        np.testing.assert_array_equal(info['joints_cam'], expected['joints_cam'])
        assert not info['mano_valid'].any()
