"""What a long run has done, so that the same command goes on where it was stopped."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import check_folder, write_whole

SETTINGS, DONE = 'demo.json', 'done.jsonl'
FRAMES = '.frames'  # folder of a video's results until all are there


class RunRecord:
    """The images of a run whose files are all written.

    Args:
        folder: the run's output folder; created if needed.
        settings: what the files depend on; another run's folder is refused.
        overwrite: forget what another run did there.

    Attributes:
        folder (Path): the output folder.

    Raises:
        ValueError: the folder holds the results of other settings.
        OSError: nothing can be written there.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: dict[str, Any],
        overwrite: bool = False,
    ) -> None:
        self.folder = check_folder(folder)
        settings = json.loads(json.dumps(settings))  # as it will be read back
        path = self.folder / SETTINGS
        found = json.loads(path.read_text(encoding='utf-8')) if path.exists() else None
        if (
            found is not None
            and found != settings
            and not overwrite
            and (self.folder / DONE).exists()
        ):
            _refuse(found, settings, folder)
        if found != settings or overwrite:
            (self.folder / DONE).unlink(missing_ok=True)
            shutil.rmtree(self.folder / FRAMES, ignore_errors=True)
        write_whole(path, json.dumps(settings, indent=2).encode())
        self.done = self._read()

    def _read(self) -> dict[str, dict]:
        path = self.folder / DONE
        if not path.exists():
            return {}
        entries = {}
        for line in path.read_text(encoding='utf-8').splitlines():
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
        self, name: str, source: str, files: list[Path], hands: int, problem: str = ''
    ) -> None:
        """Note that an image is done, after its files are written."""
        entry = dict(
            name=name,
            source=source,
            stamp=stamp(source),
            hands=hands,
            problem=problem,
            files=[os.path.relpath(file, self.folder) for file in files],
        )
        self.done[name] = entry
        with open(self.folder / DONE, 'a', encoding='utf-8') as file:
            file.write(json.dumps(entry, ensure_ascii=False) + '\n')


def stamp(path: str) -> list:
    """Size and time of change of a file; empty if it is none."""
    if not os.path.exists(path):
        return []
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]


def _refuse(found: dict, wanted: dict, folder: str | Path) -> None:
    for key in sorted(set(found) | set(wanted)):
        if found.get(key) != wanted.get(key):
            raise UserError(
                f'{folder}: holds the results of a run with {key} '
                f'{found.get(key)!r}, now {wanted.get(key)!r} is asked for; give '
                'another --out-dir, or --overwrite'
            )
