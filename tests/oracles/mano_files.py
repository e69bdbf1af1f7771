"""Writes MANO files like the official ones: by Python 2, with chumpy and scipy within.

Python 3 cannot write the byte strings of Python 2, so a pickler of the standard library
is taught their opcode; chumpy is a module of a few lines that exists while it is used.
"""

import contextlib
import pickle
import struct
import types

import numpy as np
import scipy.sparse

from .fake_modules import installed


class _Python2Pickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def _save_bytes(self, data):
        self.write(b'T' + struct.pack('<i', len(data)) + data)

    def _save_text(self, text):
        self._save_bytes(text.encode('latin1'))

    dispatch[bytes] = _save_bytes
    dispatch[str] = _save_text


@contextlib.contextmanager
def chumpy_installed():
    """``chumpy.ch.Ch`` and ``chumpy.reordering.Select``, as much as pickling needs."""
    chumpy, ch, reordering = (
        types.ModuleType(name) for name in ('chumpy', 'chumpy.ch', 'chumpy.reordering')
    )

    class Ch:
        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.x, dtype)

        @property
        def shape(self):
            return np.asarray(self).shape

        def __getitem__(self, key):
            return np.asarray(self)[key]

    class Select(Ch):
        def __array__(self, dtype=None, copy=None):
            chosen = np.asarray(self.a, dtype).ravel()[self.idxs]
            return chosen.reshape(self.preferred_shape)

    Ch.__module__, Ch.__qualname__ = 'chumpy.ch', 'Ch'
    Select.__module__, Select.__qualname__ = 'chumpy.reordering', 'Select'
    ch.Ch, reordering.Select = Ch, Select
    chumpy.ch, chumpy.reordering = ch, reordering
    names = {module.__name__: module for module in (chumpy, ch, reordering)}
    with installed(names):
        yield chumpy


def write_official(path, arrays, select=False):
    """The official layout: float64, uint32, column-major, csc matrix, chumpy object.

    Args:
        select: the shape directions are a ``Select`` of a larger object, not a ``Ch``.
    """
    with chumpy_installed() as chumpy:
        shapes = chumpy.ch.Ch()
        shapes.x = arrays['shapedirs'].astype(np.float64)
        shapes._dirty_vars = {'x'}
        if select:
            kept = shapes
            kept.x = np.concatenate([kept.x, kept.x + 7.0], axis=2)
            shapes = chumpy.reordering.Select()
            shapes.a = kept
            columns = np.arange(kept.x.size).reshape(kept.x.shape)
            shapes.idxs = columns[:, :, : kept.x.shape[2] // 2].ravel()
            shapes.preferred_shape = (*kept.x.shape[:2], kept.x.shape[2] // 2)
        tree = arrays['kintree_table'].astype(np.int64) % 2**32
        content = {
            'v_template': arrays['v_template'].astype(np.float64),
            'f': arrays['f'].astype(np.uint32),
            'shapedirs': shapes,
            'posedirs': np.asfortranarray(arrays['posedirs'].astype(np.float64)),
            'J_regressor': scipy.sparse.csc_matrix(
                arrays['J_regressor'].astype(np.float64)
            ),
            'weights': arrays['weights'].astype(np.float64),
            'kintree_table': tree.astype(np.uint32),
            'hands_components': arrays['hands_components'].astype(np.float64),
            'hands_mean': arrays['hands_mean'].astype(np.float64),
            'hands_coeffs': np.zeros((4, 45)),
            'bs_style': 'lbs',
            'bs_type': 'lrotmin',
        }
        with open(path, 'wb') as file:
            _Python2Pickler(file, protocol=2).dump(content)


def write_plain(path, arrays, protocol=5):
    """The same dictionary of numpy arrays, saved again by a user of Python 3."""
    with open(path, 'wb') as file:
        pickle.dump(dict(arrays), file, protocol=protocol)
