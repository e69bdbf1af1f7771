"""The entries of ``InterHand2.6M_*_data.json`` as columns, read object by object."""

from array import array
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmhand_dne.conventions import HAND_TYPES
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.json_stream import stream_arrays

from .annotation_files import lookup, numbers
from .index_file import Texts
from .interhand_annotations import two_hands

HAND_TYPE_NUMBER = {name: number for number, name in enumerate(HAND_TYPES)}
IMAGE_KEYS = ('id', 'camera', 'capture', 'frame_idx', 'file_name')
ANNOTATION_KEYS = ('id', 'bbox', 'joint_valid', 'hand_type')
UNKNOWN = -1  # an image's width and height where the file does not tell
ZERO_ONE = frozenset((0, 1))


class Entries(NamedTuple):
    """The annotations of a file in its order, joined to their images by number."""

    columns: dict  # by row, see :func:`read_entries`
    cameras: list  # (capture, camera) strings, by the number in column ``camera``
    frames: list  # (capture, frame) strings, by the number in column ``frame``
    images: int  # in the file


class _Images:
    """Images in the file's order; a million of them in some hundred megabytes."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.numbers, self.sizes = array('q'), array('i')
        self.camera, self.frame = array('i'), array('i')
        self.names: list[bytes] = []
        self.cameras: dict[tuple, int] = {}
        self.frames: dict[tuple, int] = {}

    def add(self, image: dict) -> None:
        """Note an entry of the file's ``images``."""
        try:
            number, camera, capture, frame, name = [image[key] for key in IMAGE_KEYS]
        except (KeyError, TypeError):
            where = image.get('id', len(self.names)) if isinstance(image, dict) else '?'
            for key in IMAGE_KEYS:
                lookup(image, f'{self.path}, image {where}', key)
            raise
        capture, label = _text(capture), f'image {number}'
        self.numbers.append(_whole(number, self.path, 'the id of an image'))
        self.names.append(str(name).encode())
        for key in ('width', 'height'):
            size = image.get(key, UNKNOWN)
            self.sizes.append(_whole(size, self.path, f'{key} of {label}'))
        key = capture, _text(camera)
        self.camera.append(self.cameras.setdefault(key, len(self.cameras)))
        key = capture, _text(frame)
        self.frame.append(self.frames.setdefault(key, len(self.frames)))


class _Annotations:
    """Annotations in the file's order."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.numbers, self.images, self.boxes = array('q'), array('q'), array('d')
        self.shown, self.types, self.type_valid = bytearray(), array('b'), array('b')

    def add(self, annotation: dict) -> None:
        """Note an entry of the file's ``annotations``."""
        try:
            number, box, shown, kind = [annotation[key] for key in ANNOTATION_KEYS]
        except (KeyError, TypeError):
            where = annotation.get('id') if isinstance(annotation, dict) else annotation
            for key in ANNOTATION_KEYS:
                lookup(
                    annotation, f'{self.path}, annotation of annotation {where}', key
                )
            raise
        label = f'annotation {number}'
        if not isinstance(kind, str) or kind not in HAND_TYPE_NUMBER:
            raise UserError(
                f'{self.path}: {label} has hand_type {kind!r}, expected one of '
                f'{sorted(HAND_TYPES)}; correct the file'
            )
        self.numbers.append(_whole(number, self.path, 'the id of an annotation'))
        image = annotation.get('image_id')
        self.images.append(_whole(image, self.path, f'image_id of {label}'))
        self.boxes.extend(numbers(box, (4,), self.path, f'bbox of {label}'))
        self.shown.extend(self._shown(shown, label))
        self.types.append(HAND_TYPE_NUMBER[kind])
        valid = annotation.get('hand_type_valid', 1)
        self.type_valid.append(
            _whole(valid, self.path, f'hand_type_valid of {label}') > 0
        )

    def _shown(self, values: Any, label: str) -> bytes:
        """42 x 1 numbers as 42 bytes, 0 or 1."""
        try:
            flat = [value[0] for value in values]
            if len(flat) == 42 and ZERO_ONE.issuperset(flat):
                return bytes(map(int, flat))
        except (TypeError, IndexError):
            pass
        try:
            flat = np.ravel(values)
        except ValueError:  # lists of different lengths
            flat = values
        valid = numbers(flat, (42,), self.path, f'joint_valid of {label}')
        return (valid > 0).tobytes()


def read_entries(path: str | Path) -> Entries:
    """Read and join a data file.

    Columns of N rows: ``id`` and ``img_id`` int64; ``bbox`` (4,) x, y, w, h, pixels;
    ``joint_in_image`` (2, 21) bool, OpenPose order; ``hand_type`` uint8, see
    ``HAND_TYPES``; ``hand_type_valid`` uint8; ``size`` (2,) int32 width and height, -1
    where unknown; ``camera``, ``frame`` int32; ``file_name`` :class:`Texts`.

    Raises:
        ValueError: the file is missing, damaged, lacks a key or a number is not
            finite, or an annotation is of an image that is not listed.
    """
    images, annotations = _Images(path), _Annotations(path)
    add = dict(images=images.add, annotations=annotations.add)
    for name, item in stream_arrays(path, ('images', 'annotations')):
        add[name](item)
    rows = _join(annotations, images)
    shown = np.frombuffer(bytes(annotations.shown), bool).reshape(-1, 42)
    columns = dict(
        id=_array(annotations.numbers),
        img_id=_array(annotations.images),
        bbox=_array(annotations.boxes).reshape(-1, 4),
        joint_in_image=np.ascontiguousarray(two_hands(shown.T).transpose(2, 0, 1)),
        hand_type=_array(annotations.types).astype(np.uint8),
        hand_type_valid=_array(annotations.type_valid).astype(np.uint8),
        size=_array(images.sizes).reshape(-1, 2)[rows].astype(np.int32),
        camera=_array(images.camera)[rows].astype(np.int32),
        frame=_array(images.frame)[rows].astype(np.int32),
        file_name=Texts.of_bytes([images.names[row] for row in rows]),
    )
    return Entries(
        columns, list(images.cameras), list(images.frames), len(images.names)
    )


def _join(annotations: _Annotations, images: _Images) -> np.ndarray:
    """The row of each annotation's image; ids have gaps and come in any order."""
    known, wanted = _array(images.numbers), _array(annotations.images)
    order = np.argsort(known, kind='stable')
    # The last of several images of one number, as a dict would keep it.
    position = np.searchsorted(known[order], wanted, side='right') - 1
    found = np.zeros(len(wanted), bool)
    if len(known):
        found = known[order][position.clip(0)] == wanted
    if not found.all():
        row = int(np.argmin(found))
        raise UserError(
            f'{annotations.path}: annotation {annotations.numbers[row]} is of image '
            f'{wanted[row]}, which the file does not list; download it again'
        )
    return order[position]


def _array(values: array) -> np.ndarray:
    return np.array(values)


def _whole(value: Any, path: str | Path, name: str) -> int:
    """A whole number; 7.0 is one."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise UserError(
        f'{path}: {name} is {value!r}, expected a whole number; correct the file or '
        'download it again'
    )


def _text(value: Any) -> str:
    """A key of the other files: 7, 7.0 and '7' are the same."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)
