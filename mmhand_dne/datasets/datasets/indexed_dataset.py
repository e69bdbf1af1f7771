"""Data sets whose entries are rows of columns, not Python objects."""

import copy
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.dataset.base_dataset import force_full_init
from mmengine.logging import print_log

from mmhand_dne.datasets.readers.index_file import IndexFile, Table, open_index
from mmhand_dne.errors import UserError
from mmhand_dne.randomness.pipeline import SampleKey, seeded_by

BESIDE = 'beside'  # the annotations, where prepare_*.py writes an index


class IndexedDataset(BaseDataset):
    """MMEngine's data set over a :class:`Table` in place of a list of dicts.

    MMEngine builds a dict per image and pickles each of them. Here a subclass loads a
    table (of an index file, or read into memory) and says which rows it uses; what
    exists per image is the table's columns, which processes share, and one number.

    A subclass implements :meth:`load_table`, :meth:`select_rows` and :meth:`read_row`.

    Attributes:
        table: the columns.
        rows: (N,) int64, the rows used, in order.
    """

    table: Table
    rows: np.ndarray

    @abstractmethod
    def load_table(self) -> Table:
        """The columns, of the index or of the annotation files."""

    def select_rows(self) -> np.ndarray:
        """(N,) int, which rows of ``self.table`` are used; by default all of ``id``."""
        return np.arange(len(self.table.columns['id']))

    @abstractmethod
    def read_row(self, row: int) -> dict:
        """One image with its ground truth, before any transform."""

    def full_init(self) -> None:
        """Load the table and select rows, then those of ``indices``."""
        if self._fully_initialized:
            return
        self.table = self.load_table()
        self.rows = np.asarray(self.select_rows(), np.int64)
        if self._indices is not None:
            self.rows = _part(self.rows, self._indices)
        self._fully_initialized = True

    @force_full_init
    def __len__(self) -> int:
        return len(self.rows)

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """One image with its ground truth, before any transform; fresh arrays."""
        info = self.read_row(int(self.rows[int(idx)]))
        info['sample_idx'] = int(idx) % len(self.rows)
        return info

    @force_full_init
    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Keep some entries: the first n, the last n of -n, or those listed."""
        self.rows = _part(self.rows, indices)

    @force_full_init
    def get_subset(self, indices: Sequence[int] | int) -> 'IndexedDataset':
        """A data set of some entries (see :meth:`get_subset_`) on the same columns."""
        part = self._copy_without_annotation()
        part.table, part.rows = self.table, _part(self.rows, indices)
        return part

    def _copy_without_annotation(self, memo: dict | None = None) -> 'IndexedDataset':
        memo = {} if memo is None else memo
        # A column is never written to; copying 1.36 million rows is for nothing.
        memo[id(self.table)] = self.table
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        for key, value in self.__dict__.items():
            setattr(other, key, copy.deepcopy(value, memo))
        return other

    def get_cat_ids(self, idx: int) -> list[int]:
        """``ClassBalancedDataset`` asks for classes, of which there are none.

        Raises: UserError.
        """
        raise UserError(
            f'{type(self).__name__} has no classes for ClassBalancedDataset to '
            'balance; use MixedHandDataset, whose shares say how often a set is drawn'
        )

    def prepare_data(self, idx: int) -> dict:
        """Run the pipeline, seeded by the key if the index carries one."""
        if isinstance(idx, SampleKey):
            with seeded_by(idx):
                return self.pipeline(self.pipeline_entry(idx))
        return self.pipeline(self.pipeline_entry(idx))

    def pipeline_entry(self, idx: int) -> dict:
        """What the pipeline starts from, fresh arrays."""
        return self.get_data_info(idx)

    @force_full_init
    def __getitem__(self, idx: int) -> dict:
        """The packed sample; nothing is skipped or replaced by another."""
        return self.prepare_data(idx)


def find_index(
    index: str | None, default: str | Path, schema: str, version: int, files: Iterable
) -> IndexFile | None:
    """The index that a data set is to use; None to read its annotation files.

    Args:
        index: 'beside' for ``default`` where it exists, the path of an index or of the
            folder that the tool was given as ``--index``, or None.
        default: where the schema's prepare tool writes it.
        schema, version: see :func:`open_index`.
        files: the annotation files that the data set was told to read.
    Raises:
        ValueError: the index is not there, not whole, of another version, of other
            files, or one of its sources has changed.
    """
    tool = f'tools/dataset_converters/prepare_{schema}.py'
    if index is None:
        return None
    if index != BESIDE and Path(index).is_dir():
        index = Path(index) / Path(default).name
    if index == BESIDE:
        if not Path(default).exists():
            print_log(
                f'{default}: not there, so that all annotations are read and kept in '
                f'memory; {tool} writes it once, and opening takes seconds',
                'current',
            )
            return None
        index = default
    found = open_index(index, schema, version)
    _check_sources(found, index, tool, files)
    return found


def _check_sources(
    found: IndexFile, index: str | Path, tool: str, files: Iterable
) -> None:
    """Refuse an index of other files, or of files that have changed since."""
    changed = found.stale()
    if changed:
        raise UserError(
            f'{index}: {changed[0]} has changed since the index was made of it; run '
            f'{tool} again, or set index=None to read the annotation files'
        )
    known = {path.resolve() for path in found.sources}
    for path in map(Path, files):
        if path.resolve() not in known:
            raise UserError(
                f'{index}: was not made of {path}, which the data set is to read; run '
                f'{tool} on this file, or set index=None to read it directly'
            )


def _part(rows: np.ndarray, indices: Sequence[int] | int) -> np.ndarray:
    """The first n rows, the last n of -n, or those listed."""
    if np.asarray(indices).size and np.asarray(indices).dtype.kind not in 'iu':
        raise UserError(
            f'indices={indices!r} of a data set is no whole number; give how many '
            'entries to keep (subset_step keeps every n-th), or a list of them'
        )
    if isinstance(indices, (int, np.integer)):
        return rows[:indices] if indices >= 0 else rows[indices:]
    return rows[np.asarray(indices, np.int64)]
