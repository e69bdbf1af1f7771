"""Results as JSON, and back.

Schema ``mmhand_dne/result``, version 1. The root is an object::

    {"schema": "mmhand_dne/result", "version": 1,
     "source": str, "index": int, "size": [W, H], "problem": str,
     "track_ids": [int, ...], "hands": [HAND, ...]}

and a HAND has the fields of :class:`HandResult` by their names, arrays as nested
lists, ``mano`` as an object of four arrays. What a model does not give is absent, a
number that is not finite is ``null``. Numbers have nine digits, so that float32 comes
back unchanged. Auxiliary maps are not in it (see NPZ). A reader of version 1 must
ignore fields that it does not know; a change of a known field's meaning raises the
version.
"""

import json
import re
from collections.abc import Collection
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_result import HandResult, ImageResult, ManoParameters

SCHEMA, VERSION = 'mmhand_dne/result', 1
INTEGERS = ('faces',)
NOT_FINITE = re.compile('-?(nan|inf)')


def json_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One file, for images without hands too."""
    return [('.json', as_text(result).encode('utf-8'))]


def as_text(
    result: ImageResult, without: Collection[str] = (), **fields: str | float
) -> str:
    """A result as JSON.

    Args:
        without: fields of hands that are left out.
        fields: of the root, beside its own or in place of them.
    """
    root = dict(
        schema=SCHEMA,
        version=VERSION,
        source=result.source,
        index=result.index,
        size=list(result.size),
        problem=result.problem,
        track_ids=list(result.track_ids),
        hands=[_plain_record(hand, without) for hand in result.hands],
    )
    return _text({**root, **fields})


def read_json(path: str | Path) -> ImageResult:
    """The typed result that a JSON file was written from, maps aside.

    Raises:
        ValueError: the file is not JSON, of another schema or of a later version, or a
            field is missing or misshapen.
    """
    try:
        found = json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as error:
        raise UserError(f'{path}: is not JSON ({error}); write it again') from error
    schema = found.get('schema') if isinstance(found, dict) else None
    if schema != SCHEMA or found.get('version') != VERSION:
        version = found.get('version') if schema else None
        raise UserError(
            f'{path}: holds schema {schema!r}, version {version!r}; '
            f'expected {SCHEMA!r}, version {VERSION}'
        )
    try:
        hands = tuple(_hand(entry) for entry in found['hands'])
        return ImageResult(
            found['source'],
            found['index'],
            tuple(found['size']),
            hands,
            found['problem'],
            track_ids=tuple(found['track_ids']),
        )
    except KeyError as error:
        raise UserError(
            f'{path}: the field {error} is missing; write the file again'
        ) from error


def _plain_record(
    record: HandResult | ManoParameters, without: Collection[str] = ()
) -> dict[str, Any]:
    plain = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if value is None or field.name in without:
            continue
        if isinstance(value, ManoParameters):
            value = _plain_record(value)
        plain[field.name] = value
    return plain


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return _array_text(value)
    if isinstance(value, dict):
        members = (f'{json.dumps(key)}: {_text(one)}' for key, one in value.items())
        return f'{{{", ".join(members)}}}'
    if isinstance(value, list):
        return f'[{", ".join(map(_text, value))}]'
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    # A file's name may hold bytes that are no UTF-8: JSON has escapes for them.
    return text.encode(errors='backslashreplace').decode()


def _array_text(array: np.ndarray) -> str:
    """Nested lists of numbers, all written at once: nine digits, ``null`` where one is
    not finite.
    """
    if array.dtype.kind != 'f':
        whole = np.ascontiguousarray(array, np.int64)
        return _integers_text(whole.tobytes(), whole.shape)
    text = _form('%#.9g', array.shape) % tuple(array.ravel().tolist())
    return text if np.isfinite(array).all() else NOT_FINITE.sub('null', text)


@lru_cache(maxsize=8)
def _integers_text(content: bytes, shape: tuple[int, ...]) -> str:
    """Nested lists of int64 given as bytes: faces, which every hand has again."""
    return _form('%d', shape) % tuple(np.frombuffer(content, np.int64).tolist())


@lru_cache(maxsize=64)
def _form(form: str, shape: tuple[int, ...]) -> str:
    """How nested lists of a shape are written, of how a number is."""
    for length in shape[::-1]:
        form = f'[{", ".join([form] * length)}]'
    return form


def _hand(entry: dict) -> HandResult:
    values = {}
    for field in fields(HandResult):
        if field.name not in entry:
            if field.default is not None:
                raise KeyError(field.name)
            continue
        value = entry[field.name]
        if field.name == 'mano':
            value = ManoParameters(
                **{
                    part.name: _array(value[part.name])
                    for part in fields(ManoParameters)
                }
            )
        elif isinstance(value, list):
            value = _array(value, np.int64 if field.name in INTEGERS else np.float32)
        values[field.name] = value
    return HandResult(**values)


def _array(value: list, dtype: type = np.float32) -> np.ndarray:
    return np.array(value, dtype=object).astype(dtype)
