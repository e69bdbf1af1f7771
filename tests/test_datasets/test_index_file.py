"""Columns in a file: whole or refused, shared between processes, none executed."""

import os
import pickle
import signal

import numpy as np
import pytest

from mmhand_dne.datasets.readers.index_file import Texts, open_index, write_index

COLUMNS = dict(
    id=np.array([3, 1, 2]),
    seen=np.array([[True, False], [False, False], [True, True]]),
    point=np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32),
    none=np.zeros((0, 4)),
    name=Texts.of(['a/b.jpg', '', 'Hände']),
)


@pytest.fixture
def index(tmp_path):
    """An index of one source."""
    source = tmp_path / 'source.json'
    source.write_text('{}')
    path = tmp_path / 'x.index'
    write_index(path, 'interhand', 1, COLUMNS, dict(note=[1, 'two']), [source])
    return path


def test_what_was_written_is_read(index):
    found = open_index(index, 'interhand', 1)
    for name, column in COLUMNS.items():
        if name != 'name':
            assert found.columns[name].dtype == column.dtype
            np.testing.assert_array_equal(found.columns[name], column)
            assert not found.columns[name].flags.writeable
    texts = [found.text('name', row) for row in range(3)]
    assert texts == ['a/b.jpg', '', 'Hände'] and found.meta == dict(note=[1, 'two'])
    assert [path.name for path in found.sources] == ['source.json']
    assert [
        path.name for path in index.parent.iterdir() if path.suffix == '.partial'
    ] == []


def test_another_process_gets_the_path_and_not_the_columns(tmp_path):
    path = tmp_path / 'x.index'
    write_index(path, 'interhand', 1, dict(id=np.arange(100000)), {}, [])
    sent = pickle.dumps(open_index(path, 'interhand', 1))
    assert len(sent) < 1000
    assert pickle.loads(sent).columns['id'][-1] == 99999


def test_a_change_of_a_source_is_noticed_and_its_absence_is_not(index):
    source = index.parent / 'source.json'
    found = open_index(index, 'interhand', 1)
    assert found.stale() == []
    os.utime(source, ns=(0, source.stat().st_mtime_ns + 1000))
    assert found.stale() == []  # a copy
    source.write_text('[]')
    os.utime(source, ns=(0, source.stat().st_mtime_ns + 1000))
    assert found.stale() == [str(source)]
    source.unlink()
    assert found.stale() == []


@pytest.mark.parametrize('cut', [1, 70, 500, 10**6])
def test_an_index_that_was_cut_off_is_refused(index, cut):
    content = index.read_bytes()
    index.write_bytes(content[: max(0, len(content) - cut)])
    with pytest.raises(ValueError, match='x.index: .*prepare_interhand.py again'):
        open_index(index, 'interhand', 1)


@pytest.mark.parametrize(
    'schema, version, words',
    [
        ('freihand', 1, "'interhand' version 1, expected 'freihand'"),
        ('interhand', 2, "version 1, expected 'interhand' version 2"),
    ],
)
def test_an_index_of_another_kind_is_refused(index, schema, version, words):
    with pytest.raises(ValueError, match=f'{words}.*prepare_{schema}.py again'):
        open_index(index, schema, version)


def test_no_index_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match='nowhere: no such index; run .* index=None'):
        open_index(tmp_path / 'nowhere', 'interhand', 1)
    (tmp_path / 'text').write_text('something else, as long as the first line of one')
    with pytest.raises(ValueError, match='text: not an index of mmhand_dne'):
        open_index(tmp_path / 'text', 'interhand', 1)


def test_objects_are_neither_written_nor_read(index):
    with pytest.raises(ValueError, match='column a holds .*expected numbers'):
        write_index(index, 'interhand', 1, dict(a=np.array([{}, None])), {}, [])
    content = index.read_bytes().replace(b'"<i8"', b'"|O8"')
    index.write_bytes(content)
    with pytest.raises(ValueError, match='column id holds object'):
        open_index(index, 'interhand', 1)


def test_a_killed_writer_leaves_the_old_index_and_the_next_one_cleans_up(index):
    before = index.read_bytes()
    child = os.fork()
    if child == 0:  # all is written, nothing renamed
        os.fsync = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        write_index(index, 'interhand', 1, dict(id=np.arange(9)), {}, [])
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    left = list(index.parent.glob('.x.index.*.partial'))
    assert len(left) == 1 and left[0].stat().st_size > 0
    assert index.read_bytes() == before
    running = index.parent / f'.x.index.{os.getppid()}.partial'  # another run's
    running.write_bytes(b'half')
    write_index(index, 'interhand', 1, dict(id=np.arange(9)), {}, [])
    assert open_index(index, 'interhand', 1).columns['id'][-1] == 8
    assert list(index.parent.glob('.x.index.*.partial')) == [running]
