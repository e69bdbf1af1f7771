"""The embedded hand: MANO's arrays from CC0 sources, no licence form needed.

Same interface, topology sizes, frame, joint order and fingertip indices as MANO, but it
is not MANO: betas, pose components and vertex regions mean something else. Its origin
and licence are in CC0_HAND_LICENSE.md; tools/build_cc0_hand.py rebuilds the arrays.
"""

from pathlib import Path

import numpy as np

from mmhand_dne.conventions import MIRROR_AXIS_ANGLES, MIRROR_POINTS, check_side

from .mirror import mirror_hand

CC0_HAND_FILE = Path(__file__).with_name('cc0_hand.npz')


def load_cc0_hand(side: str = 'right') -> dict[str, np.ndarray]:
    """Arrays of the CC0 hand, metres, MANO's frame.

    Beside what :func:`read_mano` returns: ``hands_std`` (45,) rad, ``tips`` (5,),
    ``wrist_loop`` (16,) the boundary along its directed edges, ``part`` (V,) and
    ``color`` (V, 3) uint8, ``vt`` (N, 2) and ``ft`` (F, 3) texture coordinates,
    ``betas_var`` (10,), ``flex_axes`` (15, 3) rotation axes of flexion,
    ``dorsal_axes`` (15, 3) directions, ``thumb_rest`` (3, 3) axis-angle.

    Args:
        side: 'right', or 'left' for its exact mirror image.
    """
    check_side(side)
    with np.load(CC0_HAND_FILE, allow_pickle=False) as file:
        right = {name: file[name] for name in file.files}
    return right if side == 'right' else _mirror_with_extras(right)


def _mirror_with_extras(right: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    points, axes = (
        signs.astype(np.float32) for signs in (MIRROR_POINTS, MIRROR_AXIS_ANGLES)
    )
    return {
        **mirror_hand(right),
        'ft': np.ascontiguousarray(right['ft'][:, ::-1]),
        'wrist_loop': right['wrist_loop'][::-1].copy(),
        'flex_axes': right['flex_axes'] * axes,
        'dorsal_axes': right['dorsal_axes'] * points,
        'thumb_rest': right['thumb_rest'] * axes,
    }
