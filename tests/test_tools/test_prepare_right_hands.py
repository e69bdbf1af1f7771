"""Checking downloads of FreiHAND and HO-3D, and the indexes made of them."""

import json
import os
import pickle
import runpy
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmpose.registry import DATASETS

from mmhand_dne.randomness.pipeline import SampleKey
from tests.right_hand_fixture import write_freihand, write_ho3d
from tests.test_datasets.right_hand_laws import AUGMENTED

ROOT = Path(__file__).parents[2]
PARTIAL = ('--partial', '--hand-model', 'cc0', '--workers', '1')
GT = dict(xyz_file='evaluation_xyz.json', verts_file='evaluation_verts.json')
# Data sets of each download, and the name of each one's index.
SETS = dict(
    freihand={
        split: (
            dict(type='FreiHANDMeshDataset', split=split),
            f'freihand_{split}.index',
        )
        for split in ('training', 'evaluation')
    },
    ho3d={
        'train': (
            dict(type='HO3DMeshDataset', ann_file='train.txt'),
            'ho3d_train.index',
        ),
        'evaluation': (
            dict(type='HO3DMeshDataset', ann_file='evaluation.txt', **GT),
            'ho3d_evaluation.index',
        ),
    },
)


def prepare(name, root, *arguments):
    """Run a tool in this process; returns its exit status and its report."""
    argv, sys.argv = sys.argv, [f'prepare_{name}.py', str(root), *arguments]
    try:
        runpy.run_path(
            str(ROOT / f'tools/dataset_converters/prepare_{name}.py'),
            run_name='__main__',
        )
    except SystemExit as end:
        status = end.code
    finally:
        sys.argv = argv
    file = Path(root) / f'{name}_report.json'
    checks = json.loads(file.read_text())['checks'] if file.exists() else []
    return status, {check['name']: check for check in checks}


@pytest.fixture(scope='module')
def downloads(tmp_path_factory):
    """A small whole download of each, without index."""
    roots = {name: tmp_path_factory.mktemp(name) for name in SETS}
    write_freihand(roots['freihand'], 2, folder='FreiHAND_pub_v2')
    write_freihand(roots['freihand'], 1, 1, 'evaluation', 'FreiHAND_pub_v2_eval')
    write_ho3d(roots['ho3d'], 2, version=3)
    return roots


@pytest.fixture
def copies(downloads, tmp_path):
    """Downloads to spoil."""
    return {
        name: Path(shutil.copytree(root, tmp_path / name))
        for name, root in downloads.items()
    }


@pytest.fixture(scope='module')
def prepared(downloads, tmp_path_factory):
    """Downloads with indexes, made by two workers."""
    folder, roots = tmp_path_factory.mktemp('prepared'), {}
    for name, root in downloads.items():
        roots[name] = shutil.copytree(root, folder / name)
        status, report = prepare(name, roots[name], *PARTIAL[:-1], '2')
        assert status == 0
        assert {check['status'] for check in report.values()} <= {
            'ok',
            'warning',
            'not checked',
        }
    return roots


def build(root, config, **changes):
    return DATASETS.build(dict(config, data_root=str(root), **changes))


def flat(value):
    """All tensors and texts of a packed sample, in order."""
    sample = value['data_samples']
    labels = {
        **dict(sample.gt_instance_labels.items()),
        **dict(sample.gt_instances.items()),
        **sample.metainfo,
    }
    return {'inputs': value['inputs'], **labels}


@pytest.mark.parametrize('name', SETS)
def test_samples_are_the_same_with_an_index(prepared, name):
    for config, index in SETS[name].values():
        assert (prepared[name] / index).is_file()
        with_index, without = (
            build(prepared[name], config, pipeline=AUGMENTED, index=choice)
            for choice in ('beside', None)
        )
        assert len(with_index) == len(without) > 0
        assert hasattr(with_index.table, 'path') and not hasattr(without.table, 'path')
        for i in range(len(without)):
            found, expected = (
                flat(one[SampleKey(i, 0, 3)]) for one in (with_index, without)
            )
            assert found.keys() == expected.keys()
            for key, value in expected.items():
                if isinstance(value, (np.ndarray, torch.Tensor)):
                    np.testing.assert_array_equal(found[key], value, key)
                else:
                    assert found[key] == value, key


def test_with_an_index_no_annotation_is_read(prepared, tmp_path):
    """Pickles and JSON may go once they are indexed; the images may not."""
    root = shutil.copytree(prepared['ho3d'], tmp_path / 'ho3d')
    for path in [*root.rglob('*.pkl'), *root.glob('*.json'), *root.glob('*.txt')]:
        path.unlink()
    for config, _ in SETS['ho3d'].values():
        assert build(root, config, pipeline=AUGMENTED)[0]['data_samples']
    root = shutil.copytree(prepared['freihand'], tmp_path / 'freihand')
    for path in root.rglob('*.json'):
        path.unlink()
    for config, _ in SETS['freihand'].values():
        assert build(root, config, pipeline=AUGMENTED)[0]['data_samples']


def change(path):
    """Other content, of a pickle of the same length, written later."""
    content = path.read_bytes()
    is_pickle = path.suffix == '.pkl'
    path.write_bytes(content[:-1] + b'#' if is_pickle else content + b'\n')
    touch(path)


@pytest.mark.parametrize('name', SETS)
def test_indexes_can_lie_in_another_place(copies, tmp_path, name):
    root, place = copies[name], tmp_path / 'place'
    status, _ = prepare(name, root, *PARTIAL, '--index', str(place))
    assert status == 0 and not list(root.glob('*.index'))
    assert not (root / f'{name}_report.json').exists()
    for config, index in SETS[name].values():
        dataset = build(root, config, index=str(place))
        assert len(dataset) > 0 and dataset.table.path == place / index


def touch(path):
    """The same content, written later, as a copy is."""
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))


@pytest.mark.parametrize(
    'name, split, file',
    [
        ('freihand', 'training', 'FreiHAND_pub_v2/training_verts.json'),
        ('ho3d', 'train', 'train.txt'),
        ('ho3d', 'evaluation', 'evaluation_xyz.json'),
    ],
)
def test_a_changed_source_is_noticed_when_opening(
    prepared, tmp_path, name, split, file
):
    root = shutil.copytree(prepared[name], tmp_path / name)
    touch(root / file)
    config, index = SETS[name][split]
    assert len(build(root, config)) > 0
    change(root / file)
    sentence = f'{index}: .*{Path(file).name} has changed .*prepare_{name}.py again'
    with pytest.raises(ValueError, match=sentence):
        build(root, config)
    assert len(build(root, config, index=None)) > 0


def test_a_changed_pickle_is_noticed_when_it_is_asked_for(prepared, tmp_path):
    root = shutil.copytree(prepared['ho3d'], tmp_path / 'ho3d')
    touch(root / 'train/ABF10/meta/0007.pkl')
    dataset = build(root, SETS['ho3d']['train'][0])
    assert dataset.get_data_info(0) and dataset.get_data_info(1)
    change(root / 'train/ABF10/meta/0007.pkl')
    with pytest.raises(ValueError, match='0007.pkl has changed.*prepare_ho3d.py again'):
        dataset.get_data_info(1)


def test_ground_truth_that_came_after_the_index_is_noticed(copies):
    files = [copies['ho3d'] / name for name in GT.values()]
    kept = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    status, report = prepare('ho3d', copies['ho3d'], *PARTIAL)
    assert status == 0 and report['evaluation ground truth']['status'] == 'not checked'
    for file, content in zip(files, kept):
        file.write_bytes(content)
    with pytest.raises(ValueError, match='was not made of .*evaluation_xyz.json'):
        build(copies['ho3d'], SETS['ho3d']['evaluation'][0])


@pytest.mark.parametrize('name', SETS)
def test_counts_other_than_the_official_ones_are_a_problem(copies, name):
    status, report = prepare(name, copies[name], '--workers', '1', '--images', 'exist')
    assert status == 1 and not list(copies[name].glob('*.index'))
    assert report['MANO, meshes and joints']['status'] == 'not checked'
    wrong = {key for key, check in report.items() if check['status'] == 'problem'}
    assert wrong == (
        {'training rows', 'evaluation rows'}
        if name == 'freihand'
        else {'train frames', 'evaluation frames'}
    )


class Payload:
    """Would make a file if it were unpickled."""

    def __reduce__(self):
        return os.mkdir, ('ran',)


def cut(path, count):
    path.write_bytes(path.read_bytes()[:-count])


def rewrite(path, edit):
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))


FREIHAND, HO3D = 'FreiHAND_pub_v2', 'train/ABF10'
# What happens to a download, which check tells, and in which words.
DAMAGES = {
    'truncated image': (
        'freihand',
        lambda r: cut(r / FREIHAND / 'training/rgb/00000003.jpg', 500),
        'training images: damaged',
        '00000003.jpg: not a readable image',
    ),
    'image of no row': (
        'freihand',
        lambda r: shutil.copy(
            r / FREIHAND / 'training/rgb/00000003.jpg',
            r / FREIHAND / 'training/rgb/00000008.jpg',
        ),
        'training images have a row',
        '00000008.jpg',
    ),
    'truncated JSON': (
        'freihand',
        lambda r: cut(r / FREIHAND / 'training_xyz.json', 9),
        'training annotations',
        'training_xyz.json: not valid JSON',
    ),
    'other parameters': (
        'freihand',
        lambda r: rewrite(
            r / FREIHAND / 'training_mano.json',
            lambda rows: [[[2.0] * 3 + row[0][3:]] for row in rows],
        ),
        'training verts are of mano',
        'row ',
    ),
    'joints outside': (
        'freihand',
        lambda r: rewrite(
            r / FREIHAND / 'training_K.json',
            lambda rows: [[[k[0][0], 0, 9e2], *k[1:]] for k in rows],
        ),
        'training joints in 224 x 224',
        'row ',
    ),
    'missing pickle': (
        'ho3d',
        lambda r: (r / HO3D / 'meta/0007.pkl').unlink(),
        'train annotations',
        '0007.pkl: no such annotation',
    ),
    'pickle with code': (
        'ho3d',
        lambda r: (r / HO3D / 'meta/0007.pkl').write_bytes(
            pickle.dumps(dict(handPose=Payload()), protocol=2)
        ),
        'train annotations',
        '0007.pkl: asks to load posix.mkdir',
    ),
    'line twice': (
        'ho3d',
        lambda r: (r / 'train.txt').write_text('ABF10/0000\nABF10/0000\n'),
        'train frames are listed once',
        'ABF10/0000',
    ),
    'ground truth of other frames': (
        'ho3d',
        lambda r: rewrite(r / 'evaluation_xyz.json', lambda rows: rows[::-1]),
        'ground truth and annotation share wrists',
        'SM1/0000',
    ),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damage_is_found_and_gets_no_index(copies, damage):
    name, spoil, check, words = DAMAGES[damage]
    spoil(copies[name])
    status, report = prepare(name, copies[name], *PARTIAL)
    assert status == 1 and report[check]['status'] == 'problem'
    assert words in ' '.join(report[check]['examples']) + report[check]['found']
    split = 'evaluation' if check.startswith('ground truth') else check.split()[0]
    assert not (copies[name] / SETS[name][split][1]).exists()
    others = [index for key, (_, index) in SETS[name].items() if key != split]
    assert all((copies[name] / index).exists() for index in others)
    assert not Path('ran').exists()


def test_a_missing_image_of_a_part_is_a_warning(copies):
    (copies['ho3d'] / HO3D / 'rgb/0007.jpg').unlink()
    status, report = prepare('ho3d', copies['ho3d'], *PARTIAL)
    assert status == 0 and report['train images']['status'] == 'warning'
    assert '0007' in report['train images']['examples'][0]


def test_a_killed_run_leaves_no_index_and_the_next_one_starts_over(copies):
    """The kill comes when the whole content is written and not yet renamed."""
    root, child = copies['ho3d'], os.fork()
    if child == 0:
        os.fsync = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        prepare('ho3d', root, *PARTIAL)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not list(root.glob('*.index')) and len(list(root.glob('.*.partial'))) == 1
    assert not hasattr(build(root, SETS['ho3d']['train'][0]).table, 'path')
    assert prepare('ho3d', root, *PARTIAL)[0] == 0
    assert len(list(root.glob('*.index'))) == 2 and not list(root.glob('.*.partial'))


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path, capsys):
    assert prepare('ho3d', tmp_path / 'nowhere')[0] == 2
    assert 'nowhere: no such folder' in capsys.readouterr().err
