"""What metrics that keep one record per image share: reading, identity, order."""

import hashlib
import logging
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from torch import Tensor

from mmhand_dne.conventions import HAND_TYPES
from mmhand_dne.errors import UserError


def image_name(sample: dict) -> str:
    """The image as error sentences name it."""
    return str(sample.get('img_id', sample.get('img_path', '?')))


def image_identity(sample: dict, image: str) -> tuple[int, int]:
    """(dataset index, digest of image path and annotation id): order and identity."""
    if 'sample_idx' not in sample:
        raise UserError(f'image {image}: no sample_idx; pack it as meta key')
    name = f'{sample.get("img_path")}|{sample.get("id")}'.encode()
    digest = hashlib.blake2b(name, digest_size=7).digest()
    return int(sample['sample_idx']), int.from_bytes(digest, 'big')


def sorted_once(results: list) -> list:
    """Results in the order of the set, images that a sampler repeated only once."""
    unique = {result['order']: result for result in results}
    return [unique[order] for order in sorted(unique)]


def read_field(
    fields: dict,
    key: str,
    shape: Sequence[int],
    image: str,
    metric: str,
    finite: bool = True,
) -> Tensor:
    """One field of one image as float64 on the CPU, without its leading 1.

    Args:
        fields: pred_instances or gt_instance_labels.
        key: name of the field.
        shape: expected after the leading 1; -1 is any length.
        image: as error sentences name it.
        metric: class that asks.
        finite: refuse NaN and infinity.
    """
    if key not in fields:
        raise UserError(
            f'image {image}: {key!r} is missing; {metric} needs the fields of '
            'HandMeshEstimator.predict and of PackHandInputs'
        )
    value = torch.as_tensor(fields[key]).detach().cpu().double()
    wanted = (1, *shape)
    if value.dim() != len(wanted) or any(
        want not in (-1, found) for want, found in zip(wanted, value.shape, strict=True)
    ):
        raise UserError(
            f'image {image}: {key!r} has shape {tuple(value.shape)}, expected '
            f'{wanted}; predict with the hand model that made the ground truth'
        )
    if finite and not torch.isfinite(value).all():
        raise UserError(
            f'image {image}: {key!r} holds NaN or infinity; look for the first bad '
            'training loss, or evaluate in float32'
        )
    return value[0]


def hand_flags(sample: dict, image: str) -> tuple[bool, bool]:
    """True hand type of an image as flags (right, left).

    It is given by name or as two flags.
    """
    hand_type = sample.get('hand_type')
    if isinstance(hand_type, str) and hand_type in HAND_TYPES:
        right, left = HAND_TYPES[hand_type]
        return bool(right), bool(left)
    if not isinstance(hand_type, str) and hand_type is not None:
        flags = np.asarray(hand_type).reshape(-1)
        if flags.size == 2:
            return bool(flags[0]), bool(flags[1])
    raise UserError(
        f'image {image}: hand_type is {hand_type!r}, expected one of '
        f'{sorted(HAND_TYPES)} or two flags (right, left); pack it as meta key'
    )


def mean_of_finite(name: str, column: np.ndarray) -> float:
    """Mean over images with ground truth (not NaN); NaN where there is none.

    Infinite ones, of hands whose predicted camera gives no position, are left out and
    counted in a warning.
    """
    column = column[~np.isnan(column)]
    finite = column[np.isfinite(column)]
    if len(finite) < len(column):
        print_log(
            f'{name} leaves out {len(column) - len(finite)} of {len(column)} images: '
            'their predicted camera scale is not positive',
            logger='current',
            level=logging.WARNING,
        )
    return float(finite.sum() / len(finite)) if len(finite) else float('nan')


def refuse_empty(metric: str, results: list) -> None:
    """Raise on every rank when none of them processed an image."""
    total = torch.tensor(len(results))
    all_reduce(total)
    if total == 0:
        raise UserError(
            f'{metric} got no image: the evaluated split is empty; check '
            "its ann_file, data_prefix, 'indices' and filters"
        )
