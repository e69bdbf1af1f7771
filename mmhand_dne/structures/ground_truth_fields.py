"""The one table of ground-truth fields: packing, unpacking and tests read it.

A sample's ``gt_instance_labels`` holds these fields as float32 tensors with a leading
dimension of 1, the image. S = 2 hand slots (right, left), J = 21 joints in OpenPose
order, V vertices. What is not known is zero (rotations: identity) and masked.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmhand_dne.errors import UserError

SIZES = {'S': 2, 'J': 21}  # V is the hand model's


class Field(NamedTuple):
    """A ground-truth field.

    Attributes:
        target: its name in :class:`HandTargets`.
        shape: dimensions of one image, in letters (see ``SIZES``) and numbers.
        unit: unit and frame.
        mask: the field that tells where it is true, None where it always is.
    """

    target: str
    shape: str
    unit: str
    mask: str | None = None


HAND_LABELS: dict[str, Field] = {
    'hand_vertices': Field(
        'vertices',
        'S V 3',
        'metres, camera axes, from the own wrist',
        'hand_vertices_valid',
    ),
    'hand_vertices_valid': Field('vertices_valid', 'S', '0 or 1'),
    'hand_joints': Field(
        'joints',
        'S J 3',
        'metres, camera axes, from the own wrist',
        'hand_joints_valid',
    ),
    'hand_joints_valid': Field('joints_valid', 'S J', '0 or 1'),
    'hand_joints_ndc': Field(
        'joints_ndc', 'S J 2', 'crop NDC, y down', 'hand_joints_ndc_valid'
    ),
    'hand_joints_ndc_valid': Field('joints_ndc_valid', 'S J', '0 or 1'),
    'hand_root_cam': Field(
        'root_cam', 'S 3', 'metres from the camera, the wrist', 'hand_root_valid'
    ),
    'hand_root_valid': Field('root_valid', 'S', '0 or 1'),
    'mano_rotations': Field(
        'rotations', 'S 16 3 3', 'absolute, MANO order, global first', 'mano_valid'
    ),
    'mano_betas': Field('betas', 'S 10', 'MANO shape', 'mano_valid'),
    'mano_valid': Field('mano_valid', 'S', '0 or 1'),
    'hand_presence': Field('presence', 'S', '0 or 1', 'hand_presence_valid'),
    'hand_presence_valid': Field('presence_valid', 'S', '0 or 1'),
    'crop_intrinsics': Field('intrinsics', '3 3', 'pixels of the crop, full matrix'),
}


def check_labels(labels: Mapping[str, np.ndarray], source: str) -> None:
    """Compare one image's fields with the table.

    Args:
        labels: arrays without the leading dimension of 1.
        source: what to name in an error, such as the image's path.
    Raises:
        ValueError: a field is absent, has another shape, is not finite, or a mask is
            neither 0 nor 1.
    """
    sizes = dict(SIZES)
    for name, field in HAND_LABELS.items():
        if name not in labels:
            raise UserError(
                f'{source}: the sample has no {name!r} ({field.shape}, {field.unit}); '
                'let the data set or a transform provide it'
            )
        value = np.asarray(labels[name])
        _check_shape(name, field, value.shape, sizes, source)
        if not np.isfinite(value).all():
            raise UserError(
                f'{source}: {name!r} is not finite; correct the annotation of this '
                'image or leave the image out'
            )
        if field.unit == '0 or 1' and not ((value == 0) | (value == 1)).all():
            raise UserError(
                f'{source}: {name!r} holds {value.max()}, expected 0 or 1; '
                'correct the annotation of this image'
            )


def _check_shape(
    name: str, field: Field, found: tuple, sizes: dict, source: str
) -> None:
    letters = field.shape.split()
    expected = [int(x) if x.isdigit() else sizes.get(x) for x in letters]
    if len(found) == len(letters):
        # A letter without a size takes the first one seen.
        expected = [size or have for size, have in zip(expected, found)]
        sizes.update((x, size) for x, size in zip(letters, expected) if not x.isdigit())
    if list(found) != expected:
        raise UserError(
            f'{source}: {name!r} has shape {tuple(found)}, expected '
            f'({", ".join(letters)}); correct what provides it'
        )


class HandLabels(InstanceData):
    """``InstanceData`` whose tensors travel between processes as plain bytes.

    torch sends each tensor of a worker through a shared-memory file of its own: 14
    small labels per image are hundreds of open files per batch, above the usual limit
    of 1024 with a few workers. As bytes they go through the pipe at once.
    """

    def __reduce__(self) -> tuple:
        fields = {name: _to_plain(value) for name, value in self.items()}
        return _rebuild, (fields, dict(self.metainfo_items()))


def _to_plain(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    plain = value.device.type == 'cpu' and not value.requires_grad
    return value.numpy() if plain else value


def _rebuild(fields: dict, metainfo: dict) -> HandLabels:
    labels = HandLabels(metainfo=metainfo)
    for name, value in fields.items():
        is_tensor = isinstance(value, Tensor)
        labels.set_field(value if is_tensor else torch.from_numpy(value), name)
    return labels
