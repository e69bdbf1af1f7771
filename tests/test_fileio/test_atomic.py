"""Files appear whole or not at all, and errors name the file that they are about."""

import errno
import os

import pytest

from mmhand_dne.fileio import atomic
from mmhand_dne.fileio.atomic import (
    check_folder,
    remove_partial_files,
    whole_file,
    write_whole,
)


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    path = write_whole(tmp_path / 'deep' / 'a.txt', 'old')
    with pytest.raises(ZeroDivisionError), whole_file(path) as partial:
        partial.write_text('half')
        raise ZeroDivisionError
    assert path.read_text() == 'old' and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize('durable', [False, True])
@pytest.mark.parametrize('keep_suffix', [False, True])
def test_a_block_that_ends_gives_the_name(tmp_path, durable, keep_suffix):
    path = tmp_path / 'a.mp4'
    with whole_file(path, durable, keep_suffix) as partial:
        assert (partial.suffix == '.mp4') is keep_suffix
        partial.write_bytes(b'new')
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == b'new'


def test_on_windows_a_durable_file_needs_no_open_folder(tmp_path, monkeypatch):
    """Which it refuses, and forces to the disk only what is open for writing."""
    opened, real = [], os.open

    def open_file(path, flags, *more):
        opened.append((os.path.isdir(path), flags & os.O_ACCMODE))
        return real(path, flags, *more)

    monkeypatch.setattr(atomic, 'WINDOWS', True)
    monkeypatch.setattr(os, 'open', open_file)
    with whole_file(tmp_path / 'a.pth', durable=True) as partial:
        partial.write_bytes(b'new')
    assert opened == [(False, os.O_RDWR)]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('no folder')
    with pytest.raises(OSError, match=r'file/a\.txt: cannot be written \('):
        write_whole(tmp_path / 'file' / 'a.txt', '')
    with pytest.raises(OSError, match=r'a\.txt: cannot be written \(No space left'):
        with whole_file(tmp_path / 'a.txt'):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_errors_about_other_files_pass_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError) as missing:
        with whole_file(tmp_path / 'a.zip'):
            (tmp_path / 'source').read_bytes()
    assert missing.value.filename == str(tmp_path / 'source')
    said = OSError('b.json: cannot be written (No space left); choose another folder')
    with pytest.raises(OSError) as explained, whole_file(tmp_path / 'a.mp4'):
        raise said
    assert explained.value is said


def test_the_longest_name_can_be_written_and_its_rest_removed(tmp_path):
    longest = 'é' * 124 + 'a.json'
    assert len(longest.encode()) == 254
    assert write_whole(tmp_path / longest, 'whole').read_text() == 'whole'
    with whole_file(tmp_path / longest, keep_suffix=True) as partial:
        partial.write_text('whole')
    assert [path.name for path in tmp_path.iterdir()] == [longest]


def test_what_is_no_letter_is_written_as_an_escape(tmp_path):
    assert write_whole(tmp_path / 'a.txt', 'b\udce9').read_bytes() == b'b\\udce9'


def test_only_what_killed_processes_left_is_removed(tmp_path):
    gone, running = 2**22 + 1, os.getppid()  # above the largest number of a process
    left = [f'.a.json.{gone}.partial', f'.a.mp4.{gone}.partial.mp4']
    kept = [f'.b.json.{running}.partial', '.theirs.partial', 'c.json']
    for name in left + kept:
        (tmp_path / name).write_text('')
    assert remove_partial_files(tmp_path, 'b.json') == []
    assert remove_partial_files(tmp_path, 'a.json') == left[:1]
    check_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
