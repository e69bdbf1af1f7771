"""Finger poses of gestures: fists, pointing, pinches, hooks, any curl of any finger."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from mmhand_dne.conventions import MANO_JOINTS, OPENPOSE_JOINTS, WRIST

from .hand_models import HandModels

# The fingers as MANO's rotations follow each other.
MANO_FINGERS = tuple(name[:-1] for name in MANO_JOINTS if name.endswith('1'))
# OpenPose joints of each finger from its knuckle to its tip.
CHAINS = {
    finger: [OPENPOSE_JOINTS.index(f'{finger}{k}') for k in (1, 2, 3, 4)]
    for finger in MANO_FINGERS
}
KNUCKLES = [CHAINS[finger][0] for finger in MANO_FINGERS if finger != 'thumb']
ABDUCTION = (0.8, 0.1, -1.0, -0.5)  # of the fingers spread by 1 degree
CURL = np.array([80.0, 100.0, 62.0])  # degrees of flexion of a curled finger's joints
CANDIDATES = 12
PINCH_CANDIDATES = 48
FINGER_GAP = 0.0125  # metres between the bones of two fingers that touch
PALM_GAP = 0.014  # metres between a finger's bone and a metacarpal bone
OVERLAP = 0.002  # metres by which flesh may give way

# Curl of the index, middle, ring and little finger, 0 straight to 1 closed.
GESTURES = (
    (1, 1, 1, 1),  # fist, thumbs up
    (1, 1, 1, 1),
    (0, 0, 0, 0),  # open hand
    (0, 0, 0, 0),
    (0, 1, 1, 1),  # pointing
    (0, 0, 1, 1),  # victory
    (0, 0, 0, 1),  # three
    (0, 1, 1, 0),  # horns
    (1, 1, 1, 0),  # little finger
    (1, 0, 0, 0),
    (0.5, 0.5, 0.5, 0.5),
)


def sample_gesture(rng: np.random.Generator, models: HandModels) -> np.ndarray:
    """Finger rotations (45,) of a right hand, mean included.

    A named gesture with variation, hooked fingers, a pinch or independent fingers;
    of several draws the first whose fingers do not go through each other.
    """
    kind = rng.choice(4, p=[0.45, 0.1, 0.2, 0.25])
    if kind == 2:
        return sample_pinch(rng, models)
    angles = np.zeros((CANDIDATES, 15, 3))
    for candidate in angles:
        draw_fingers(rng, candidate, _draw_curls(rng, kind), hooked=kind == 1)
        draw_thumb(rng, candidate)
    poses = poses_of_angles(models, angles)
    overlap = self_overlap(joints_of_poses(models, poses))
    return poses[_first_below(overlap, OVERLAP)]


def sample_pinch(rng: np.random.Generator, models: HandModels) -> np.ndarray:
    """Finger rotations (45,) with the thumb's tip near that of another finger."""
    finger = int(rng.choice(4, p=[0.6, 0.2, 0.08, 0.12]))
    angles = np.zeros((PINCH_CANDIDATES, 15, 3))
    curls = _draw_curls(rng, 3)
    draw_fingers(rng, angles[0], curls, hooked=False)
    angles[1:] = angles[0]
    for candidate in angles:
        draw_thumb(rng, candidate, rng.uniform(0.3, 1.2))
        bent = rng.uniform([15, 15, 5], [70, 75, 50])
        candidate[3 * finger : 3 * finger + 3, 0] = bent
    best = angles[_best_pinch(models, angles, finger)]
    # A second round about the best of the first.
    angles[:] = best
    bent = [*range(3 * finger, 3 * finger + 3), 12, 13, 14]
    angles[1:, bent, 0] += rng.normal(0, 8, (len(angles) - 1, len(bent)))
    angles[1:, 12, 1:] += rng.normal(0, 6, (len(angles) - 1, 2))
    best = angles[_best_pinch(models, angles, finger)]
    return poses_of_angles(models, best[None])[0]


def _best_pinch(models: HandModels, angles: np.ndarray, finger: int) -> int:
    """Which of the candidates (K, 15, 3) brings the thumb's tip nearest."""
    joints = joints_of_poses(models, poses_of_angles(models, angles))
    tip = CHAINS[MANO_FINGERS[finger]][-1]
    apart = (joints[:, tip] - joints[:, CHAINS['thumb'][-1]]).norm(dim=1)
    score = (apart - 0.01).abs() + 2 * self_overlap(joints)
    return int(score.argmin())


def _draw_curls(rng: np.random.Generator, kind: int) -> np.ndarray:
    """Curls (4,) of the fingers in MANO's order."""
    if kind != 0:
        return rng.beta(0.7, 0.7, 4)
    index, middle, ring, pinky = GESTURES[int(rng.integers(len(GESTURES)))]
    curls = np.array([index, middle, pinky, ring], np.float64)
    return (curls + rng.normal(0, 0.08, 4)).clip(-0.12, 1.05)


def draw_fingers(
    rng: np.random.Generator, angles: np.ndarray, curls: np.ndarray, hooked: bool
) -> None:
    """Fill the four fingers of angles (15, 3): degrees of flexion, abduction, twist."""
    spread = rng.uniform(-3, 13)
    for number, curl in enumerate(curls):
        joints = angles[3 * number : 3 * number + 3]
        joints[:, 0] = CURL * (curl + rng.normal(0, 0.06, 3))
        if hooked:
            joints[0, 0] = rng.uniform(-15, 25)
        aside = ABDUCTION[number] * spread + rng.normal(0, 3)
        joints[0, 1] = aside * (1 - 0.8 * np.clip(curl, 0, 1))
        joints[0, 2] = rng.normal(0, 3)
        joints[:, 0] = joints[:, 0].clip(-15, [90, 105, 75])


def draw_thumb(
    rng: np.random.Generator, angles: np.ndarray, oppose: float | None = None
) -> None:
    """Fill the thumb of angles (15, 3) from ``oppose``, -0.2 aside to 1.3 across."""
    if oppose is None:
        oppose = rng.uniform(-0.2, 1.3)
    joints = angles[12:]
    joints[0] = [-10 + 36 * oppose, 5 - 13 * oppose, -4 + 28 * oppose]
    joints[0] += rng.normal(0, 8, 3)
    joints[1] = [rng.uniform(-8, 50), rng.normal(0, 3), rng.normal(0, 3)]
    joints[2] = [rng.uniform(-20, 65), 0, 0]


def poses_of_angles(models: HandModels, angles: np.ndarray) -> np.ndarray:
    """Finger rotations (K, 45) of a right hand, mean included.

    Args:
        angles: (K, 15, 3) degrees of flexion, abduction and twist, MANO joint order,
            from the flat hand; the thumb's from its relaxed attitude.
    """
    data = models.extras['right']
    flexion, abduction = data['flex_axes'], data['dorsal_axes']
    twist = np.cross(flexion, abduction)
    axes = np.stack([flexion, abduction, twist], 1)  # (15, 3 angles, 3)
    turns = np.radians(angles)[..., None] * axes  # (K, 15, 3 angles, 3)
    flex, aside, twisted = (_rotation(turns[:, :, i]) for i in range(3))
    rest = np.zeros((15, 3))
    rest[12:] = data['thumb_rest']
    rest = _rotation(np.tile(rest, (len(angles), 1, 1)))
    return (aside * twisted * flex * rest).as_rotvec().reshape(len(angles), 45)


def _rotation(vectors: np.ndarray) -> Rotation:
    return Rotation.from_rotvec(vectors.reshape(-1, 3))


def joints_of_poses(
    models: HandModels,
    poses: np.ndarray,
    side: str = 'right',
    glob: np.ndarray | None = None,
    shape: np.ndarray | None = None,
) -> Tensor:
    """Regressed joints (K, 21, 3) metres, OpenPose order, of finger rotations (K, 45).

    Args:
        glob: (3,) axis-angle of the hand; shape: (10,). None is zero.
    """
    layer = models.layers[side]
    glob = np.zeros(3) if glob is None else glob
    pose = np.concatenate([np.tile(glob, (len(poses), 1)), poses], axis=1)
    pose = torch.from_numpy(pose).float()
    betas = torch.zeros(10) if shape is None else torch.from_numpy(shape).float()
    vertices = layer(
        layer.absolute_pose(pose, mean=False), betas.expand(len(poses), 10)
    )
    return layer.joints(vertices)


def self_overlap(joints: Tensor) -> Tensor:
    """How deep the fingers of hands (K, 21, 3) reach into each other, (K,) metres.

    Bones are rows of points; the thickness of the flesh is FINGER_GAP and PALM_GAP.
    """
    fingers = torch.stack([finger_points(joints, name) for name in MANO_FINGERS], dim=1)
    count = fingers.shape[2]
    flat = fingers.flatten(1, 2)
    apart = torch.cdist(flat, flat)
    owner = torch.arange(len(MANO_FINGERS)).repeat_interleave(count)
    apart = apart.masked_fill(owner[:, None] == owner, 1.0)
    between = FINGER_GAP - apart.flatten(1).amin(1)
    knuckles = joints[:, KNUCKLES]
    share = torch.tensor([0.0, 0.3, 0.6])[:, None, None, None]
    palm = (knuckles + share * (joints[:, [WRIST]] - knuckles)).permute(1, 0, 2, 3)
    apart = torch.cdist(fingers[:, :, 1:].flatten(1, 2), palm.flatten(1, 2))
    return torch.maximum(between, PALM_GAP - apart.flatten(1).amin(1)).clamp(min=0)


def finger_points(joints: Tensor, name: str) -> Tensor:
    """Points (K, 5, 3) on a finger's last two bones, nearer to the tip later."""
    chain = joints[:, CHAINS[name]]
    middle, last, tip = chain[:, 1:2], chain[:, 2:3], chain[:, 3:4]
    end = last + 0.75 * (tip - last)  # the tip is on the skin
    return torch.cat(
        [(middle + last) / 2, 0.25 * middle + 0.75 * last, last, (last + end) / 2, end],
        dim=1,
    )


def _first_below(values: Tensor, limit: float) -> int:
    """The index of the first value below a limit, else of the smallest."""
    good = (values < limit).nonzero()
    return int(good[0]) if len(good) else int(values.argmin())
