"""What poses the hands of an image, in some 300 numbers: a sample not posed yet.

A posed sample carries two meshes, thirty times as much. Parameters stay as the data set
has them, in its own axes and slots, whatever happens to the image: a rotation of the
crop and a mirror change ``axes`` alone (:func:`turned_axes`, :func:`mirrored_axes`).
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mmhand_dne.conventions import MIRROR_POINTS
from mmhand_dne.errors import UserError


class HandParameters(NamedTuple):
    """Of B images; S = 2 hands as the data set has them, right and left.

    The data set's axes are those of its MANO parameters, about the camera's centre.
    What is not known is zero and masked.

    Attributes:
        pose: (B, S, 16, 3) axis-angle, radians, absolute, MANO order.
        betas: (B, S, 10).
        translation: (B, S, 3) metres, MANO's origin from the camera.
        joints: (B, S, 21, 3) metres from the camera, as annotated, OpenPose order.
        mano_valid: (B, S) 0 or 1; such a hand has a mesh.
        joints_valid: (B, S, 21) 0 or 1.
        presence: (B, S) 0 or 1.
        presence_valid: (B, S) 0 or 1.
        axes: (B, 3, 3) from the data set's axes to the crop's camera axes; of a
            mirrored image its determinant is -1.
        intrinsics: (B, 3, 3) of the crop, pixels.
    """

    pose: Tensor
    betas: Tensor
    translation: Tensor
    joints: Tensor
    mano_valid: Tensor
    joints_valid: Tensor
    presence: Tensor
    presence_valid: Tensor
    axes: Tensor
    intrinsics: Tensor


SHAPES = HandParameters(
    pose=(2, 16, 3),
    betas=(2, 10),
    translation=(2, 3),
    joints=(2, 21, 3),
    mano_valid=(2,),
    joints_valid=(2, 21),
    presence=(2,),
    presence_valid=(2,),
    axes=(3, 3),
    intrinsics=(3, 3),
)
WIDTHS = tuple(prod(shape) for shape in SHAPES)
SIZE = sum(WIDTHS)
OF_CROP = WIDTHS[-2] + WIDTHS[-1]  # axes and intrinsics come last, once it is cut
MASKS = slice(sum(WIDTHS[:4]), SIZE - OF_CROP)  # of 0 and 1, side by side


def parameter_row(values: Mapping[str, np.ndarray], source: str) -> np.ndarray:
    """The fields of :class:`HandParameters` of one image, but those of its crop.

    Args:
        values: arrays without the leading dimension B, by name.
        source: what to name in an error, such as the image's path.
    Returns: (SIZE - OF_CROP,) float32.
    Raises:
        UserError: a field has another shape.
    """
    parts = []
    for name, shape in zip(HandParameters._fields[:-2], SHAPES):
        value = np.asarray(values[name])
        if value.shape != shape:
            raise UserError(
                f'{source}: {name!r} has shape {value.shape}, expected {shape}; '
                'correct the annotation of this image'
            )
        parts.append(value.ravel())
    return np.concatenate(parts, dtype=np.float32, casting='unsafe')


def without_hands(row: np.ndarray) -> np.ndarray:
    """A row of :func:`parameter_row` of an image that is known to show no hand.

    Returns: (SIZE - OF_CROP,) float32: presence 0 and valid, all else unknown.
    """
    empty = np.zeros_like(row)
    empty[MASKS.stop - WIDTHS[-3] : MASKS.stop] = 1  # presence_valid
    return empty


def complete_row(
    row: np.ndarray, axes: np.ndarray, intrinsics: np.ndarray, source: str
) -> np.ndarray:
    """A row of :func:`parameter_row` with ``axes`` and ``intrinsics``, checked.

    Returns: (SIZE,) float32.
    Raises:
        UserError: a number is not finite, or a mask is neither 0 nor 1.
    """
    row = np.concatenate(
        (row, axes.ravel(), intrinsics.ravel()), dtype=np.float32, casting='unsafe'
    )
    if not np.isfinite(row).all():
        raise UserError(
            f'{source}: {_first(~np.isfinite(row))!r} is not finite; correct the '
            'annotation of this image or leave the image out'
        )
    masks = row[MASKS]
    wrong = (masks != 0) & (masks != 1)
    if wrong.any():
        name = _first(np.pad(wrong, (MASKS.start, OF_CROP)))
        raise UserError(
            f'{source}: {name!r} holds {masks[wrong][0]}, expected 0 or 1; correct the '
            'annotation of this image'
        )
    return row


def _first(marked: np.ndarray) -> str:
    """The field of the first number that is marked."""
    ends = np.cumsum(WIDTHS)
    return HandParameters._fields[np.searchsorted(ends, marked.argmax(), 'right')]


def unpacked(rows: Tensor) -> HandParameters:
    """Rows (B, SIZE) of :func:`complete_row`, any device, by their names."""
    parts = rows.split(WIDTHS, dim=1)
    return HandParameters(
        *(part.view(len(rows), *shape) for part, shape in zip(parts, SHAPES))
    )


def as_bytes(row: np.ndarray) -> bytes:
    """A complete row as it travels to another process, its masks as bits."""
    bits = np.packbits(row[MASKS].astype(bool))
    return b''.join(
        part.tobytes() for part in (bits, row[: MASKS.start], row[MASKS.stop :])
    )


def from_bytes(contents: Sequence[bytes]) -> np.ndarray:
    """The rows that :func:`as_bytes` packed, (B, SIZE) float32."""
    count = MASKS.stop - MASKS.start
    start = -(-count // 8)
    packed = np.frombuffer(b''.join(contents), np.uint8).reshape(len(contents), -1)
    numbers = packed[:, start:].copy().view(np.float32)
    rows = np.empty((len(contents), SIZE), np.float32)
    rows[:, MASKS] = np.unpackbits(packed[:, :start], axis=1, count=count)
    rows[:, : MASKS.start] = numbers[:, : MASKS.start]
    rows[:, MASKS.stop :] = numbers[:, MASKS.start :]
    return rows


def turned_axes(axes: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """``axes`` (3, 3) after the crop's camera was rotated, X' = R X."""
    return rotation @ axes


def mirrored_axes(axes: np.ndarray) -> np.ndarray:
    """``axes`` (3, 3) after the image was mirrored, X' = (-x, y, z)."""
    return axes * MIRROR_POINTS[:, None]
