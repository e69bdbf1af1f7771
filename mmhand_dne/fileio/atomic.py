"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .portable import WINDOWS, runs

PARTIAL = '.partial'
LONGEST_NAME = 255  # bytes; of most file systems


@contextmanager
def whole_file(
    path: str | Path, durable: bool = False, keep_suffix: bool = False
) -> Iterator[Path]:
    """A path to write to; the file gets its own name when the block ends.

    Creates the folder if needed; a block that raises leaves nothing behind. What a
    killed process leaves is removed by :func:`remove_partial_files`.

    Args:
        path: of the file.
        durable: force bytes and name to the disk, so that a power failure leaves the
            old file or the new one.
        keep_suffix: let the other name end as ``path`` does, for writers that choose
            the format by it.

    Raises:
        OSError: the folder or the file cannot be written; names it.
    """
    path = Path(path)
    ending = f'.{os.getpid()}{PARTIAL}'
    longest = LONGEST_NAME - len(os.fsencode(f'.{ending}{path.suffix}'))
    shown = os.fsdecode(os.fsencode(path.name)[:longest])
    partial = path.with_name(f'.{shown}{ending}')
    if keep_suffix:
        partial = partial.with_name(partial.name + path.suffix)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        if durable:
            _sync(partial)
        os.replace(partial, path)
        if durable:
            _sync(path.parent)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and _is_about(error, (partial, path)):
            raise _cannot_write(path, error) from error
        raise


@contextmanager
def named_errors(path: str | Path) -> Iterator[None]:
    """A block that writes a file: its errors name the file, as a full disk's do not."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # a sentence of ours
            raise
        raise _cannot_write(path, error) from error


def _cannot_write(path: str | Path, error: OSError) -> OSError:
    return OSError(
        f'{path}: cannot be written ({error.strerror}); choose another output folder'
    )


def write_whole(path: str | Path, content: bytes | str, durable: bool = False) -> Path:
    """Write bytes, or text as UTF-8; see :func:`whole_file`. Returns the path.

    What is no letter, as of a file name of another encoding, is written as ``\\udcff``.
    """
    if isinstance(content, str):
        content = content.encode(errors='backslashreplace')
    with whole_file(path, durable) as partial:
        partial.write_bytes(content)
    return Path(path)


def _is_about(error: OSError, files: tuple[Path, Path]) -> bool:
    """Whether an error inside the block is of writing these, and not yet explained."""
    if error.errno is None:  # a sentence of ours, about another file
        return False
    own = {str(path) for file in files for path in (file, *file.parents)}
    return error.filename is None or str(error.filename) in own


def _sync(path: Path) -> None:
    if WINDOWS and path.is_dir():
        return  # it opens no folders
    handle = os.open(path, os.O_RDWR if WINDOWS else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial_files(folder: str | Path, name: str = '*') -> list[str]:
    """Delete what killed processes were writing; a running one keeps its file.

    Other hidden files are left alone: the name must hold the number of a process.

    Args:
        folder: where; its sub-folders are not looked at.
        name: of the files that were being written, a glob pattern.
    Returns: names of what was deleted.
    """
    removed = []
    for left in sorted(Path(folder).glob(f'.{name}.*{PARTIAL}*')):
        process = left.name.rpartition(PARTIAL)[0].split('.')[-1]
        if process.isdigit() and not _runs(int(process)):
            left.unlink(missing_ok=True)
            removed.append(left.name)
    return removed


def _runs(process: int) -> bool:
    """Whether another process of this number exists."""
    return process != os.getpid() and runs(process)


def try_writing(folder: Path) -> None:
    """Raises an OSError where no file can be made in a folder; leaves none."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def check_folder(folder: str | Path) -> Path:
    """Make a folder and see that files can be written there, before any work.

    What a killed process was writing there is removed.

    Raises:
        OSError: they cannot; says why.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try_writing(folder)
    except OSError as error:
        raise OSError(
            f'{folder}: nothing can be written there ({error.strerror}); '
            'choose another output folder'
        ) from error
    remove_partial_files(folder)
    return folder
