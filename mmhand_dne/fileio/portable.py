"""What systems do in different ways: locked files, processes, memory that is free.

Windows' part follows its documentation and is tested with fakes of it: nobody has run
it there.
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import IO

WINDOWS = sys.platform == 'win32'
# Windows keeps others from reading a locked byte, so it is one far past the content.
LOCKED_BYTE = 1 << 30
# Of glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 1 << 25  # bytes: more glibc does not take
KEPT_MEMORY = 1 << 30  # bytes of free memory above which the rest is returned
# Of Windows' kernel
SYNCHRONIZE = 0x0010_0000  # the right to wait for a process's end
WAIT_TIMEOUT = 0x102
ACCESS_DENIED = 5


def try_locking(file: IO) -> bool:
    """Lock an open file for this process, without waiting.

    Returns: whether it is locked now; False where another process holds it.
    """
    try:
        if WINDOWS:
            import msvcrt

            os.lseek(file.fileno(), LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # flock's word, msvcrt's
        return False
    return True


def remove_locked(path: Path, file: IO) -> None:
    """Remove a file that this process has locked, and free it.

    Windows removes no open file: there it is closed first, and stays where another
    process has opened it meanwhile.
    """
    if WINDOWS:
        file.close()
        with contextlib.suppress(PermissionError):
            path.unlink(missing_ok=True)
        return
    path.unlink(missing_ok=True)
    file.close()


def give_back_memory() -> None:
    """Return memory that was freed to the system, where the C library can be told to.

    glibc keeps what lies below something that is still used; other libraries have no
    such call, and keep less or return it by themselves.
    """
    if not sys.platform.startswith('linux'):
        return
    import ctypes

    with contextlib.suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def keep_memory() -> None:
    """Let this process reuse memory that it frees, instead of fetching it anew.

    For tools that run the same network again and again: glibc otherwise returns the
    larger blocks to the system after each run, and the system clears every page that it
    hands out again. :func:`give_back_memory` still returns it. Nothing happens where
    the user has set one of glibc's own variables for this, or with other libraries.
    """
    named = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_', 'GLIBC_TUNABLES')
    if not sys.platform.startswith('linux') or any(map(os.environ.get, named)):
        return
    import ctypes

    with contextlib.suppress(AttributeError):  # musl has no such function
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY)


def runs(process: int) -> bool:
    """Whether a process of this number exists, also somebody else's."""
    if WINDOWS:  # where os.kill with signal 0 is Ctrl-C
        return _runs_on_windows(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def _runs_on_windows(process: int) -> bool:
    import ctypes

    kernel = ctypes.WinDLL('kernel32', use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p  # a handle is as wide as a pointer
    handle = ctypes.c_void_p(kernel.OpenProcess(SYNCHRONIZE, False, process))
    if not handle:
        return ctypes.get_last_error() == ACCESS_DENIED  # somebody else's
    try:
        return kernel.WaitForSingleObject(handle, 0) == WAIT_TIMEOUT
    finally:
        kernel.CloseHandle(handle)
