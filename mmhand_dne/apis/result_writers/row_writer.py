"""A video's results as rows of one file: what a frame's JSON has, without the meshes.

Schema ``mmhand_dne/row``, version 1: a file of JSON objects, one a line and frame::

    {"schema": "mmhand_dne/row", "version": 1, "source": str, "index": int,
     "time": float, "size": [W, H], "problem": str, "track_ids": [int, ...],
     "hands": [HAND, ...]}

with HAND as in :mod:`.json_writer` but for what grows with the mesh (MESHES): some 6 kB
a hand in place of 200. ``time`` is in seconds from the first frame.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

from mmhand_dne.apis.inputs.sources import Images, VideoFrames
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import named_errors, whole_file
from mmhand_dne.structures.hand_result import ImageResult

from .json_writer import as_text

JSON = 'json'  # the format of a frame whose place rows take
SCHEMA, VERSION = 'mmhand_dne/row', 1
MESHES = (
    'vertices',
    'vertices_2d',
    'coarse_vertices',
    'coarse_vertices_2d',
    'faces',
    'joint_covariance_full',
)


def rows_of(
    source: Images | VideoFrames, folder: str | Path, formats: Sequence[str]
) -> 'RowWriter | None':
    """What writes a video's JSON into a folder, if the formats ask for it."""
    if not (source.is_video and JSON in formats):
        return None
    return RowWriter(Path(folder) / source.row_file, source.is_live, formats)


class RowWriter:
    """Writes one row a frame; the file appears when the video is done.

    Args:
        path: of the file.
        live: rows of a camera, which has no end: the file grows under its own name.
        formats: that are asked for of each frame.

    Attributes:
        others: the formats that rows do not take the place of.

    Use it in a ``with`` statement; an exception inside leaves no file behind, except of
    a camera.

    Raises:
        OSError: the file cannot be written, as on a full disk; names it.
    """

    def __init__(
        self, path: str | Path, live: bool = False, formats: Sequence[str] = (JSON,)
    ) -> None:
        self.path, self.live = Path(path), live
        self.others = tuple(one for one in formats if one != JSON)
        self._stack = ExitStack()
        self._file: IO[str] | None = None

    def __enter__(self) -> 'RowWriter':
        place = (
            self.path if self.live else self._stack.enter_context(whole_file(self.path))
        )
        with named_errors(self.path):
            place.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(place, 'w', encoding='utf-8')
        return self

    def add(self, result: ImageResult, time: float) -> None:
        """Append a frame's row.

        Args:
            time: of the frame, seconds.
        """
        about = dict(schema=SCHEMA, version=VERSION, time=round(time, 6))
        line = as_text(result, MESHES, **about)
        with named_errors(self.path):
            self._file.write(line + '\n')
            if self.live:
                self._file.flush()

    def __exit__(self, *error: object) -> None:
        try:
            with named_errors(self.path):
                self._file.close()
        except OSError as full:
            self._stack.__exit__(type(full), full, full.__traceback__)
            raise
        self._stack.__exit__(*error)


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, one at a time; lists of numbers are float32 arrays, NaN where
    they were not finite.

    Raises:
        ValueError: a line is not JSON, or a row of another schema or version.
    """
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(
                    f'{path}: line {number} is not JSON ({error}); write it again'
                ) from error
            found = row.get('schema'), row.get('version')
            if found != (SCHEMA, VERSION):
                raise UserError(
                    f'{path}: line {number} holds schema {found[0]!r}, version '
                    f'{found[1]!r}; expected {SCHEMA!r}, version {VERSION}'
                )
            row['hands'] = [_arrays(hand) for hand in row['hands']]
            yield row


def _arrays(hand: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in hand.items():
        if isinstance(value, dict):
            value = _arrays(value)
        elif isinstance(value, list):
            value = np.array(value, dtype=object).astype(np.float32)
        found[name] = value
    return found
