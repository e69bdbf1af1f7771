"""Right and left hand files: telling them apart, mirroring, the shape repair."""

import numpy as np

from mmhand_dne.conventions import MIRROR_AXIS_ANGLES, MIRROR_POINTS

Arrays = dict[str, np.ndarray]

# Bound of the published test: metres, summed over 7780 entries. Equal shape
# directions sum to 0, mirrored ones to more than 10.
SAME_SHAPES = 1.0


def hand_side(arrays: Arrays) -> str:
    """Side of a hand in MANO's frame: right fingers point to -x, left ones to +x."""
    wrist = arrays['J_regressor'][0] @ arrays['v_template']
    offset = arrays['v_template'].mean(0) - wrist
    return 'right' if offset[0] < 0 else 'left'


def mirror_hand(arrays: Arrays) -> Arrays:
    """The other hand: every array of a MANO model mirrored across x = 0.

    A pose correction answers an entry (r, c) of R - I, which the mirror multiplies by
    s_r s_c, so the pose directions take that sign beside the one of the point.
    """
    signs = MIRROR_POINTS.astype(arrays['v_template'].dtype)
    axis_signs = np.tile(MIRROR_AXIS_ANGLES, 15).astype(signs.dtype)
    entry_signs = np.tile(np.outer(signs, signs).ravel(), 15)
    return {
        **arrays,
        'v_template': arrays['v_template'] * signs,
        'shapedirs': arrays['shapedirs'] * signs[:, None],
        'posedirs': arrays['posedirs'] * signs[:, None] * entry_signs,
        'hands_mean': arrays['hands_mean'] * axis_signs,
        'hands_components': arrays['hands_components'] * axis_signs,
        'f': np.ascontiguousarray(arrays['f'][:, ::-1]),
    }


def repair_left_shapes(left: Arrays, right: Arrays) -> Arrays:
    """The left hand with shape directions that mirror the right hand's.

    The official left file holds the x components of the *right* hand's shape
    directions. Where they are the same (the published test: sum of absolute
    differences below 1) they are negated; repaired arrays are returned as they are.
    """
    difference = np.abs(left['shapedirs'][:, 0] - right['shapedirs'][:, 0]).sum()
    if difference >= SAME_SHAPES:
        return left
    signs = MIRROR_POINTS.astype(left['shapedirs'].dtype)
    return {**left, 'shapedirs': left['shapedirs'] * signs[:, None]}
