"""Joint names and orders of one hand, and fingertip vertices of the MANO mesh.

``<finger>1`` is the knuckle (the CMC joint of the thumb), 2 and 3 the next joints, 4
the tip. Index tables are never typed by hand: ``joints[..., reorder(src, dst), :]``.
"""

from collections.abc import Sequence

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
HO3D_JOINTS: tuple[str, ...] = (
    *MANO_JOINTS,
    *(f'{finger}4' for finger in FINGERS),
)

WRIST = OPENPOSE_JOINTS.index('wrist')

# Vertices taken as tips (thumb, index, middle, ring, pinky). Public protocols differ
# by up to 6 mm, so a number is comparable only under its own protocol.
TIP_VERTICES: dict[str, tuple[int, ...]] = {
    'interhand': (745, 317, 445, 556, 673),
    'intaghand': (745, 317, 444, 556, 673),
    'freihand': (744, 320, 443, 555, 672),
    'ho3d': (744, 333, 444, 555, 672),
    'smplx': (744, 320, 443, 554, 671),
}


def reorder(src: Sequence[str], dst: Sequence[str]) -> list[int]:
    """Indices p with ``dst[i] == src[p[i]]``.

    Args:
        src: joint names in the order that the data has.
        dst: joint names in the order wanted, all of them in ``src``.
    Raises: ValueError when a wanted joint is absent.
    """
    missing = [name for name in dst if name not in src]
    if missing:
        raise ValueError(
            f'joint {missing[0]!r} is not among the {len(src)} source joints; '
            'append the fingertips first or ask for an order without them'
        )
    return [list(src).index(name) for name in dst]


def tip_vertices(tips: str) -> tuple[int, ...]:
    """The five tip vertices of a protocol (thumb, index, middle, ring, pinky)."""
    if tips not in TIP_VERTICES:
        raise ValueError(
            f'unknown set of fingertips {tips!r}; choose from {sorted(TIP_VERTICES)}'
        )
    return TIP_VERTICES[tips]
