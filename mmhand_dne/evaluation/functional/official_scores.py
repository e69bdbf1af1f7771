"""Scores of FreiHAND and HO-3D as their official scripts define them.

Absolute coordinates in metres, float64, every image counted. Alignments may mirror the
prediction; joints and vertices are aligned separately. Errors and scores have the names
and the unit (centimetres) that the official ``scores.txt`` uses: ten times
``xyz_al_mean3d`` is the PA-MPJPE in mm that papers give.

Every score is the plain mean of one number an image: all images have equally many
points, and the area under a curve is linear in the curve.

A point counts at the threshold 0 if its distance is 0. Whether rounding leaves 0 or
1e-17 of a perfect prediction is decided by the order of operations, which therefore is
the scripts' own in ``scale_translation_align``; it moves such an area by up to 0.5/99.
"""

import numpy as np
from scipy.spatial import cKDTree

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

    Returns: (B, N, 3). A prediction without spread lands on the ground truth's mean.
    """
    centred, turn, size = _similarity(pred, gt)
    return centred @ turn * size + gt.mean(1, keepdims=True)


def align_by_joints(vertices, joints, true_joints) -> np.ndarray:
    """Vertices of another topology under the transform that aligns the joints.

    As in the official scripts, which do not divide by the predicted joints' size here:
    the result is too small by that factor.

    Args:
        vertices: (B, M, 3) metres.
        joints, true_joints: (B, 21, 3) metres.
    """
    _, turn, size = _similarity(joints, true_joints)
    mean = vertices.mean(1, keepdims=True)
    step = (true_joints - joints).mean(1, keepdims=True)
    return (vertices - mean) @ turn * size + mean + step


def _similarity(pred, gt) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centred prediction of unit norm, R^T (B, 3, 3), and the size to give it."""
    true_centred = gt - gt.mean(1, keepdims=True)
    centred = pred - pred.mean(1, keepdims=True)
    true_norm = np.linalg.norm(true_centred, axis=(1, 2), keepdims=True) + MIN_NORM
    centred = centred / (np.linalg.norm(centred, axis=(1, 2), keepdims=True) + MIN_NORM)
    u, singular, vh = np.linalg.svd((true_centred / true_norm).swapaxes(1, 2) @ centred)
    scale = singular.sum(-1)[:, None, None]
    return centred, (u @ vh).swapaxes(1, 2), scale * true_norm


def scale_translation_align(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """HO-3D joints with the true length wrist to middle MCP, on the true wrist.

    Args:
        pred: (B, 21, 3) metres, HO-3D joint order.
        gt: (B, 21, 3) alike.

    Returns: (B, 21, 3). Where the predicted bone has no length, its length counts as
        one metre, as in the official script.
    """

    def bone(joints):
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
    for points, true_points in zip(pred, gt, strict=True):
        to_gt = cKDTree(true_points).query(points)[0]
        to_pred = cKDTree(points).query(true_points)[0]
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
    pred = [np.asarray(points, np.float64) for points in pred]
    gt = [np.asarray(points, np.float64) for points in gt]
    _check(pred, gt)
    same_mesh = pred[1].shape == gt[1].shape
    aligned = [official_align(pred[0], gt[0]), None]
    aligned[1] = (
        official_align(pred[1], gt[1])
        if same_mesh
        else (align_by_joints(pred[1], pred[0], gt[0]))
    )
    ho3d = protocol == 'ho3d'
    joints = {'xyz': pred[0], 'xyz_procrustes_al' if ho3d else 'xyz_al': aligned[0]}
    if ho3d:
        joints['xyz_scale_trans_al'] = scale_translation_align(pred[0], gt[0])
    scores = {}
    for name, points in (*joints.items(), ('mesh', pred[1]), ('mesh_al', aligned[1])):
        mean, area = NO_MESH
        if name in joints or same_mesh:
            mean, area = mean_and_auc(points, gt[0 if name in joints else 1])
        scores[f'{name}_mean3d'] = np.broadcast_to(mean, len(points))
        scores[f'{name}_auc3d'] = np.broadcast_to(area, len(points))
    raw, al = f_scores(pred[1], gt[1]), f_scores(aligned[1], gt[1])
    for limit in F_THRESHOLDS:
        scores[f'f_score_{limit}'] = raw[limit]
        scores[f'f_al_score_{limit}'] = al[limit]
    return scores


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
    """The official ``scores.txt``: a line ``name: value`` with six digits a score."""
    return ''.join(f'{name}: {value:f}\n' for name, value in scores.items())


def _check(pred, gt) -> None:
    names = ('joints', 'vertices')
    for name, points, wanted in zip(names, pred, gt, strict=True):
        found, expected = np.shape(points), np.shape(wanted)
        if name == 'vertices' and len(found) == 3:  # any topology
            expected = (*expected[:1], found[1], *expected[2:])
        if found != expected or len(found) != 3 or 0 in found:
            raise UserError(
                f'predicted {name} have shape {found}, the ground truth '
                f'{np.shape(wanted)};'
                ' give one row an image of the evaluation list, in its order'
            )
        if not (np.isfinite(points).all() and np.isfinite(wanted).all()):
            raise UserError(
                f'{name} hold NaN or infinity; every image needs finite numbers'
            )
