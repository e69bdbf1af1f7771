"""A file of memory-mapped columns: what a data set knows of its images, without JSON.

The file is a line that says what it is, a JSON header, and the columns' raw numbers,
little-endian, each at a multiple of 64 bytes. It is written under another name, forced
to the disk and renamed: where the index is, it is whole. Nothing in it is executed.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import remove_partial_files, whole_file
from mmhand_dne.fileio.hashes import content_hash

MAGIC = b'mmhand_dne index 1\n'
ALIGNMENT = 64  # bytes; of every column in the file
LENGTH = 20  # bytes of the header's length in decimal digits, and a newline
KINDS = 'biuf'  # of NumPy: what a column may hold


@dataclass(frozen=True)
class Texts:
    """N strings as one array of UTF-8 bytes."""

    offsets: np.ndarray  # (N + 1,) int64, where each string begins, and the end
    data: np.ndarray  # (bytes,) uint8

    @classmethod
    def of(cls, strings: Iterable[str]) -> 'Texts':
        """The column of some strings."""
        return cls.of_bytes([string.encode() for string in strings])

    @classmethod
    def of_bytes(cls, encoded: Sequence[bytes]) -> 'Texts':
        """The column of some strings in UTF-8."""
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(offsets, np.frombuffer(b''.join(encoded), np.uint8))

    def __getitem__(self, row: int) -> str:
        start, end = self.offsets[row], self.offsets[row + 1]
        return self.data[start:end].tobytes().decode()


class Table:
    """Named columns, in memory or mapped from a file.

    Attributes:
        columns: arrays of numbers by name; rows first.
        meta: what else the maker noted, of JSON's types.
    """

    def __init__(
        self, columns: Mapping[str, np.ndarray | Texts], meta: Mapping[str, Any]
    ) -> None:
        self.columns = {
            name: value
            for name, value in columns.items()
            if not isinstance(value, Texts)
        }
        self._texts = {
            name: value for name, value in columns.items() if isinstance(value, Texts)
        }
        self.meta = dict(meta)

    def text(self, name: str, row: int) -> str:
        """One string of a column of strings."""
        return self._texts[name][int(row)]

    def all_columns(self) -> dict[str, np.ndarray | Texts]:
        """Numbers and strings, as :func:`write_index` takes them."""
        return {**self.columns, **self._texts}


class IndexFile(Table):
    """A :class:`Table` of a file; see :func:`open_index`.

    Copies and pickles are the path: another process maps the same file, so that all
    of them share its pages.

    Attributes:
        path: of the file.
        sources: the files that it was made of.
    """

    def __init__(self, path: Path, header: dict, columns: dict) -> None:
        super().__init__(columns, header['meta'])
        self.path, self._header = path, header
        self.sources = [
            Path(os.path.normpath(path.parent / source['path']))
            for source in header['sources']
        ]

    def __reduce__(self) -> tuple:
        return open_index, (self.path, self._header['schema'], self._header['version'])

    def __deepcopy__(self, memo: dict) -> 'IndexFile':
        return self  # nothing in it changes

    def stale(self) -> list[str]:
        """Paths of the sources that are no longer what the index was made of.

        A file of the same size and another time, as a copy is, is told by its content.

        A source that is gone is none of them: the annotations may be deleted once
        they are indexed [decided].
        """
        changed = []
        for path, source in zip(self.sources, self._header['sources']):
            if not path.exists():
                continue
            found = path.stat()
            if found.st_size == source['size']:
                if found.st_mtime_ns == source['mtime_ns']:
                    continue
                if content_hash(path) == source.get(
                    'sha256'
                ):  # a copy has its own time
                    continue
            changed.append(str(path))
        return changed


def write_index(
    path: str | Path,
    schema: str,
    version: int,
    columns: Mapping[str, np.ndarray | Texts],
    meta: Mapping[str, Any],
    sources: Sequence,
) -> None:
    """Write an index; a killed run leaves nothing that :func:`open_index` takes.

    Args:
        path: of the index.
        schema: which kind of index it is; its tool is ``prepare_{schema}.py``.
        version: of that kind; raise it when the meaning of a column changes.
        columns: arrays of numbers, or :class:`Texts`.
        meta: of JSON's types.
        sources: the files that the columns were read from.
    """
    path = Path(path)
    remove_partial_files(path.parent, path.name)
    arrays = _arrays(columns)
    header = dict(
        schema=schema,
        version=version,
        meta=dict(meta),
        sources=[_describe(source, path) for source in sources],
    )
    with whole_file(path, durable=True) as partial, open(partial, 'wb') as file:
        _write(file, header, arrays)


def open_index(path: str | Path, schema: str, version: int) -> IndexFile:
    """Map an index.

    Args:
        path: of the index.
        schema, version: what it has to be.
    Raises:
        ValueError: it is missing, not whole, or of another kind or version.
    """
    path = Path(path)
    again = f'run tools/dataset_converters/prepare_{schema}.py again'
    if not path.is_file():
        raise UserError(f'{path}: no such index; {again}, or set index=None')
    header, columns = _map(path, again)
    if (header['schema'], header['version']) != (schema, version):
        raise UserError(
            f'{path}: is index {header["schema"]!r} version {header["version"]}, '
            f'expected {schema!r} version {version}; {again}'
        )
    return IndexFile(path, header, columns)


def _map(path: Path, again: str) -> tuple[dict, dict]:
    """Header and columns of a file; ``again`` is the remedy in errors."""
    raw = np.memmap(path, np.uint8, 'r') if path.stat().st_size else np.empty(0, 'u1')
    raw = np.asarray(raw)  # slices of a memmap object are slow to make
    start = len(MAGIC) + LENGTH
    head = raw[:start].tobytes()
    if not head.startswith(MAGIC) or not head[len(MAGIC) :].strip().isdigit():
        raise UserError(f'{path}: not an index of mmhand_dne; {again}')
    end = start + int(head[len(MAGIC) :])
    try:
        header = json.loads(raw[start:end].tobytes())
        if header['size'] != raw.size:
            raise UserError(
                f'has {raw.size} bytes, expected {header["size"]}: it was cut off'
            )
        return header, _columns(raw, header['columns'])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{path}: damaged index ({error}); {again}') from error


def _columns(raw: np.ndarray, entries: dict) -> dict:
    arrays = {}
    for name, entry in entries.items():
        dtype = np.dtype(entry['dtype'])
        if dtype.kind not in KINDS:
            raise UserError(f'column {name} holds {dtype}, expected plain numbers')
        size = dtype.itemsize * int(np.prod(entry['shape'], dtype=np.int64))
        part = raw[entry['offset'] : entry['offset'] + size]
        arrays[name] = part.view(dtype).reshape(entry['shape'])
    columns = {name: array for name, array in arrays.items() if '/' not in name}
    for name in arrays:
        if name.endswith('/offsets'):
            stem = name[: -len('/offsets')]
            columns[stem] = Texts(arrays[name], arrays[f'{stem}/bytes'])
    return columns


def _arrays(columns: Mapping[str, np.ndarray | Texts]) -> dict[str, np.ndarray]:
    """The inverse of :func:`_columns`: plain numbers only."""
    arrays = {}
    for name, column in columns.items():
        if isinstance(column, Texts):
            arrays[f'{name}/offsets'] = column.offsets
            arrays[f'{name}/bytes'] = column.data
        else:
            arrays[name] = column
    return {name: _plain(name, array) for name, array in arrays.items()}


def _plain(name: str, array: np.ndarray) -> np.ndarray:
    array = np.ascontiguousarray(array)
    if array.dtype.kind not in KINDS:
        raise UserError(
            f'column {name} holds {array.dtype}, expected numbers; pass strings as '
            'Texts.of(...)'
        )
    return array.astype(array.dtype.newbyteorder('<'), copy=False)


def _describe(source: str | Path, index: Path) -> dict:
    found = os.stat(source)
    path = os.path.relpath(os.path.abspath(source), os.path.abspath(index.parent))
    return dict(
        path=path,
        size=found.st_size,
        mtime_ns=found.st_mtime_ns,
        sha256=content_hash(source),
    )


def _write(file: BinaryIO, header: dict, arrays: dict[str, np.ndarray]) -> None:
    """Header and columns; offsets depend on the header's length, so it is padded."""
    entries = {
        name: dict(dtype=array.dtype.str, shape=list(array.shape), offset=0)
        for name, array in arrays.items()
    }
    draft = json.dumps(dict(header, columns=entries, size=0))
    # Room for the digits of all offsets and of the size.
    room = len(draft.encode()) + LENGTH * (len(arrays) + 1)
    position = start = _aligned(len(MAGIC) + LENGTH + room)
    for name, array in arrays.items():
        entries[name]['offset'] = position
        position = _aligned(position + array.nbytes)
    text = json.dumps(dict(header, columns=entries, size=position)).encode()
    length = start - len(MAGIC) - LENGTH
    file.write(MAGIC + f'{length:{LENGTH - 1}d}\n'.encode() + text.ljust(length))
    for array in arrays.values():
        file.write(array.reshape(-1).view(np.uint8).data if array.size else b'')
        file.write(bytes(_aligned(array.nbytes) - array.nbytes))


def _aligned(position: int) -> int:
    return -(-position // ALIGNMENT) * ALIGNMENT
