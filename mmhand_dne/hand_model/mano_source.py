"""From the ``source`` of a config to the arrays of one hand."""

from pathlib import Path

import numpy as np

from mmhand_dne.conventions import check_side
from mmhand_dne.errors import UserError

from .cc0_hand import load_cc0_hand
from .mano_file import read_mano
from .mirror import hand_side, mirror_hand, repair_left_shapes

CC0, FORMER_CC0 = 'cc0', 'free'
SUFFIXES = '.pkl', '.npz'  # of MANO's files; the first that is there is read


def load_hand(source: str, side: str) -> dict[str, np.ndarray]:
    """Arrays of one hand.

    Args:
        source: 'cc0' for the embedded hand; a folder with MANO_RIGHT and MANO_LEFT
            (.pkl or .npz); or one file. A right hand's file serves the left side as
            its exact mirror image; a left hand's file needs its right one beside it,
            which the repair of its shape directions compares with.
        side: 'right' or 'left'.
    """
    check_side(side)
    if str(source) == CC0:
        return load_cc0_hand(side)
    if str(source) == FORMER_CC0:
        raise UserError(
            f'the embedded hand is called {CC0!r}, formerly {FORMER_CC0!r}; set '
            f'hand_model.source={CC0} (checkpoints trained with it load as they are)'
        )
    path = Path(source).expanduser()
    if not path.exists():
        raise UserError(
            f"{path}: no such file or folder for the hand model; give 'cc0', a MANO "
            'file, or the folder that holds MANO_RIGHT.pkl and MANO_LEFT.pkl'
        )
    return _from_folder(path, side) if path.is_dir() else _from_file(path, side)


def hand_files(source: str) -> list[Path]:
    """The files that :func:`load_hand` reads of a source, for either side; none of the
    embedded hand.
    """
    if str(source) in (CC0, FORMER_CC0):
        return []
    path = Path(source).expanduser()
    folder = path if path.is_dir() else path.parent
    beside = [
        folder / f'MANO_{side}{suffix}'
        for side in ('RIGHT', 'LEFT')
        for suffix in SUFFIXES
    ]
    files = [] if path.is_dir() else [path]
    return files + [one for one in beside if one.is_file() and one not in files]


def _from_folder(folder: Path, side: str) -> dict[str, np.ndarray]:
    right = _checked(_file_of(folder, 'RIGHT'), 'right')
    if side == 'right':
        return right
    return repair_left_shapes(_checked(_file_of(folder, 'LEFT'), 'left'), right)


def _from_file(path: Path, side: str) -> dict[str, np.ndarray]:
    arrays = read_mano(path)
    if hand_side(arrays) == 'right':
        return arrays if side == 'right' else mirror_hand(arrays)
    if side == 'right':
        raise UserError(
            f'{path}: holds a left hand, expected a right one; give the folder that '
            'holds MANO_RIGHT.pkl and MANO_LEFT.pkl'
        )
    return repair_left_shapes(arrays, _checked(_file_of(path.parent, 'RIGHT'), 'right'))


def _file_of(folder: Path, name: str) -> Path:
    for suffix in SUFFIXES:
        if (folder / f'MANO_{name}{suffix}').is_file():
            return folder / f'MANO_{name}{suffix}'
    raise UserError(
        f'{folder}: has neither MANO_{name}.pkl nor MANO_{name}.npz; put it there, or '
        'give the path of MANO_RIGHT.pkl to use the right hand and its mirror image'
    )


def _checked(path: Path, side: str) -> dict[str, np.ndarray]:
    arrays = read_mano(path)
    found = hand_side(arrays)
    if found != side:
        raise UserError(
            f'{path}: holds a {found} hand, expected a {side} one; rename the file'
        )
    return arrays
