"""Which images of InterHand2.6M are used, and with whose boxes."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.logging import print_log

from mmhand_dne.conventions import HAND_TYPE_NAMES, MILLIMETRES
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.hashes import tensor_hash
from mmhand_dne.fileio.json_stream import WHOLE, stream_arrays
from mmhand_dne.hand_model import HandPair

from .annotation_files import lookup, numbers
from .index_file import Table

SUBSETS = ('H', 'M', 'H+M')
INTAGHAND_GREY = 10.0  # least mean of 255
BATCH = 256  # frames whose meshes are made at once


def subset_mask(table: Table, subset: str, human_ids: Path | None) -> np.ndarray:
    """(N,) bool: entries that people annotated ('H'), or the others ('M').

    Release v1.0 has merged the two; InterWild's ``aid_human_annot_{split}.txt`` lists
    the annotations of the first, one number per line.

    Raises:
        ValueError: the list is missing, is no list of numbers, or has no annotation of
            this file.
    """
    ids = table.columns['id']
    if subset == 'H+M':
        return np.ones(len(ids), bool)
    if not human_ids or not Path(human_ids).is_file():
        raise UserError(
            f'InterHandMeshDataset: subset={subset!r} needs human_ids, but '
            f"{human_ids} is no file; take aid_human_annot_*.txt of InterWild's "
            'data/InterHand26M'
        )
    try:
        known = np.array(Path(human_ids).read_text().split(), np.int64)
    except ValueError as error:
        raise UserError(
            f'{human_ids}: {error}, expected a whole number per line; copy it again'
        ) from error
    human = np.isin(ids, known)
    if not human.any():
        raise UserError(
            f'{human_ids}: none of its {len(known)} numbers is an annotation of this '
            'split; use the list of the same split and release'
        )
    return human if subset == 'H' else ~human


def intaghand_mask(
    table: Table, mano_file: str | Path | None, data_file: str | Path
) -> np.ndarray:
    """(N,) bool: all single hands, and the interacting ones that IntagHand evaluates.

    Those have a valid hand type, MANO parameters of both hands and an image that is not
    black (its ``dataset/interhand.py``).

    Raises:
        ValueError: the table does not know the grey values, or there is no mano_file.
    """
    columns, asked = table.columns, 'intaghand_frames=True'
    if mano_file is None:
        raise UserError(
            f'{data_file}: {asked} asks for MANO parameters of both hands, but '
            'mano_file is None; give it, or leave intaghand_frames out'
        )
    bright = bright_mask(table, INTAGHAND_GREY, data_file, asked)
    mano = columns['frame_mano_valid'][columns['frame']].all(1)
    kept = (columns['hand_type_valid'] > 0) & mano & bright
    return kept | (columns['hand_type'] != HAND_TYPE_NAMES.index('interacting'))


def bright_mask(
    table: Table, least: float | None, data_file: str | Path, asked: str = ''
) -> np.ndarray:
    """(N,) bool: images whose mean grey value, of 255, is at least ``least``.

    Args:
        asked: the data set's argument that wants it, for errors; '': ``min_grey``.

    Raises:
        ValueError: the table does not know the grey values.
    """
    asked = asked or f'min_grey={least}'
    count = len(table.columns['id'])
    if least is None:
        return np.ones(count, bool)
    if 'mean_grey' not in table.columns:
        raise UserError(
            f"{data_file}: {asked} needs the images' mean grey values, which "
            'an index made with tools/dataset_converters/prepare_interhand.py --images '
            f'decode has; make it, or leave {asked.split("=")[0]} out'
        )
    with np.errstate(invalid='ignore'):  # NaN: the image could not be read
        return table.columns['mean_grey'] >= least


def fit_mask(table: Table, pair: HandPair, most: float | None) -> np.ndarray:
    """(N,) bool: entries none of whose hands' fits is off by more than ``most`` mm.

    The whole image is left out: which of mesh and joints is wrong cannot be told
    [decided].
    """
    if most is None:
        return np.ones(len(table.columns['id']), bool)
    if table.meta.get('fit_hand') == fingerprint(pair):
        errors = table.columns['frame_fit_error']
    else:
        errors = fit_errors(table, pair)
    with np.errstate(invalid='ignore'):
        bad = (errors > most).any(1)
    return ~bad[table.columns['frame']]


@torch.no_grad()
def fit_errors(table: Table, pair: HandPair) -> np.ndarray:
    """Mean distance of a mesh's joints to the annotated ones, millimetres.

    Returns: (M, 2) float32 by frame and hand, over the valid joints; NaN where a hand
        has no MANO or no joint.
    """
    columns = {
        name[len('frame_') :]: value
        for name, value in table.columns.items()
        if name.startswith('frame_')
    }
    errors = np.full(columns['mano_valid'].shape, np.nan, np.float32)
    for slot, layer in enumerate((pair.right, pair.left)):
        regressor = pair.joint_regressor[slot].double().numpy()
        rows = np.flatnonzero(columns['mano_valid'][:, slot])
        for part in np.split(rows, np.arange(BATCH, len(rows), BATCH)):
            pose = torch.from_numpy(columns['pose'][part, slot]).float()
            betas = torch.from_numpy(columns['betas'][part, slot]).float()
            mesh = layer(layer.absolute_pose(pose, mean=True), betas).double().numpy()
            joints = regressor @ mesh + columns['translation'][part, slot][:, None]
            valid = columns['joints_valid'][part, slot]
            distance = np.linalg.norm(joints - columns['joints'][part, slot], axis=-1)
            with np.errstate(invalid='ignore'):
                errors[part, slot] = MILLIMETRES * (
                    (distance * valid).sum(1) / valid.sum(1)
                )
    return errors


def fingerprint(pair: HandPair) -> str:
    """Of the hand model that fit errors depend on."""
    return tensor_hash(
        [
            pair.template,
            pair.joint_regressor,
            pair.mean_rotations,
            *(layer.layer.shapedirs for layer in (pair.right, pair.left)),
        ]
    )


class RootNetBoxes(NamedTuple):
    """What InterHand2.6M's released RootNet found, by row of a table."""

    boxes: np.ndarray  # (N, 4) x, y, w, h, pixels: square, 1.25 times the hands
    depths: np.ndarray  # (N, 2) mm, wrists of the right and the left hand


def read_rootnet(path: str | Path, ids: np.ndarray) -> RootNetBoxes:
    """Read a RootNet file for the annotations ``ids`` (N,).

    Rows of other annotations are NaN: the file need not have those that are not used.

    Raises:
        ValueError: the file is missing or damaged.
    """
    found, values = [], []
    for _, item in stream_arrays(path, (WHOLE,)):
        number = lookup(item, f'{path}, entry {len(found)}', 'annot_id')
        label = f'{path}, annotation {number}'
        found.append(int(number))
        values.append(
            np.concatenate(
                [
                    numbers(
                        lookup(item, label, key), (size,), path, f'{key} of {number}'
                    )
                    for key, size in (('bbox', 4), ('abs_depth', 2))
                ]
            )
        )
    table = np.full((len(ids), 6), np.nan)
    if found:
        order = np.argsort(found)
        position = np.searchsorted(found, ids, sorter=order).clip(max=len(found) - 1)
        rows = order[position]
        there = np.array(found)[rows] == ids
        table[there] = np.array(values)[rows[there]]
    return RootNetBoxes(table[:, :4], table[:, 4:])


def say_left_out(path: str | Path, counts: dict[str, int], total: int) -> None:
    """Log how many images each filter leaves out."""
    for reason, count in counts.items():
        if count:
            print_log(
                f'{path}: {count} of {total} images {reason} and are left out',
                'current',
                level=logging.WARNING,
            )
