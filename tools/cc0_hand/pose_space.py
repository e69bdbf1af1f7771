"""Synthetic poses, their principal components, and the pose corrections."""

import numpy as np

from .layout import (
    BONES,
    FINGERS,
    FLAT,
    NUM_VERTICES,
    PARENTS,
    TIP_IDS,
)
from .posing import joint_transforms, linear_blend, pose_source
from .rotations import direction, from_axis_angle, to_axis_angle

NAIL_REACH = 0.022  # metres from the tip within which nail faces count
# How far a finger follows the common abduction of the fingers, in MANO joint order.
ABDUCTION = (0.8, 0.1, -1.0, -0.5, 0)
MAX_CORRECTION = 0.004  # metres
RIDGE = 2e-3
CHUNK = 50


def anatomical_axes(vertices, faces, nail):
    """Rotation axes of each joint in the flat pose.

    Args:
        nail: (V,) 1 on the fingernails, which tell the back of each finger.
    Returns: (16, 3, 3), rows flexion, abduction (the dorsal direction), twist (the
        bone's direction); zeros for the wrist.
    """
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    centres, on_nail = corners.mean(1), nail[faces].mean(1)
    axes = np.zeros((16, 3, 3))
    for number, name in enumerate(FINGERS):
        reach = np.linalg.norm(centres - vertices[TIP_IDS[name][0]], axis=1)
        weight = on_nail * (reach < NAIL_REACH)
        dorsal = (normals * weight[:, None]).sum(0)
        for k in range(3):
            bone = direction(*FLAT[name][k])
            back = dorsal - (dorsal @ bone) * bone
            back /= np.linalg.norm(back)
            axes[1 + 3 * number + k] = np.stack([np.cross(back, bone), back, bone])
    return axes


def relaxed_thumb(flat):
    """The source's relaxed thumb against the flat pose, 60 %, (3, 3) axis-angle."""
    base, middle, last = flat.rotations[0, list(BONES['thumb'])]
    relative = [base.T, base @ middle.T, middle @ last.T]
    return 0.6 * to_axis_angle(np.stack(relative))


def sample_poses(axes, count, seed, thumb):
    """Natural-looking poses, (count, 15, 3) axis-angle.

    One closing of all fingers with variation of each, the last joint coupled to the
    middle one, abduction that shrinks with flexion, opposition of the thumb around its
    relaxed pose ``thumb`` (3, 3). Plausible, not measured.
    """
    rng = np.random.default_rng(seed)
    closing, abducted = rng.beta(1.3, 1.7, count), rng.normal(0, 1, count)
    angles = np.zeros((count, 16, 3))  # degrees: flexion, abduction, twist
    for number, name in enumerate(FINGERS):
        joints = angles[:, 1 + 3 * number : 4 + 3 * number]
        if name == 'thumb':
            _sample_thumb(rng, joints, closing)
        else:
            _sample_finger(rng, joints, closing, ABDUCTION[number] * abducted)
    angles = np.deg2rad(angles)[:, 1:]
    flexion, abduction, twist = axes[1:, 0], axes[1:, 1], axes[1:, 2]
    rotations = from_axis_angle(angles[..., 1:2] * abduction)
    rotations = rotations @ from_axis_angle(angles[..., 2:3] * twist)
    rotations = rotations @ from_axis_angle(angles[..., 0:1] * flexion)
    rotations[:, 12:] = rotations[:, 12:] @ from_axis_angle(thumb)
    return to_axis_angle(rotations)


def _sample_finger(rng, joints, closing, abducted):
    """Fill (count, 3 joints, 3 axes) in degrees, in place."""
    count = len(joints)
    share = 0.65 + 0.1 * rng.uniform(-1, 1, count)
    own = share * closing + (1 - share) * rng.beta(1, 1, count)
    own = np.clip(own + rng.normal(0, 0.08, count), 0, 1)
    knuckle = np.clip(own + rng.normal(0, 0.15, count), 0, 1)
    middle = np.clip(own + rng.normal(0, 0.12, count), 0, 1)
    joints[:, 0, 0] = -12 + 92 * knuckle
    joints[:, 1, 0] = 2 + 98 * middle
    coupled = 0.6 * joints[:, 1, 0] + rng.normal(0, 6, count)
    joints[:, 2, 0] = np.clip(coupled, -5, 75)
    abduction = 6 * abducted + rng.normal(0, 3.5, count)
    joints[:, 0, 1] = abduction * (1 - 0.75 * knuckle)
    joints[:, 0, 2] = rng.normal(0, 3, count)
    joints[:, 1:, 1:] = rng.normal(0, 1.2, (count, 2, 2))


def _sample_thumb(rng, joints, closing):
    """Fill (count, 3 joints, 3 axes) in degrees, in place."""
    count = len(joints)
    oppose = 0.45 * closing + 0.55 * rng.beta(1.2, 1.5, count)
    oppose = np.clip(oppose + rng.normal(0, 0.1, count), 0, 1)
    joints[:, 0, 0] = -10 + 30 * oppose + rng.normal(0, 6, count)
    joints[:, 0, 1] = 4 - 12 * oppose + rng.normal(0, 6, count)
    joints[:, 0, 2] = -4 + 26 * oppose + rng.normal(0, 6, count)
    bend = np.clip(oppose + rng.normal(0, 0.2, count), 0, 1)
    joints[:, 1, 0] = -5 + 45 * bend
    joints[:, 1, 1:] = rng.normal(0, 3, (count, 2))
    bend = 0.6 * oppose + 0.4 * rng.uniform(0, 1, count)
    bend = np.clip(bend + rng.normal(0, 0.15, count), 0, 1)
    joints[:, 2, 0] = -10 + 65 * bend
    joints[:, 2, 1:] = rng.normal(0, 1.2, (count, 2))


def single_joint_poses(axes, count, seed):
    """Poses with one joint bent far, in turn, (count, 15, 3) axis-angle."""
    rng = np.random.default_rng(seed)
    poses = np.zeros((count, 15, 3))
    for i in range(count):
        flexion, abduction, twist = axes[1 + i % 15]
        poses[i, i % 15] = (
            flexion * rng.uniform(-0.2, 1.7)
            + abduction * rng.normal(0, 0.15)
            + twist * rng.normal(0, 0.1)
        )
    return poses


def pose_components(poses):
    """Mean (45,), orthonormal components (45, 45), standard deviations (45,)."""
    flat = poses.reshape(len(poses), 45)
    mean = flat.mean(0)
    _, sizes, components = np.linalg.svd(flat - mean, full_matrices=False)
    largest = components[np.arange(45), abs(components).argmax(1)]
    components *= np.sign(largest)[:, None]
    return mean, components, sizes / np.sqrt(len(flat) - 1)


def pose_corrections(reader, weights, flat, bone_weights, poses):
    """Offsets per entry of R - I, (V, 3, 135): from linear to volume-keeping skin.

    A ridge fit, at each vertex over the joints that bend there only, of what dual
    quaternions do to the source hand beyond our linear blending, in the rest frame.

    Args:
        reader: (V, N) material points of the coarse vertices on the dense hand.
        weights: (V, 16); bone_weights: (N, 21); flat: the mean hand's ``FlatHands``.
    """
    count = len(poses)
    rotations = np.tile(np.eye(3), (count, 16, 1, 1))
    rotations[:, 1:] = from_axis_angle(poses)
    entries = (rotations[:, 1:] - np.eye(3)).reshape(count, 135)
    rest = reader @ pose_source(flat, bone_weights, np.zeros((1, 15, 3)))[0]
    wanted = np.empty((count, NUM_VERTICES, 3))
    for start in range(0, count, CHUNK):
        rows = slice(start, start + CHUNK)
        moves = joint_transforms(flat.joints[0], rotations[rows])
        linear, matrices = linear_blend(rest, weights, *moves)
        posed = pose_source(flat, bone_weights, poses[rows])
        posed = np.einsum('vd,sdc->svc', reader, posed)
        back = np.linalg.inv(matrices)
        wanted[rows] = np.einsum('svij,svj->svi', back, posed - linear)
    wanted = np.clip(wanted, -MAX_CORRECTION, MAX_CORRECTION)
    return _ridge_by_joints(entries, wanted, weights)


def _ridge_by_joints(entries, wanted, weights):
    out = np.zeros((NUM_VERTICES, 3, 135))
    groups = {}
    for vertex, joints in enumerate(_bending_joints(weights)):
        groups.setdefault(tuple(np.where(joints)[0]), []).append(vertex)
    for joints, vertices in groups.items():
        if not joints:
            continue
        columns = np.concatenate([np.arange(9 * j, 9 * j + 9) for j in joints])
        a = entries[:, columns]
        normal = a.T @ a + RIDGE * len(a) * np.eye(len(columns))
        right = a.T @ wanted[:, vertices].reshape(len(a), -1)
        solved = np.linalg.solve(normal, right)
        solved = solved.reshape(len(columns), len(vertices), 3).transpose(1, 2, 0)
        out[np.ix_(vertices, [0, 1, 2], columns)] = solved
    return out


def _bending_joints(weights):
    """(V, 15): the joints with part of the vertex's weight beyond them, but not all."""
    subtree = np.eye(16)
    for joint in range(15, 0, -1):
        subtree[PARENTS[joint]] += subtree[joint]
    beyond = (weights @ subtree.T)[:, 1:]
    return (beyond > 0.01) & (beyond < 0.99)
