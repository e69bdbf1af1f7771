"""The file of predictions: sorted, whole, without pickle, read in chunks."""

import json
import os

import numpy as np
import pytest

from mmhand_dne.fileio import dump_file
from mmhand_dne.fileio.dump_file import DumpFile, RowFiles, merge_rows


def row(index, **changes):
    rng = np.random.default_rng(index)
    return {
        'order': np.array([index, 7]),
        'pred/mesh': rng.normal(size=(2, 5, 3)),
        'meta/flip': np.array(index % 2 == 0),
        'meta/img_path': f'é\n{index}' * index,
        **changes,
    }


def write(tmp_path, *parts):
    folders = []
    for number, indices in enumerate(parts):
        folders.append(tmp_path / str(number))
        files = RowFiles(folders[-1])
        for index in indices:
            # Samples of another process have their fields in another order.
            items = sorted(row(index).items(), reverse=bool(number))
            files.add(dict(items), f'image {index}')
        files.close()
    path = tmp_path / 'dump.npz'
    return path, merge_rows(folders, path)


def test_numpy_reads_the_rows_of_all_parts_sorted_and_once(tmp_path, monkeypatch):
    monkeypatch.setattr(dump_file, 'CHUNK', 2)
    path, count = write(tmp_path, [4, 0, 2], [], [3, 1, 0])
    assert count == 5
    data = np.load(path, allow_pickle=False)
    assert json.loads(data['header'].item())['images'] == 5
    for index in range(5):
        for key, value in row(index).items():
            found = data[key][index]
            if isinstance(value, str):
                assert found.decode() == value
            else:
                assert found.dtype == value.dtype
                np.testing.assert_array_equal(found, value)
    assert [file.name for file in path.parent.glob('.*')] == []


def test_chunks_are_the_arrays(tmp_path, monkeypatch):
    path, _ = write(tmp_path, range(5))
    monkeypatch.setattr(dump_file, 'CHUNK', 2)
    chunks = list(DumpFile(path).chunks(['order', 'pred/mesh']))
    assert [len(chunk['order']) for chunk in chunks] == [2, 2, 1]
    found = np.concatenate([chunk['pred/mesh'] for chunk in chunks])
    np.testing.assert_array_equal(found, np.load(path)['pred/mesh'])


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (
            {'pred/mesh': np.zeros((2, 4, 3))},
            r'image 1: pred/mesh is \[\[2, 4, 3\], .<f8.\], '
            r'of the first image \[\[2, 5, 3\]',
        ),
        ({'pred/more': np.zeros(1)}, r'pred/more is .*, of the first image None'),
        ({'pred/mesh': np.array(['a'])}, 'cannot dump pred/mesh, which is <U1'),
    ],
)
def test_another_field_is_named(tmp_path, changes, words):
    files = RowFiles(tmp_path)
    files.add(row(0), 'image 0')
    with pytest.raises(ValueError, match=words):
        files.add(row(1, **changes), 'image 1')


def test_a_part_that_is_not_whole_is_named(tmp_path):
    RowFiles(tmp_path / '0').add(row(0), 'image 0')  # never closed
    with pytest.raises(ValueError, match='0: the part of one process is not there'):
        merge_rows([tmp_path / '0'], tmp_path / 'dump.npz')


def test_a_damaged_or_foreign_file_is_one_sentence(tmp_path):
    path, _ = write(tmp_path, range(3))
    with pytest.raises(ValueError, match='nowhere.npz: no such file'):
        DumpFile(tmp_path / 'nowhere.npz')
    foreign = tmp_path / 'foreign.npz'
    np.savez(foreign, a=np.zeros(3))
    whole = path.read_bytes()
    cut = tmp_path / 'cut.npz'
    cut.write_bytes(whole[: len(whole) // 2])
    for bad in (foreign, cut):
        with pytest.raises(ValueError, match='no dump of predictions'):
            DumpFile(bad)
    spoilt = bytearray(whole)
    place = whole.index(row(1)['pred/mesh'].tobytes())
    spoilt[place] ^= 1
    cut.write_bytes(spoilt)
    with pytest.raises(ValueError, match='pred/mesh is damaged or absent'):
        list(DumpFile(cut).chunks())


class Bomb:
    def __reduce__(self):
        return os.mkdir, ('exploded',)


@pytest.mark.parametrize('key', ['header', 'pred/mesh'])
def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch, key):
    monkeypatch.chdir(tmp_path)
    path, count = write(tmp_path, range(2))
    arrays = dict(np.load(path))
    arrays[key] = np.array([Bomb()] * count)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match='no dump of predictions|expected numbers'):
        list(DumpFile(path).chunks())
    assert not (tmp_path / 'exploded').exists()
    np.load(path, allow_pickle=True)[key]
    assert (tmp_path / 'exploded').exists()  # it was live


def test_an_older_version_is_refused(tmp_path, monkeypatch):
    path, _ = write(tmp_path, range(2))
    monkeypatch.setattr(dump_file, 'VERSION', 3)
    with pytest.raises(ValueError, match='version 2, expected .* version 3'):
        DumpFile(path)
