"""Checking a download of InterHand2.6M, and the index made of it."""

import json
import os
import runpy
import shutil
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmhand_dne.datasets.preparation.check_report import CheckReport
from mmhand_dne.datasets.preparation.interhand_checks import (
    check_ids,
    check_projection,
)
from mmhand_dne.datasets.readers.index_file import open_index
from mmhand_dne.datasets.readers.interhand_filters import fingerprint
from mmhand_dne.datasets.readers.interhand_table import (
    SCHEMA,
    VERSION,
    InterHandFiles,
    read_table,
)
from mmhand_dne.hand_model import HandPair
from tests.interhand_fixture import write_interhand
from tests.test_datasets.conftest import build_dataset

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/prepare_interhand.py'
CC0 = ('--hand-model', 'cc0', '--workers', '1')
STEM = 'annotations/train/InterHand2.6M_train_'
INDEX = f'{STEM}data.index'


def prepare(root, *arguments):
    """Run the tool in this process; returns its exit status and its report."""
    argv, sys.argv = sys.argv, ['prepare_interhand.py', str(root), *arguments]
    try:
        runpy.run_path(str(TOOL), run_name='__main__')
    except SystemExit as end:
        status = end.code
    finally:
        sys.argv = argv
    file = Path(root) / 'interhand_report.json'
    checks = json.loads(file.read_text())['checks'] if file.exists() else []
    return status, {check['name']: check for check in checks}


@pytest.fixture(scope='module')
def download(tmp_path_factory):
    """Six frames with images; the fourth image is black."""
    root = write_interhand(tmp_path_factory.mktemp('download'), num_frames=6)
    path = sorted(root.rglob('image1018.jpg'))[0]
    cv2.imwrite(str(path), np.zeros_like(cv2.imread(str(path))))
    return root


@pytest.fixture
def copy(download, tmp_path):
    """A download to spoil."""
    return Path(shutil.copytree(download, tmp_path / 'set'))


def test_indexes_can_lie_in_another_place(copy, tmp_path):
    before, place = sorted(copy.rglob('*')), tmp_path / 'new/place'
    assert prepare(copy, *CC0, '--index', str(place))[0] == 0
    assert sorted(copy.rglob('*')) == before  # as a read-only download asks for
    names = {path.name for path in place.iterdir()}
    assert names == {'InterHand2.6M_train_data.index', 'interhand_report.json'}
    dataset = build_dataset(copy, index=str(place))
    assert len(dataset) == 6 and dataset.table.path.parent == place


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    copy, tmp_path, capsys
):
    (tmp_path / 'file').touch()
    status, report = prepare(copy, *CC0, '--index', str(tmp_path / 'file/place'))
    assert (status, report) == (2, {})
    printed = capsys.readouterr()
    assert 'reading' not in printed.out
    assert 'give a folder of yours as --index PLACE' in printed.err


def test_a_small_set_is_reported_and_indexed(copy):
    status, report = prepare(copy, *CC0[:-1], '2')
    assert status == 0
    outcomes = {name: check['status'] for name, check in report.items()}
    counts = ('images', 'interacting images', 'time steps with MANO')
    assert {name for name, found in outcomes.items() if found == 'warning'} == {
        f'train {name}' for name in counts
    }
    assert report['train images']['found'].startswith('6, expected 1,361,062')
    assert report['train black images']['found'].startswith('1 below grey 10')
    for name in (
        'boxes are 1.2 x the joints',
        'left meshes fit joints',
        'ways into the camera',
        'mirrored twice',
        'mirrored right hand is left',
    ):
        assert outcomes[f'train {name}'] == 'ok', name
    assert len(build_dataset(copy, min_grey=10, max_fit_error=1)) == 5
    columns = open_index(copy / INDEX, SCHEMA, VERSION).columns
    assert np.nanmax(columns['frame_fit_error']) < 0.1
    assert (columns['mean_grey'] > 0).sum() == 5


def test_without_hand_model_and_images_less_is_checked(copy):
    shutil.rmtree(copy / 'images')
    status, report = prepare(copy, '--partial', '--images', 'exist', '--workers', '1')
    assert status == 0 and report['train image files']['status'] == 'warning'
    assert report['train MANO and joints']['status'] == 'not checked'
    columns = open_index(copy / INDEX, SCHEMA, VERSION).columns
    assert not {'mean_grey', 'frame_fit_error'} & set(columns)


def rewrite(path, edit):
    table = json.loads(path.read_text())
    edit(table)
    path.write_text(json.dumps(table))


def every(table, key, change):
    """Change an entry of all frames' hands in place."""
    for frames in table.values():
        for entry in frames.values():
            for hand in filter(None, entry.values()):
                hand[key] = change(np.array(hand[key])).tolist()


def in_metres(table):
    for frames in table.values():
        for entry in frames.values():
            entry['world_coord'] = (np.array(entry['world_coord']) / 1000).tolist()


def image(root, frame):
    return next(root.rglob(f'image{frame}.jpg'))


def cut(path):
    path.write_bytes(path.read_bytes()[:-500])


# What happens to a download, which check tells, and in which words.
DAMAGES = {
    'missing image': (
        lambda r: image(r, 1006).unlink(),
        'image files',
        'image1006.jpg',
    ),
    'truncated image': (
        lambda r: cut(image(r, 1012)),
        'image files: damaged',
        'image1012.jpg: not a',
    ),
    'image of another size': (
        lambda r: cv2.imwrite(str(image(r, 1000)), np.zeros((8, 8, 3), np.uint8)),
        'image files: damaged',
        'the image is 8x8 pixels',
    ),
    'truncated JSON': (
        lambda r: cut(r / f'{STEM}data.json'),
        'annotations',
        'not valid JSON',
    ),
    'NaN': (
        lambda r: rewrite(
            r / f'{STEM}joint_3d.json',
            lambda t: t['0']['1000'].update(world_coord=[[float('nan')] * 3] * 42),
        ),
        'annotations',
        '0/1000 holds a',
    ),
    'joints of another capture': (
        lambda r: rewrite(
            r / f'{STEM}camera.json',
            lambda t: t['0']['focal'].update(
                {name: [300.0, 300.0] for name in t['0']['focal']}
            ),
        ),
        'boxes are 1.2 x the joints',
        'annotation 5007',
    ),
    'joints in metres': (
        lambda r: rewrite(r / f'{STEM}joint_3d.json', in_metres),
        'wrist to middle knuckle',
        'joints in millimetres',
    ),
    'mean pose added twice': (
        lambda r: rewrite(
            r / f'{STEM}MANO_NeuralAnnot.json',
            lambda t: every(t, 'pose', lambda pose: pose + 1.0),
        ),
        'left meshes fit joints',
        'mm',
    ),
    'annotation twice': (
        lambda r: rewrite(
            r / f'{STEM}data.json',
            lambda t: t['annotations'].append(t['annotations'][0]),
        ),
        'annotation ids',
        'number 5007',
    ),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damage_is_found_and_gets_no_index(copy, damage):
    spoil, check, words = DAMAGES[damage]
    spoil(copy)
    status, report = prepare(copy, *CC0)
    check = report[f'train {check}']
    assert status == 1 and check['status'] == 'problem'
    assert words in ' '.join(check['examples']) + check['found']
    assert not (copy / INDEX).exists()


def test_a_killed_run_leaves_no_index_and_the_next_one_starts_over(copy):
    """The kill comes when the whole content is written and not yet renamed."""
    quick = ('--images', 'exist', '--workers', '1')
    child = os.fork()
    if child == 0:
        os.fsync = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        prepare(copy, *quick)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    folder = (copy / INDEX).parent
    assert not (copy / INDEX).exists() and len(list(folder.glob('.*.partial'))) == 1
    assert not hasattr(build_dataset(copy).table, 'path')
    assert prepare(copy, *quick)[0] == 0
    assert hasattr(build_dataset(copy).table, 'path')
    assert not list(folder.glob('.*.partial'))


def test_release_0_0_is_found(copy):
    old = copy / 'annotations' / 'machine_annot'
    (copy / 'annotations' / 'train').rename(old)
    (old / 'InterHand2.6M_train_MANO_NeuralAnnot.json').unlink()
    status, report = prepare(copy, '--images', 'sample', '--workers', '1')
    assert status == 0 and (old / 'InterHand2.6M_train_data.index').exists()
    assert report['machine_annot/train MANO']['status'] == 'not checked'
    assert report['machine_annot/train image files']['found'].startswith('6 of 6')


def test_the_real_sample_passes_the_checks_of_its_fields(real_data, capsys):
    root, report = real_data / 'interhand2.6m', CheckReport('sample')
    table = read_table(
        InterHandFiles(
            *(
                root / f'test_interhand2.6m_{kind}.json'
                for kind in ('data', 'camera', 'joint_3d')
            ),
            None,
        )
    )
    check_ids(report, 'test', table)
    check_projection(report, 'test', table)
    assert [check.status for check in report.checks] == ['ok'] * 6
    assert '100.00 % of 4 to 0.001 px' in capsys.readouterr().out


def test_a_folder_without_annotations_is_one_sentence(tmp_path, capsys):
    assert prepare(tmp_path)[0] == 2
    assert 'no annotations/<split>/InterHand2.6M_<split>_data.json' in (
        capsys.readouterr().err
    )


def test_the_hand_is_the_one_that_fit_errors_are_of(copy):
    """Errors of another hand are computed anew, not taken from the index."""
    prepare(copy, *CC0, '--images', 'exist')
    meta = open_index(copy / INDEX, SCHEMA, VERSION).meta
    assert meta['fit_hand'] == fingerprint(HandPair())
    assert meta['fit_hand'] != fingerprint(HandPair(tips='smplx'))
