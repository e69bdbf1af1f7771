"""Left and right, joint names and orders, mirrors, axes and units, each written once.

Slots: a sample has two hands, right then left (``SIDES``). Camera axes: x right, y
down, z forward. Lengths are metres; what files and metrics have in millimetres is
converted at the border. ``<finger>1`` is the knuckle (the CMC joint of the thumb), 2
and 3 the next joints, 4 the tip. Index tables are never typed by hand:
``joints[..., reorder(src, dst), :]``.
"""

from collections.abc import Sequence

import numpy as np

from mmhand_dne.errors import UserError

MILLIMETRES = 1000.0  # in a metre

SIDES = ('right', 'left')  # the order of the slots
RIGHT, LEFT = 0, 1  # slots
OTHER_SIDE = [LEFT, RIGHT]  # index that swaps the slots
# Types of images, as InterHand2.6M names them, and the slots that show a hand.
HAND_TYPES: dict[str, tuple[int, int]] = {
    'right': (1, 0),
    'left': (0, 1),
    'interacting': (1, 1),
}
HAND_TYPE_NAMES = tuple(HAND_TYPES)

# Factors of x, y, z across the plane x = 0.
MIRROR_POINTS = np.array([-1.0, 1.0, 1.0])  # of a point
MIRROR_AXIS_ANGLES = np.array([1.0, -1.0, -1.0])  # of an axis-angle vector
# Between camera axes and OpenGL's (y up, z backward), which HO-3D's files and viewers
# of meshes have; its own inverse.
OPENGL_AXES = np.array([1.0, -1.0, -1.0])

FINGERS = ('thumb', 'index', 'middle', 'ring', 'pinky')

# FreiHAND and MMPose's 21 key points have the same order.
OPENPOSE_JOINTS: tuple[str, ...] = (
    'wrist',
    *(f'{finger}{k}' for finger in FINGERS for k in (1, 2, 3, 4)),
)
# The 16 rotations of MANO: no tips, pinky before ring, thumb last.
MANO_JOINTS: tuple[str, ...] = (
    'wrist',
    *(
        f'{finger}{k}'
        for finger in ('index', 'middle', 'pinky', 'ring', 'thumb')
        for k in (1, 2, 3)
    ),
)
# InterHand2.6M, one hand: from the tip to the base, the wrist last. The left hand
# takes rows 21 to 41 of the dataset's 42.
INTERHAND_JOINTS: tuple[str, ...] = (
    *(f'{finger}{k}' for finger in FINGERS for k in (4, 3, 2, 1)),
    'wrist',
)
# MANO's rotations, then the tips: also the order of MANO's kinematic chain.
HO3D_JOINTS: tuple[str, ...] = (*MANO_JOINTS, *(f'{finger}4' for finger in FINGERS))

NUM_JOINTS = len(OPENPOSE_JOINTS)
NUM_ROTATIONS = len(MANO_JOINTS)
NUM_BETAS = 10
WRIST = OPENPOSE_JOINTS.index('wrist')
MIDDLE = OPENPOSE_JOINTS.index('middle1')
# The 20 joints besides the wrist: a boolean index into the 21.
FINGER_JOINTS = np.arange(NUM_JOINTS) != WRIST
# Of each of MANO's rotations, the one before it on the way to the wrist.
MANO_PARENTS: tuple[int, ...] = tuple(
    -1 if name == 'wrist' else 0 if name[-1] == '1' else i - 1
    for i, name in enumerate(MANO_JOINTS)
)

# Vertices taken as tips (thumb, index, middle, ring, pinky). Public protocols differ
# by up to 6 mm, so a number is comparable only under its own protocol.
TIP_VERTICES: dict[str, tuple[int, ...]] = {
    'interhand': (745, 317, 445, 556, 673),
    'intaghand': (745, 317, 444, 556, 673),
    'freihand': (744, 320, 443, 555, 672),
    'ho3d': (744, 333, 444, 555, 672),
    'smplx': (744, 320, 443, 554, 671),
}


# The rotation of a right hand that points up and shows its back to a camera: from the
# hand's axes (fingers -x, back of the hand +y, thumb +z) to the camera's.
UPRIGHT_HAND = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])

# Where an absolute hand's wrist is from: the prediction, or the annotation.
ROOTS = ('predicted', 'given')


def reorder(src: Sequence[str], dst: Sequence[str]) -> list[int]:
    """Indices p with ``dst[i] == src[p[i]]``.

    Args:
        src: joint names in the order that the data has.
        dst: joint names in the order wanted, all of them in ``src``.
    Raises: ValueError when a wanted joint is absent.
    """
    missing = [name for name in dst if name not in src]
    if missing:
        raise UserError(
            f'joint {missing[0]!r} is not among the {len(src)} source joints; '
            'append the fingertips first or ask for an order without them'
        )
    return [list(src).index(name) for name in dst]


OPENPOSE_FROM_INTERHAND = reorder(INTERHAND_JOINTS, OPENPOSE_JOINTS)
INTERHAND_FROM_OPENPOSE = reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS)
OPENPOSE_FROM_HO3D = reorder(HO3D_JOINTS, OPENPOSE_JOINTS)
HO3D_FROM_OPENPOSE = reorder(OPENPOSE_JOINTS, HO3D_JOINTS)


def tip_vertices(tips: str) -> tuple[int, ...]:
    """The five tip vertices of a protocol (thumb, index, middle, ring, pinky)."""
    if tips not in TIP_VERTICES:
        raise UserError(
            f'unknown set of fingertips {tips!r}; choose from {sorted(TIP_VERTICES)}'
        )
    return TIP_VERTICES[tips]


def check_side(side: str) -> None:
    """Refuse what is neither 'right' nor 'left'.

    Raises: ValueError naming it.
    """
    if side not in SIDES:
        raise UserError(f"side is {side!r}, expected 'right' or 'left'")
