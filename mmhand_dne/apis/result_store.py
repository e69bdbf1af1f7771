"""A video's results on disk while a run lasts: one file, read back frame by frame."""

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from mmhand_dne.fileio.atomic import named_errors
from mmhand_dne.structures.hand_result import HandResult, ImageResult, ManoParameters

LENGTH = 8  # bytes that tell a record's length, little-endian
SHARED = 'faces'  # what all hands of a side have in common
MANO = 'mano'


class ResultStore:
    """Results in the order of their frames, whole records only.

    A sequence: ``store[i]`` reads the i-th result, so that all of them need the memory
    of one. What a killed run was writing is cut off when the file is opened.

    Args:
        path: of the file; created if needed. It is for this class, not for keeping.
        faces: (F, 3) of each side, which are not written.

    Use it in a ``with`` statement.
    """

    def __init__(self, path: str | Path, faces: Mapping[str, np.ndarray]) -> None:
        self.path, self.faces = Path(path), faces
        self.starts: list[int] = []
        self.last = -1  # index of the last frame
        self.end = 0
        with named_errors(self.path):
            self.file = open(self.path, 'a+b')
        size = os.path.getsize(self.path)
        while (length := self._length_at(self.end, size)) is not None:
            self.starts.append(self.end)
            self.end += LENGTH + length
        self.file.truncate(self.end)
        if self.starts:
            self.last = self[-1].index

    def __enter__(self) -> 'ResultStore':
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, number: int) -> ImageResult:
        start = self.starts[number]  # an IndexError ends an iteration
        self.file.seek(start)
        length = int.from_bytes(self.file.read(LENGTH), 'little')
        return _decode(self.file.read(length), self.faces)

    def append(self, result: ImageResult) -> None:
        """Add the result of a frame after the last one.

        Raises:
            OSError: the disk is full, or such; names the file.
        """
        content = _encode(result)
        with named_errors(self.path):
            self.file.seek(0, os.SEEK_END)
            self.file.write(len(content).to_bytes(LENGTH, 'little') + content)
            self.file.flush()
        self.starts.append(self.end)
        self.end += LENGTH + len(content)
        self.last = result.index

    def _length_at(self, start: int, size: int) -> int | None:
        """Bytes of the record that starts there; None if it is not whole."""
        if start + LENGTH > size:
            return None
        self.file.seek(start)
        length = int.from_bytes(self.file.read(LENGTH), 'little')
        return length if start + LENGTH + length <= size else None


def _encode(result: ImageResult) -> bytes:
    """A line of JSON with the shapes of the arrays, then their bytes."""
    arrays: list[np.ndarray] = []

    def plain(value: Any) -> Any:
        if isinstance(value, ManoParameters):
            return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
        if not isinstance(value, np.ndarray):
            return value
        arrays.append(np.ascontiguousarray(value))
        return dict(dtype=value.dtype.str, shape=value.shape)

    head = dict(
        source=result.source,
        index=result.index,
        size=result.size,
        problem=result.problem,
        track_ids=result.track_ids,
        name=result.name,
        maps={name: plain(np.asarray(v)) for name, v in (result.maps or {}).items()},
        hands=[
            {
                field.name: plain(getattr(hand, field.name))
                for field in fields(hand)
                if field.name != SHARED and getattr(hand, field.name) is not None
            }
            for hand in result.hands
        ],
    )
    line = json.dumps(head, separators=(',', ':')).encode() + b'\n'
    return line + b''.join(array.tobytes() for array in arrays)


def _decode(content: bytes, faces: Mapping[str, np.ndarray]) -> ImageResult:
    at = content.index(b'\n') + 1
    head = json.loads(content[:at])

    def value(plain: Any) -> Any:
        nonlocal at
        if not isinstance(plain, dict):
            return plain
        if 'dtype' not in plain:
            return ManoParameters(**{name: value(one) for name, one in plain.items()})
        kind, shape = np.dtype(plain['dtype']), plain['shape']
        count = int(np.prod(shape))
        array = np.frombuffer(content, kind, count, at).reshape(shape).copy()
        at += array.nbytes
        return array

    maps = {name: value(one) for name, one in head['maps'].items()}
    hands = tuple(
        HandResult(
            **{name: value(one) for name, one in hand.items()},
            **{SHARED: faces[hand['side']]},
        )
        for hand in head['hands']
    )
    return ImageResult(
        head['source'],
        head['index'],
        tuple(head['size']),
        hands,
        head['problem'],
        maps or None,
        tuple(head['track_ids']),
        head.get('name', ''),  # older versions wrote none
    )
