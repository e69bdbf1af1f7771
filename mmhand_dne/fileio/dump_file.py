"""A file of predictions that numpy alone reads: one array per field, a row per image.

``predictions.npz`` holds, without compression or pickle,

- ``header``: JSON text with ``format``, ``version``, ``images`` and ``fields``;
- ``order``: (N, 2) int64, index in the data set and digest of path and id; rows are
  sorted by it;
- ``pred/<field>``: (N, ...) of ``pred_instances``;
- ``gt/<field>``, ``annotation/<field>``: of ``gt_instance_labels`` and
  ``gt_instances``, where they were kept;
- ``meta/<key>``: numbers (N, ...) or UTF-8 text (N) of numpy's type S.

Example:
    >>> data = np.load('predictions.npz', allow_pickle=False)
    >>> data['pred/hand_vertices'].shape, data['meta/img_path'][0].decode()
    ((3960, 2, 778, 3), 'data/freihand_v2/evaluation/rgb/00000000.jpg')
"""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import whole_file, write_whole

FORMAT, VERSION = 'mmhand_dne predictions', 2
CHUNK = 256  # images in memory at a time
SPEC = 'fields.json'
LOCAL_SIZES = range(
    26, 30
)  # bytes of a ZIP member's header: lengths of what follows it
TEXT = 'surrogateescape'  # names of files need not be UTF-8


class RowFiles:
    """Rows of arrays and texts, appended to one file per field in a folder.

    Args:
        folder: is made; files of a former run in it are overwritten.
    """

    def __init__(self, folder: Path):
        self.folder, self.count = Path(folder), 0
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / SPEC).unlink(missing_ok=True)
        self.spec: dict[str, list] = {}
        self.files: list = []

    def add(self, row: Mapping[str, np.ndarray | str], name: str) -> None:
        """Append a row.

        Args:
            row: fields, the same ones with the same shapes and types in every row.
            name: of the row, for errors.

        Raises:
            ValueError: the row's fields differ from the first row's.
        """
        # Sorted: the order of a sample's fields differs from process to process.
        spec = {key: _kind(key, row[key]) for key in sorted(row)}
        if not self.count:
            self.spec = spec
            self.files = [
                open(self.folder / f'{i}.bin', 'wb') for i in range(len(spec))
            ]
        if spec != self.spec:
            _refuse_difference(spec, self.spec, name)
        for file, value in zip(self.files, (row[key] for key in self.spec)):
            text = isinstance(value, str)
            file.write(_line(value) if text else np.ascontiguousarray(value).tobytes())
        self.count += 1

    def close(self) -> None:
        """Finish the files; the list of fields, written last, says they are whole."""
        for file in self.files:
            file.close()
        text = json.dumps(dict(count=self.count, fields=self.spec))
        write_whole(self.folder / SPEC, text)


def merge_rows(folders: Sequence[Path], path: str | Path) -> int:
    """Sort the rows of several folders into one ``.npz``; repeated images once.

    Whole or not at all.

    Returns: the number of images.

    Raises:
        ValueError: a folder is not there or not whole, or their fields differ.
    """
    parts = [_read_spec(Path(folder)) for folder in folders]
    parts = [part for part in parts if part['count']]
    fields = parts[0]['fields']
    for part in parts:
        if part['fields'] != fields:
            _refuse_difference(part['fields'], fields, f'{part["folder"]}')
    orders = np.concatenate([_column(part, fields, 'order') for part in parts])
    _, kept = np.unique(orders, axis=0, return_index=True)
    header = dict(format=FORMAT, version=VERSION, images=len(kept), fields=fields)
    with whole_file(path, durable=True) as partial:
        with zipfile.ZipFile(partial, 'w', zipfile.ZIP_STORED) as archive:
            _write_member(archive, 'header', np.array(json.dumps(header).encode()))
            for key in fields:
                _write_column(archive, key, parts, fields, kept)
    return len(kept)


class DumpFile:
    """A written dump, read in chunks.

    Args:
        path: of the ``.npz``.

    Raises:
        ValueError: the file is missing, damaged, or no dump of this version.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f'{path}: no such file; write it with tools/test.py --dump')
        try:
            self.archive = zipfile.ZipFile(self.path)
            with self.archive.open('header.npy') as file:
                header = json.loads(np.lib.format.read_array(file).item())
            found = header['format'], header['version']
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
            raise UserError(
                f'{path}: no dump of predictions ({error}); write it with '
                'tools/test.py --dump FILE.npz'
            ) from error
        if found != (FORMAT, VERSION):
            raise UserError(
                f'{path}: is {found[0]!r} version {found[1]}, expected {FORMAT!r} '
                f'version {VERSION}; write it again with tools/test.py --dump'
            )
        self.fields, self.images = dict(header['fields']), int(header['images'])

    def chunks(self, keys: Sequence[str] | None = None) -> Iterator[dict]:
        """Dicts of some fields (by default all) of ``CHUNK`` images at a time.

        Raises:
            ValueError: the file is shorter than it says.
        """
        keys = list(self.fields if keys is None else keys)
        with ExitStack() as stack:
            opened = {key: self._open(stack, key) for key in keys}
            for start in range(0, self.images, CHUNK):
                count = min(CHUNK, self.images - start)
                yield {key: self._read(key, *opened[key], count) for key in keys}

    def column(self, key: str) -> np.ndarray:
        """One field of all images, (N, ...), mapped into memory and read as it is used.

        Raises:
            ValueError: there is no such field, or the file is shorter than it says.
        """
        with ExitStack() as stack:
            _, shape, dtype = self._open(stack, key)
        entry = self.archive.getinfo(f'{key}.npy')
        with open(self.path, 'rb') as file:
            # The name and the extra field of a stored member follow its local header.
            file.seek(entry.header_offset + LOCAL_SIZES.start)
            lengths = np.frombuffer(file.read(4), '<u2')
            file.seek(entry.header_offset + LOCAL_SIZES.stop + int(lengths.sum()))
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            start = file.tell()
        try:
            return np.memmap(self.path, dtype, 'r', start, (self.images, *shape))
        except ValueError:
            raise self._damaged(key) from None

    def _open(self, stack: ExitStack, key: str) -> tuple:
        try:
            file = stack.enter_context(self.archive.open(f'{key}.npy'))
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError):
            raise self._damaged(key) from None
        if dtype.hasobject or shape[:1] != (self.images,):
            raise UserError(
                f'{self.path}: {key} is {dtype} {shape}, expected numbers or text of '
                f'{self.images} images; write it again with tools/test.py --dump'
            )
        return file, shape[1:], dtype

    def _read(
        self, key: str, file: IO[bytes], shape: tuple, dtype: np.dtype, count: int
    ) -> np.ndarray:
        wanted = count * int(np.prod(shape, dtype=int)) * dtype.itemsize
        try:
            content = file.read(wanted)
        except (zipfile.BadZipFile, EOFError):
            content = b''
        if len(content) != wanted:
            raise self._damaged(key)
        return np.frombuffer(bytearray(content), dtype).reshape(count, *shape)

    def _damaged(self, key: str) -> ValueError:
        return ValueError(
            f'{self.path}: {key} is damaged or absent; write the file again with '
            'tools/test.py --dump'
        )


def _kind(key: str, value: np.ndarray | str) -> list:
    """Shape and type as in the list of fields."""
    if isinstance(value, str):
        return ['text']
    if value.dtype.kind not in 'biuf':
        raise UserError(
            f'cannot dump {key}, which is {value.dtype}; keep numbers and text only'
        )
    return [list(value.shape), value.dtype.str]


def _line(text: str) -> bytes:
    return json.dumps(text).encode() + b'\n'


def _refuse_difference(found: dict, wanted: dict, name: str) -> None:
    keys = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
    key = keys[0] if keys else 'order of fields'
    raise UserError(
        f'{name}: {key} is {found.get(key)}, of the first image {wanted.get(key)}; '
        'predict the same fields and shapes for every image, or name the fields to dump'
    )


def _read_spec(folder: Path) -> dict:
    path = folder / SPEC
    if not path.is_file():
        raise UserError(
            f'{folder}: the part of one process is not there or not whole; dump to a '
            'folder that all machines share'
        )
    return dict(json.loads(path.read_text()), folder=folder)


def _column(part: dict, fields: dict, key: str) -> np.ndarray:
    """All rows of a field: mapped from the disk, or text as type S."""
    path = part['folder'] / f'{list(fields).index(key)}.bin'
    if fields[key] == ['text']:
        lines = path.read_text().splitlines()
        return np.array([json.loads(line).encode(errors=TEXT) for line in lines])
    shape, dtype = fields[key]
    return np.memmap(path, dtype, 'r', shape=(part['count'], *shape))


def _write_member(archive: zipfile.ZipFile, key: str, array: np.ndarray) -> None:
    with archive.open(f'{key}.npy', 'w', force_zip64=True) as file:
        np.lib.format.write_array(file, array, (1, 0), allow_pickle=False)


def _write_column(
    archive: zipfile.ZipFile, key: str, parts: list, fields: dict, kept: np.ndarray
) -> None:
    """One field of the kept rows, numbered through all parts."""
    columns = [_column(part, fields, key) for part in parts]
    dtype = np.result_type(*columns) if fields[key] == ['text'] else columns[0].dtype
    first = np.cumsum([0, *(len(column) for column in columns)])
    header = dict(
        descr=dtype.str, fortran_order=False, shape=(len(kept), *columns[0].shape[1:])
    )
    with archive.open(f'{key}.npy', 'w', force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(kept), CHUNK):
            rows = kept[start : start + CHUNK]
            chunk = np.empty((len(rows), *columns[0].shape[1:]), dtype)
            for column, begin, end in zip(columns, first, first[1:]):
                own = (rows >= begin) & (rows < end)
                chunk[own] = column[rows[own] - begin]
            file.write(chunk.tobytes())
