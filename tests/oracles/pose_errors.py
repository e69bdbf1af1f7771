"""Pose errors written from their definitions: one hand, plain loops, float64.

Alignment comes from scipy (``Rotation.align_vectors``, a second implementation of
Wahba's problem) or, where reflections are allowed, from the better of both signs.
"""

import math

import numpy as np
from scipy.spatial.transform import Rotation


def distance(a, b):
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += (float(x) - float(y)) ** 2
    return math.sqrt(total)


def mean_error(pred, gt, valid):
    """Mean distance over valid points; None where no point is valid."""
    found = [distance(p, t) for p, t, ok in zip(pred, gt, valid, strict=True) if ok]
    return sum(found) / len(found) if found else None


def align(pred, gt, valid, reflection=False):
    """Best similarity of the valid points of pred, applied to all of pred."""
    pred, gt = np.asarray(pred, float), np.asarray(gt, float)
    chosen = [i for i, ok in enumerate(valid) if ok]
    pred_mean, gt_mean = pred[chosen].mean(0), gt[chosen].mean(0)
    x, y = pred - pred_mean, gt - gt_mean
    best = None
    for mirror in (1.0, -1.0) if reflection else (1.0,):
        rotation = Rotation.align_vectors(y[chosen], mirror * x[chosen])[0].as_matrix()
        turned = mirror * x @ rotation.T
        dot = sum(float(turned[i] @ y[i]) for i in chosen)
        scale = dot / sum(float(x[i] @ x[i]) for i in chosen)
        moved = scale * turned + gt_mean
        cost = sum(distance(moved[i], gt[i]) ** 2 for i in chosen)
        if best is None or cost < best[0]:
            best = (cost, moved)
    return best[1]


def orthographic_pixels(points, camera, size):
    """DNE Eq. 5 in NDC, then pixel centres at integers."""
    found = []
    for x, y, _ in points:
        ndc = (camera[0][0] * x + camera[0][1], camera[1][0] * y + camera[1][1])
        found.append([((n + 1) * s - 1) / 2 for n, s in zip(ndc, size, strict=True)])
    return found


def perspective_pixels(points, root, intrinsics):
    found = []
    for point in points:
        homogeneous = [
            sum(intrinsics[row][k] * (point[k] + root[k]) for k in range(3))
            for row in range(3)
        ]
        found.append([homogeneous[0] / homogeneous[2], homogeneous[1] / homogeneous[2]])
    return found


def floor_error(gt):
    """2D error of the true meshes of an image, each under its own best camera."""
    hands = []
    for h in range(2):
        if not (gt['vertices_valid'][h] and gt['root_valid'][h]):
            continue
        wanted = np.array(
            perspective_pixels(gt['vertices'][h], gt['root_cam'][h], gt['intrinsics'])
        )
        found = np.empty_like(wanted)
        for axis in range(2):
            values = np.asarray(gt['vertices'][h], float)[:, axis]
            design = np.stack([values, np.ones_like(values)], 1)
            fit = np.linalg.lstsq(design, wanted[:, axis], rcond=None)[0]
            found[:, axis] = design @ fit
        hands.append(mean_error(found, wanted, [True] * len(wanted)))
    return mean_or_none(hands)


def points_error(points, gt, size):
    """2D error of predicted image points (2, V, 2), crop NDC."""
    hands = []
    for h in range(2):
        if not (gt['vertices_valid'][h] and gt['root_valid'][h]):
            continue
        wanted = perspective_pixels(
            gt['vertices'][h], gt['root_cam'][h], gt['intrinsics']
        )
        found = [
            [((n + 1) * s - 1) / 2 for n, s in zip(point, size, strict=True)]
            for point in points[h]
        ]
        hands.append(mean_error(found, wanted, [True] * len(wanted)))
    return mean_or_none(hands)


def mean_or_none(values):
    values = [v for v in values if v is not None]
    return sum(values) / len(values) if values else None


def image_errors(pred, gt, size, wrist=0, reflection=False):
    """The six errors of one image: per hand, then the mean of hands with ground truth.

    Args:
        pred: dict vertices (2, V, 3), joints (2, J, 3), camera (2, 2, 2).
        gt: dict vertices, vertices_valid, joints, joints_valid, joints_ndc,
            joints_ndc_valid, root_cam, root_valid, intrinsics.

    Returns: dict name -> mm or crop pixels, None without ground truth.
    """
    hands = []
    for h in range(2):
        joints = np.asarray(pred['joints'][h], float)
        root = joints[wrist]
        vertices = np.asarray(pred['vertices'][h], float)
        joint_ok = [bool(v) for v in gt['joints_valid'][h]]
        mesh_ok = [bool(gt['vertices_valid'][h])] * len(vertices)
        plane_ok = [bool(v and gt['root_valid'][h]) for v in mesh_ok]
        ndc_ok = [bool(v) for v in gt['joints_ndc_valid'][h]]
        row = {
            'MPJPE': mean_error(1000 * (joints - root), _mm(gt, 'joints', h), joint_ok),
            'MPVPE': mean_error(
                1000 * (vertices - root), _mm(gt, 'vertices', h), mesh_ok
            ),
        }
        row['PA-MPJPE'] = row['PA-MPVPE'] = row['MPVPE2D'] = None
        if sum(joint_ok) >= 3:
            moved = align(1000 * joints, _mm(gt, 'joints', h), joint_ok, reflection)
            row['PA-MPJPE'] = mean_error(moved, _mm(gt, 'joints', h), joint_ok)
        if all(mesh_ok):
            moved = align(1000 * vertices, _mm(gt, 'vertices', h), mesh_ok, reflection)
            row['PA-MPVPE'] = mean_error(moved, _mm(gt, 'vertices', h), mesh_ok)
        if all(plane_ok):
            row['MPVPE2D'] = mean_error(
                orthographic_pixels(vertices, pred['camera'][h], size),
                perspective_pixels(
                    gt['vertices'][h], gt['root_cam'][h], gt['intrinsics']
                ),
                plane_ok,
            )
        row['MPJPE2D'] = mean_error(
            orthographic_pixels(joints, pred['camera'][h], size),
            [
                [((n + 1) * s - 1) / 2 for n, s in zip(point, size, strict=True)]
                for point in gt['joints_ndc'][h]
            ],
            ndc_ok,
        )
        hands.append(row)
    return {name: mean_or_none([hand[name] for hand in hands]) for name in hands[0]}


def relative_root_error(pred_root, gt_root):
    """MRRPE of one image, mm: left minus right wrist."""
    pred = [1000 * (pred_root[1][k] - pred_root[0][k]) for k in range(3)]
    gt = [1000 * (gt_root[1][k] - gt_root[0][k]) for k in range(3)]
    return distance(pred, gt)


def _mm(gt, name, hand):
    return 1000 * np.asarray(gt[name][hand], float)
