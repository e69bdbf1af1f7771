"""Scores of FreiHAND and HO-3D as their official scripts define them.

Absolute coordinates in metres, float64, every image counted. Alignments may mirror the
prediction; joints and vertices are aligned separately. Errors and scores have the names
and the unit (centimetres) that the official ``scores.txt`` uses: ten times
``xyz_al_mean3d`` is the PA-MPJPE in mm that papers give.

Every score is the plain mean of one number per image: all images have equally many
points, and the area under a curve is linear in the curve.

A point counts at the threshold 0 if its distance is 0. Whether rounding leaves 0 or
1e-17 of a perfect prediction is decided by the order of operations, which therefore is
the scripts' own in ``scale_translation_align``; it moves such an area by up to 0.5/99.
"""

from collections.abc import Sequence

import numpy as np
import scipy

from mmhand_dne.errors import UserError

CENTIMETRES = 100.0  # in a metre
AUC_THRESHOLDS = np.linspace(0.0, 0.05, 100)  # metres
F_THRESHOLDS = {5: 0.005, 15: 0.015}  # millimetres in the name, metres
MIN_NORM = 1e-8  # metres; the official scripts add it to both norms
HO3D_WRIST, HO3D_MIDDLE = 0, 4  # ends of the bone that fixes HO-3D's scale
PROTOCOLS = ('freihand', 'ho3d')
NO_MESH = -100.0, -1.0  # error in cm and area that the scripts print without one
CHUNK = 256  # images worked on at a time


def official_align(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """Prediction after the best similarity; reflections are allowed.

    Args:
        pred: (B, N, 3) metres.
        gt: (B, N, 3) metres.

    Returns: (B, N, 3). Predicted points that coincide land on the ground truth's mean.
    """
    centred, rotation, size = _similarity(pred, gt)
    return centred @ rotation * size + gt.mean(1, keepdims=True)


def align_by_joints(
    vertices: np.ndarray, joints: np.ndarray, gt_joints: np.ndarray
) -> np.ndarray:
    """Vertices of another topology under the transform that aligns the joints.

    As in the official scripts, which do not divide by the predicted joints' size here:
    the result is too small by that factor.

    Args:
        vertices: (B, M, 3) metres.
        joints, gt_joints: (B, 21, 3) metres.
    """
    _, rotation, size = _similarity(joints, gt_joints)
    mean = vertices.mean(1, keepdims=True)
    step = (gt_joints - joints).mean(1, keepdims=True)
    return (vertices - mean) @ rotation * size + mean + step


def _similarity(
    pred: np.ndarray, gt: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centred prediction of unit norm, R^T (B, 3, 3), and the size to give it."""
    gt_centred = gt - gt.mean(1, keepdims=True)
    centred = pred - pred.mean(1, keepdims=True)
    gt_norm = np.linalg.norm(gt_centred, axis=(1, 2), keepdims=True) + MIN_NORM
    centred = centred / (np.linalg.norm(centred, axis=(1, 2), keepdims=True) + MIN_NORM)
    u, singular, vh = np.linalg.svd((gt_centred / gt_norm).swapaxes(1, 2) @ centred)
    scale = singular.sum(-1)[:, None, None]
    return centred, (u @ vh).swapaxes(1, 2), scale * gt_norm


def scale_translation_align(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """HO-3D joints with the true length wrist to middle MCP, on the true wrist.

    Args:
        pred: (B, 21, 3) metres, HO-3D joint order.
        gt: (B, 21, 3) alike.

    Returns: (B, 21, 3). Where the predicted bone has no length, its length counts as
        one metre, as in the official script.
    """

    def bone(joints: np.ndarray) -> np.ndarray:
        bones = joints[:, HO3D_MIDDLE] - joints[:, HO3D_WRIST]
        return np.linalg.norm(bones, axis=-1)[:, None, None]

    length = bone(pred)
    scaled = pred / np.where(length > 0, length, 1.0) * bone(gt)
    wrist = slice(HO3D_WRIST, HO3D_WRIST + 1)
    return scaled - scaled[:, wrist] + gt[:, wrist]


def mean_and_auc(pred: np.ndarray, gt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each image: mean distance in cm, area under its share within 0 to 5 cm.

    Args:
        pred: (B, N, 3) metres.
        gt: (B, N, 3) metres.

    Returns: (B) and (B).
    """
    distance = np.linalg.norm(pred - gt, axis=-1)
    # Trapezoid: what a point adds to the area, by the first threshold it is within.
    weights = np.ones(len(AUC_THRESHOLDS))
    weights[[0, -1]] = 0.5
    tail = np.append(np.cumsum(weights[::-1])[::-1], 0.0) / (len(weights) - 1)
    area = tail[np.searchsorted(AUC_THRESHOLDS, distance, side='left')]
    return CENTIMETRES * distance.mean(-1), area.mean(-1)


def f_scores(pred: np.ndarray, gt: np.ndarray) -> dict[int, np.ndarray]:
    """F-score at 5 and 15 mm between vertex sets, point to point.

    Args:
        pred: (B, N, 3) metres.
        gt: (B, M, 3) metres.

    Returns: for 5 and 15 a (B).
    """
    found = {name: [] for name in F_THRESHOLDS}
    for points, gt_points in zip(pred, gt, strict=True):
        to_gt = scipy.spatial.cKDTree(gt_points).query(points)[0]
        to_pred = scipy.spatial.cKDTree(points).query(gt_points)[0]
        for name, limit in F_THRESHOLDS.items():
            precision, recall = (to_gt < limit).mean(), (to_pred < limit).mean()
            total = precision + recall
            found[name].append(2 * precision * recall / total if total else 0.0)
    return {name: np.array(values) for name, values in found.items()}


def image_scores(
    pred: tuple[np.ndarray, np.ndarray],
    gt: tuple[np.ndarray, np.ndarray],
    protocol: str,
) -> dict[str, np.ndarray]:
    """Every image's scores, (B) each, in the order of ``scores.txt``.

    Args and errors as :func:`official_scores`.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f'unknown protocol {protocol!r}; choose from {PROTOCOLS}')
    joints, vertices = (np.asarray(points, np.float64) for points in pred)
    gt_joints, gt_vertices = (np.asarray(points, np.float64) for points in gt)
    _check((joints, vertices), (gt_joints, gt_vertices))
    same_mesh = vertices.shape == gt_vertices.shape
    if same_mesh:
        mesh_al = official_align(vertices, gt_vertices)
    else:
        mesh_al = align_by_joints(vertices, joints, gt_joints)
    scores = {}
    for name, points in _joint_versions(joints, gt_joints, protocol).items():
        scores.update(_named(name, *mean_and_auc(points, gt_joints)))
    for name, points in (('mesh', vertices), ('mesh_al', mesh_al)):
        found = NO_MESH
        if same_mesh:
            found = mean_and_auc(points, gt_vertices)
        scores.update(
            _named(name, *(np.broadcast_to(value, len(points)) for value in found))
        )
    raw, al = f_scores(vertices, gt_vertices), f_scores(mesh_al, gt_vertices)
    for limit in F_THRESHOLDS:
        scores[f'f_score_{limit}'] = raw[limit]
        scores[f'f_al_score_{limit}'] = al[limit]
    return scores


def _joint_versions(
    joints: np.ndarray, gt_joints: np.ndarray, protocol: str
) -> dict[str, np.ndarray]:
    """The joints (B, 21, 3) raw and after each alignment, by the scores' names."""
    aligned = official_align(joints, gt_joints)
    if protocol == 'freihand':
        return dict(xyz=joints, xyz_al=aligned)
    scaled = scale_translation_align(joints, gt_joints)
    return dict(xyz=joints, xyz_procrustes_al=aligned, xyz_scale_trans_al=scaled)


def _named(name: str, mean: np.ndarray, area: np.ndarray) -> dict[str, np.ndarray]:
    return {f'{name}_mean3d': mean, f'{name}_auc3d': area}


def official_scores(
    pred: tuple[np.ndarray, np.ndarray],
    gt: tuple[np.ndarray, np.ndarray],
    protocol: str,
) -> dict[str, float]:
    """All scores of one official script, under its names.

    Args:
        pred: joints (B, 21, 3) and vertices (B, 778, 3), metres, in the data set's own
            joint order and axes (HO-3D: its order, OpenGL). Another number of vertices
            gets F-scores only, after the joints' alignment.
        gt: alike.
        protocol: 'freihand' or 'ho3d'.

    Raises:
        ValueError: unknown protocol, other shapes, numbers that are not finite, or no
            image.
    """
    _check(pred, gt)
    parts = [
        image_scores(
            [points[start : start + CHUNK] for points in pred],
            [points[start : start + CHUNK] for points in gt],
            protocol,
        )
        for start in range(0, len(pred[0]), CHUNK)
    ]
    return {
        name: float(np.concatenate([part[name] for part in parts]).mean())
        for name in parts[0]
    }


def scores_text(scores: dict[str, float]) -> str:
    """The official ``scores.txt``: one line ``name: value`` per score, six digits."""
    return ''.join(f'{name}: {value:f}\n' for name, value in scores.items())


def _check(pred: Sequence[np.ndarray], gt: Sequence[np.ndarray]) -> None:
    names = ('joints', 'vertices')
    for name, points, wanted in zip(names, pred, gt, strict=True):
        found, expected = np.shape(points), np.shape(wanted)
        if name == 'vertices' and len(found) == 3:  # any topology
            expected = (*expected[:1], found[1], *expected[2:])
        if found != expected or len(found) != 3 or 0 in found:
            raise UserError(
                f'predicted {name} have shape {found}, the ground truth '
                f'{np.shape(wanted)}; give one row per image of the evaluation list, '
                'in its order'
            )
        if not (np.isfinite(points).all() and np.isfinite(wanted).all()):
            raise UserError(
                f'{name} hold NaN or infinity; every image needs finite numbers'
            )
