"""From the ``source`` of a config to the arrays of one hand."""

from pathlib import Path

import numpy as np

from .free_hand import load_free_hand
from .mano_file import read_mano
from .mirror import hand_side, mirror_hand, repair_left_shapes

FREE = 'free'


def load_hand(source: str, side: str) -> dict[str, np.ndarray]:
    """Arrays of one hand.

    Args:
        source: 'free' for the embedded hand; a folder with MANO_RIGHT and MANO_LEFT
            (.pkl or .npz); or one file. A right hand's file serves the left side as
            its exact mirror image; a left hand's file needs its right one beside it,
            which the repair of its shape directions compares with.
        side: 'right' or 'left'.
    """
    if side not in ('right', 'left'):
        raise ValueError(f"side is {side!r}, expected 'right' or 'left'")
    if str(source) == FREE:
        return load_free_hand(side)
    path = Path(source).expanduser()
    if not path.exists():
        raise ValueError(
            f"{path}: no such file or folder for the hand model; give 'free', a MANO "
            'file, or the folder that holds MANO_RIGHT.pkl and MANO_LEFT.pkl'
        )
    return _from_folder(path, side) if path.is_dir() else _from_file(path, side)


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
        raise ValueError(
            f'{path}: holds a left hand, expected a right one; give the folder that '
            'holds MANO_RIGHT.pkl and MANO_LEFT.pkl'
        )
    return repair_left_shapes(arrays, _checked(_file_of(path.parent, 'RIGHT'), 'right'))


def _file_of(folder: Path, name: str) -> Path:
    for suffix in ('.pkl', '.npz'):
        if (folder / f'MANO_{name}{suffix}').is_file():
            return folder / f'MANO_{name}{suffix}'
    raise ValueError(
        f'{folder}: has neither MANO_{name}.pkl nor MANO_{name}.npz; put it there, or '
        'give the path of MANO_RIGHT.pkl to use the right hand and its mirror image'
    )


def _checked(path: Path, side: str) -> dict[str, np.ndarray]:
    arrays = read_mano(path)
    found = hand_side(arrays)
    if found != side:
        raise ValueError(
            f'{path}: holds a {found} hand, expected a {side} one; rename the file'
        )
    return arrays
