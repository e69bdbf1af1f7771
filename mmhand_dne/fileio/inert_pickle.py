"""Unpickling into inert records: no name that the file asks for is ever imported.

Arrays, sparse matrices and chumpy objects become records of their state, which
:func:`to_array` turns into arrays afterwards. Even numpy's own unpickling functions
stay out: they trust the state that they are given.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mmhand_dne.errors import UserError

PLAIN_TYPES = 'fiub'  # kinds of numpy types that hold numbers only
MAX_ENTRIES = 10**8  # of a sparse matrix; MANO's has 16 x 778


class Record:
    """What the file says about one object: constructor arguments and state."""

    def __init__(self, *args: Any) -> None:
        self.args = args
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class TypeRecord(Record):
    """numpy.dtype."""


class ArrayRecord(Record):
    """numpy.ndarray."""


class BufferRecord(Record):
    """An array of pickle protocol 5."""


class ScalarRecord(Record):
    """A numpy scalar."""


class SparseRecord(Record):
    """scipy.sparse csc_matrix or csr_matrix."""

    by_column = True


class SparseRowsRecord(SparseRecord):
    """A compressed matrix of scipy stored by rows."""

    by_column = False


class ChumpyRecord(Record):
    """Any chumpy object."""


class SelectRecord(ChumpyRecord):
    """chumpy.reordering.Select: some entries of another chumpy object."""


def _new_array(*_: Any) -> ArrayRecord:
    return ArrayRecord()


def _new_object(kind: type, *_: Any) -> Record:
    if not (isinstance(kind, type) and issubclass(kind, Record)):
        raise UserError('an object of a foreign class')
    return kind()


def _encode(text: str, encoding: str = 'latin1') -> bytes:
    return text.encode('latin1')


Names = dict[tuple[str, str], Callable]


def _array_names() -> Names:
    names: Names = {
        ('numpy', 'dtype'): TypeRecord,
        ('numpy', 'ndarray'): ArrayRecord,
        ('_codecs', 'encode'): _encode,
    }
    for core in ('numpy.core', 'numpy._core'):
        names[f'{core}.multiarray', '_reconstruct'] = _new_array
        names[f'{core}.multiarray', 'scalar'] = ScalarRecord
        names[f'{core}.numeric', '_frombuffer'] = BufferRecord
    return names


def _known_names() -> Names:
    names: Names = {
        **ARRAY_NAMES,
        ('copy_reg', '_reconstructor'): _new_object,
        ('copyreg', '_reconstructor'): _new_object,
        ('chumpy.reordering', 'Select'): SelectRecord,
    }
    for builtins in ('__builtin__', 'builtins'):
        names[builtins, 'set'] = set
        names[builtins, 'object'] = Record
    for kind, record in (('csc', SparseRecord), ('csr', SparseRowsRecord)):
        for module in (kind, f'_{kind}'):
            names[f'scipy.sparse.{module}', f'{kind}_matrix'] = record
    return names


ARRAY_NAMES = _array_names()  # files of numpy arrays, text and numbers
KNOWN_NAMES = _known_names()  # MANO's files


class _Refused(ValueError):
    pass


class _InertUnpickler(pickle.Unpickler):
    names = KNOWN_NAMES

    def find_class(self, module: str, name: str) -> Callable:
        if (module, name) in self.names:
            return self.names[module, name]
        if module.split('.')[0] == 'chumpy' and self.names is KNOWN_NAMES:
            return ChumpyRecord
        raise _Refused(f'{module}.{name}')


def read_inert(
    path: str | Path, remedy: str, kind: str = 'MANO', arrays_only: bool = False
) -> Any:
    """The content of a pickle: plain containers, numbers, text and records.

    Args:
        path: the file, as written by Python 2 or 3.
        remedy: what the error sentences advise.
        kind: whose files these are, for errors.
        arrays_only: know numpy's names alone, not those of MANO's scipy and chumpy.
    Raises: ValueError when the file asks for a name that is not in KNOWN_NAMES or, with
        ``arrays_only``, in ARRAY_NAMES (nothing has been executed then), or is not a
        pickle.
    """
    try:
        with open(path, 'rb') as file:
            reader = _InertUnpickler(file, encoding='latin1')
            reader.names = ARRAY_NAMES if arrays_only else KNOWN_NAMES
            return reader.load()
    except _Refused as refused:
        raise UserError(
            f'{path}: asks to load {refused}, which no {kind} file needs; refused '
            f'without executing it; {remedy}'
        ) from None
    # A damaged pickle can end in nearly any exception of the virtual machine.
    except Exception as error:
        found = ' '.join(f'{type(error).__name__}: {error}'.split())
        raise UserError(
            f'{path}: is not a readable pickle ({found}); {remedy}'
        ) from error


def to_array(value: Any) -> np.ndarray:
    """The array that a record stands for; other values as numpy takes them.

    Raises: ValueError when the record holds no plain numeric array.
    """
    readers = {
        ArrayRecord: _array,
        BufferRecord: _buffer,
        ScalarRecord: _scalar,
        SparseRecord: _dense,
        SparseRowsRecord: _dense,
        ChumpyRecord: _chumpy,
        SelectRecord: _select,
    }
    if type(value) in readers:
        try:
            return readers[type(value)](value)
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise UserError(f'damaged {type(value).__name__}: {error}') from error
    return np.asarray(value)


def _plain_type(record: TypeRecord) -> np.dtype:
    code = np.dtype(record.args[0])
    if code.kind not in PLAIN_TYPES:
        raise UserError(f'type {code} does not hold numbers')
    order = record.state[1] if record.state else '='
    return code if order in '|=' else code.newbyteorder(order)


def _as_bytes(data: Any) -> bytes:
    if isinstance(data, str):  # a byte string of Python 2
        return data.encode('latin1')
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    raise UserError(f'data are a {type(data).__name__}, not bytes')


def _array(record: ArrayRecord) -> np.ndarray:
    _, shape, kind, by_column, data = record.state
    flat = np.frombuffer(_as_bytes(data), _plain_type(kind))
    return flat.reshape(shape, order='F' if by_column else 'C')


def _buffer(record: BufferRecord) -> np.ndarray:
    data, kind, shape, order = record.args
    flat = np.frombuffer(_as_bytes(data), _plain_type(kind))
    return flat.reshape(shape, order=order)


def _scalar(record: ScalarRecord) -> np.ndarray:
    kind, data = record.args
    return np.frombuffer(_as_bytes(data), _plain_type(kind))[0]


def _dense(record: SparseRecord) -> np.ndarray:
    state = record.state
    shape = state['_shape'] if '_shape' in state else state['shape']
    rows, columns = (int(to_array(size)) for size in shape)
    data, indices, starts = (
        to_array(state[name]) for name in ('data', 'indices', 'indptr')
    )
    lines, across = (columns, rows) if record.by_column else (rows, columns)
    counts = np.diff(starts.astype(np.int64))
    # Before anything is allocated by these numbers, which the file chose.
    plausible = 0 <= rows * columns <= MAX_ENTRIES and len(counts) == lines
    if not plausible or counts.min(initial=0) < 0 or counts.sum() != len(indices):
        raise UserError('damaged sparse matrix: its counts contradict each other')
    line = np.repeat(np.arange(lines), counts)
    if len(indices) and not 0 <= indices.min() <= indices.max() < across:
        raise UserError('damaged sparse matrix: an index is outside')
    dense = np.zeros((rows, columns), data.dtype)
    np.add.at(dense, (indices, line) if record.by_column else (line, indices), data)
    return dense


def _chumpy(record: ChumpyRecord) -> np.ndarray:
    if 'x' in record.state:
        return to_array(record.state['x'])
    raise UserError('a chumpy object without stored values')


def _select(record: SelectRecord) -> np.ndarray:
    values = to_array(record.state['a']).ravel()
    chosen = values[to_array(record.state['idxs'])]
    if 'preferred_shape' not in record.state:
        return chosen
    shape = record.state['preferred_shape']
    return chosen.reshape(tuple(int(to_array(size)) for size in shape))
