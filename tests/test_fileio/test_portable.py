"""One process holds a file at a time, and is known to run; on Windows likewise."""

import ctypes
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmhand_dne.fileio import portable
from mmhand_dne.fileio.portable import remove_locked, runs, try_locking

HOLD = """
import sys
from mmhand_dne.fileio.portable import try_locking
file = open(sys.argv[1], 'a+')
print(try_locking(file), flush=True)
sys.stdin.read()
"""


class Msvcrt:
    """``msvcrt.locking`` as its documentation has it: bytes from where the file is."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        self.held = {}  # (file, byte) -> descriptor

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert mode == self.LK_NBLCK
        start = os.lseek(descriptor, 0, os.SEEK_CUR)
        for byte in range(start, start + count):
            place = os.fstat(descriptor).st_ino, byte
            if self.held.setdefault(place, descriptor) != descriptor:
                raise PermissionError(13, 'Permission denied')


@pytest.fixture
def windows(monkeypatch):
    """What there is on Windows, and not here."""
    fake = Msvcrt()
    monkeypatch.setattr(portable, 'WINDOWS', True)
    monkeypatch.setitem(sys.modules, 'msvcrt', fake)
    monkeypatch.setitem(sys.modules, 'fcntl', None)  # its import fails
    return fake


def test_another_process_is_kept_out_until_the_holder_is_killed(tmp_path):
    path = tmp_path / 'lock'
    holder = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == 'True\n'
        with open(path, 'a+') as file:
            assert not try_locking(file)
            holder.kill()
            holder.wait()
            assert try_locking(file)
    finally:
        holder.kill()
        holder.communicate()


def test_on_windows_a_second_opener_is_kept_out_and_reads_the_first_one_s_words(
    tmp_path, windows
):
    with open(tmp_path / 'lock', 'a+') as first, open(tmp_path / 'lock', 'a+') as other:
        assert try_locking(first)
        first.write('1234')
        first.flush()
        assert not try_locking(other)
        assert [byte for _, byte in windows.held] == [portable.LOCKED_BYTE]
        other.seek(0)
        assert other.read() == '1234' and os.path.getsize(first.name) == 4


@pytest.mark.parametrize('taken', [False, True])
def test_on_windows_the_file_is_closed_before_it_goes(tmp_path, monkeypatch, taken):
    """Which refuses to remove what anybody has open."""
    monkeypatch.setattr(portable, 'WINDOWS', True)
    path = tmp_path / 'lock'
    file = open(path, 'a+')
    unlink = Path.unlink

    def unlink_closed(self, missing_ok=False):
        if not file.closed or taken:
            raise PermissionError(13, 'in use')
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, 'unlink', unlink_closed)
    remove_locked(path, file)
    assert file.closed and path.exists() == taken


def test_here_nobody_locks_a_file_that_is_about_to_go(tmp_path):
    """Else two could hold a folder: one the removed file, one a new file."""
    path = tmp_path / 'lock'
    file = open(path, 'a+')
    assert try_locking(file)
    there = []
    watched = SimpleNamespace(close=lambda: there.append(path.exists()))
    remove_locked(path, watched)
    file.close()
    assert there == [False]


class Kernel:
    """Windows' functions about processes, as their documentation has them."""

    WAIT_OBJECT_0, INVALID = 0, 87

    def __init__(self, running: set, ended: set, foreign: set) -> None:
        self.running, self.ended, self.foreign = running, ended, foreign
        self.open, self.error = set(), 0
        self.OpenProcess = partial(self._open_process)  # which takes a restype

    def _open_process(self, access: int, inherit: bool, process: int) -> int | None:
        assert access == portable.SYNCHRONIZE and not inherit
        if process in self.running | self.ended:
            self.open.add(process)
            return process
        denied = process in self.foreign
        self.error = portable.ACCESS_DENIED if denied else self.INVALID
        return None

    def WaitForSingleObject(self, handle, milliseconds: int) -> int:
        assert milliseconds == 0
        runs = handle.value in self.running
        return portable.WAIT_TIMEOUT if runs else self.WAIT_OBJECT_0

    def CloseHandle(self, handle) -> int:
        self.open.remove(handle.value)
        return 1


def test_a_process_runs_until_it_has_ended():
    child = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    assert runs(child.pid) and runs(os.getpid())
    child.communicate(b'\n')
    assert not runs(child.pid)


@pytest.mark.parametrize(
    'process, expected', [(4, True), (8, False), (12, True), (16, False)]
)
def test_on_windows_its_own_functions_are_asked(monkeypatch, process, expected):
    """There os.kill(process, 0) is Ctrl-C, to every process of the console."""
    kernel = Kernel(running={4}, ended={8}, foreign={12})
    monkeypatch.setattr(portable, 'WINDOWS', True)
    monkeypatch.setattr(ctypes, 'WinDLL', lambda *_, **__: kernel, raising=False)
    monkeypatch.setattr(ctypes, 'get_last_error', lambda: kernel.error, raising=False)
    monkeypatch.setattr(os, 'kill', None)
    assert runs(process) is expected and not kernel.open


# A function of a process of its own: its memory in MB.
RESIDENT = """
from pathlib import Path

def resident():
    lines = Path('/proc/self/status').read_text().splitlines()
    return int(next(x for x in lines if x.startswith('VmRSS')).split()[1]) / 1024

"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None) if os.name == 'posix' else None, 'malloc_trim'),
    reason='this C library cannot be told to give memory back',
)
def test_memory_that_was_freed_goes_back_to_the_system():
    """In a process of its own, whose heap nobody else has used."""
    code = """
from mmhand_dne.fileio.portable import give_back_memory

blocks = [bytearray(60_000) for _ in range(2000)]
last = bytearray(60_000)  # above them, so that the heap's top cannot sink
full = resident()
blocks.clear()
freed = resident()
give_back_memory()
print(full, freed, resident())
"""
    run = subprocess.run(
        [sys.executable, '-c', RESIDENT + code],
        check=True,
        capture_output=True,
        text=True,
    )
    full, freed, given = map(float, run.stdout.split())
    assert full - freed < 40 and freed - given > 70  # of 114 MB


def faults_of_reuse(begin: str, **variables: str) -> tuple[float, float]:
    """Page faults while 80 MB are taken and freed five times; and MB kept after."""
    code = f"""
import resource
from mmhand_dne.fileio.portable import give_back_memory, keep_memory

def reuse():
    for _ in range(5):
        blocks = [bytearray(20_000_000) for _ in range(4)]
        del blocks

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

{begin}
reuse()
before = faults()
reuse()
found = faults() - before
kept = resident()
give_back_memory()
print(found, kept - resident())
"""
    run = subprocess.run(
        [sys.executable, '-c', RESIDENT + code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
    )
    found, kept = map(float, run.stdout.split())
    return found, kept


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None) if os.name == 'posix' else None, 'mallopt'),
    reason='this C library cannot be told to keep memory',
)
def test_kept_memory_is_not_fetched_anew_and_can_be_given_back():
    pages = 80_000_000 // os.sysconf('SC_PAGE_SIZE')
    returned, _ = faults_of_reuse('')
    kept, megabytes = faults_of_reuse('keep_memory()')
    # The system may hand out larger pages, of which fewer are missed.
    assert returned > 5 * kept and kept < pages // 100
    assert megabytes > 70
    # Whoever has set glibc's own variables keeps what they say.
    named = dict(MALLOC_TRIM_THRESHOLD_='131072', MALLOC_MMAP_THRESHOLD_='131072')
    assert faults_of_reuse('keep_memory()', **named)[0] > 5 * kept


def test_other_systems_return_memory_by_themselves(monkeypatch):
    asked = []
    # musl's C library has no such function.
    monkeypatch.setattr(
        ctypes, 'CDLL', lambda name: asked.append(name) or SimpleNamespace()
    )
    monkeypatch.setattr(portable.sys, 'platform', 'darwin')
    portable.give_back_memory()
    portable.keep_memory()
    assert not asked
    monkeypatch.setattr(portable.sys, 'platform', 'linux')
    portable.give_back_memory()
    portable.keep_memory()
    assert asked == [None, None]
