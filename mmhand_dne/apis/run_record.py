"""What a long run has done, so that the same command goes on where it was stopped."""

import glob
import json
import os
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import check_folder, named_errors, write_whole
from mmhand_dne.fileio.hashes import content_hash
from mmhand_dne.fileio.portable import remove_locked, try_locking

from .inputs.sources import WEBCAM

SETTINGS, DONE = 'demo.json', 'done.jsonl'
REPORT = 'report.html'
LOCK = '.lock'  # names the process that writes here, and is locked while it does
STAMPS = 'stamps'  # the setting that holds hashes of files, by what they are
FRAMES = '.frames'  # folder of a video's results until all are there


class RunRecord:
    """The images of a run whose files are all written.

    Args:
        folder: the run's output folder; created if needed.
        settings: what the files depend on, hashes of files under 'stamps'; another
            run's folder is refused.
        overwrite: remove what another run wrote there.

    Attributes:
        folder (Path): the output folder.

    Use it in a ``with`` statement, or call :meth:`close`: until then no other run may
    write there.

    Raises:
        ValueError: the folder holds the results of other settings, or another process
            is writing there.
        OSError: nothing can be written there.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: dict[str, Any],
        overwrite: bool = False,
    ) -> None:
        self.folder = check_folder(folder)
        self._lock = FolderLock(self.folder)
        try:
            self.done = self._opened(settings, overwrite)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> 'RunRecord':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other runs write there."""
        self._lock.release()

    def _opened(self, settings: dict[str, Any], overwrite: bool) -> dict[str, dict]:
        """What is done already, of these settings."""
        settings = json.loads(json.dumps(settings))  # as it will be read back
        path = self.folder / SETTINGS
        found = _read_settings(self.folder)
        if (
            found is not None
            and found != settings
            and not overwrite
            and _is_begun(self.folder)
        ):
            _refuse(found, settings, self.folder)
        if found != settings or overwrite:
            for entry in self._read().values():
                self._remove(entry['files'])
            for name in (DONE, REPORT):
                (self.folder / name).unlink(missing_ok=True)
            shutil.rmtree(self.folder / FRAMES, ignore_errors=True)
        write_whole(path, json.dumps(settings, indent=2).encode())
        return self._read()

    def _remove(self, files: list[str]) -> None:
        """Old files; a name that leads out of the folder is not ours."""
        for name in files:
            if '..' not in Path(name).parts and not os.path.isabs(name):
                (self.folder / name).unlink(missing_ok=True)

    def _read(self) -> dict[str, dict]:
        path = self.folder / DONE
        if not path.exists():
            return {}
        entries = {}
        # Not splitlines: names may hold what is a line's end to it, such as U+2028.
        for line in path.read_text(encoding='utf-8').split('\n'):
            try:
                entry = json.loads(line)
            except ValueError:  # the line that a killed run was writing
                continue
            entries[entry['name']] = entry
        return entries

    def has(self, name: str, source: str) -> bool:
        """Whether an image is done, has not changed since, and its files are there."""
        entry = self.done.get(name)
        return (
            entry is not None
            and entry['stamp'] == stamp(source)
            and all((self.folder / file).exists() for file in entry['files'])
        )

    def add(
        self,
        name: str,
        source: str,
        files: list[Path],
        hands: int,
        problem: str = '',
        span: float | None = None,
    ) -> None:
        """Note that an image is done, after its files are written; files of it that
        were written before and are not among them are removed.

        Args:
            span: where the colours of its deviations end, millimetres.
        """
        self.forget(name, files)
        entry = dict(
            name=name,
            source=source,
            stamp=stamp(source),
            hands=hands,
            problem=problem,
            span=span,
            files=[os.path.relpath(file, self.folder) for file in files],
        )
        self.done[name] = entry
        self._append(entry)

    def forget(self, name: str, kept: list[Path] = ()) -> None:
        """Remove the files of an image that is done again, or cannot be any more.

        Args:
            kept: those that were just written.
        """
        entry = self.done.pop(name, None)
        if entry is None:
            return
        kept = {os.path.relpath(file, self.folder) for file in kept}
        self._remove([file for file in entry['files'] if file not in kept])
        self._append(dict(entry, stamp=None, files=[]))

    def _append(self, entry: dict) -> None:
        path = self.folder / DONE
        with named_errors(path), open(path, 'a', encoding='utf-8') as file:
            file.write(json.dumps(entry) + '\n')


class FolderLock:
    """Holds a folder for this process; the system frees it if the process is killed.

    Raises:
        ValueError: another run holds it; names its process.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.file = folder / LOCK, None
        while self.file is None:
            file = open(self.path, 'a+', encoding='utf-8')
            if not try_locking(file):
                file.seek(0)
                owner = file.read().strip() or 'another'
                file.close()
                raise UserError(
                    f'{folder}: process {owner} is writing there; wait until it ends, '
                    'or give another --out-dir'
                )
            if self._is_current(file):
                self.file = file
            else:  # its owner removed it meanwhile
                file.close()
        self.file.truncate(0)
        self.file.write(str(os.getpid()))
        self.file.flush()

    def _is_current(self, file: IO[str]) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Free it; again does nothing."""
        if self.file is not None:
            remove_locked(self.path, self.file)
            self.file = None


def _is_begun(folder: Path) -> bool:
    """Whether a run has left results there; a video's are in FRAMES until its end."""
    return any((folder / name).exists() for name in (DONE, FRAMES))


def own_folder(
    parent: str | Path, given: str, settings: dict[str, Any], fresh: bool = False
) -> Path:
    """The folder in ``parent`` for a run that names none.

    It is called as the input, with a number where that holds the results of other
    settings: so a command goes on where it was stopped, and another one is kept apart.

    Args:
        given: the input, as the user wrote it.
        fresh: of a camera: a folder that is not there yet.
    """
    settings = json.loads(json.dumps(settings))
    name = input_name(given)
    for number in count(1):
        folder = Path(parent) / (name if number == 1 else f'{name}-{number}')
        if not folder.exists():
            return folder
        begun = _is_begun(folder)
        if not fresh and (not begun or _read_settings(folder) == settings):
            return folder


def input_name(given: str) -> str:
    """What a folder about an input is called: its name without ending, the folder's of
    a pattern.
    """
    if glob.has_magic(given) and not os.path.exists(given):
        given = os.path.dirname(given)
        given = 'images' if glob.has_magic(given) or not given else given
    if WEBCAM.fullmatch(given):
        return 'webcam'
    path = Path(given).resolve()
    return (path.name if path.is_dir() else path.stem) or 'images'


def _read_settings(folder: Path) -> dict | None:
    """Of the run whose results a folder holds, None without."""
    path = folder / SETTINGS
    try:
        return json.loads(path.read_text(encoding='utf-8')) if path.exists() else None
    except ValueError as error:
        raise UserError(
            f'{path}: is not JSON ({error}); remove it, or give another --out-dir'
        ) from error


def stamp(path: str) -> str:
    """Hash of a file's content; empty if it is none."""
    return content_hash(path) if os.path.isfile(path) else ''


def check_inputs_apart(sources: Sequence[str], folder: str | Path) -> None:
    """Refuse an output folder that holds pictures of the input.

    What is written there would be read as input by the next run.
    """
    folder = Path(folder).resolve()
    for source in sources:
        if folder == Path(source).resolve().parent:
            raise UserError(
                f'{folder}: is the output folder and holds the input {source}, so '
                'pictures of results would become inputs; give another --out-dir'
            )


def _refuse(found: dict, wanted: dict, folder: str | Path) -> None:
    before, now = found.get(STAMPS) or {}, wanted.get(STAMPS) or {}
    names = {key for key in {*found, *wanted} if key != STAMPS}
    same = all(found.get(key) == wanted.get(key) for key in names)
    for key in sorted({*before, *now}):
        if same and before.get(key) != now.get(key):
            raise UserError(
                f'{folder}: holds the results of a run before the content of its {key} '
                'changed; give another --out-dir, or --overwrite'
            )
    for key in sorted(names):
        if found.get(key) != wanted.get(key):
            raise UserError(
                f'{folder}: holds the results of a run with {key} '
                f'{found.get(key)!r}, now {wanted.get(key)!r} is asked for; give '
                'another --out-dir, or --overwrite'
            )
