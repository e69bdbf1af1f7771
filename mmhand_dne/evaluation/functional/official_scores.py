"""Scores of FreiHAND and HO-3D as their official scripts define them.

Absolute coordinates in metres, float64, every image counted. Alignments may mirror the
prediction; joints and vertices are aligned separately. Errors and scores have the names
and the unit (centimetres) that the official ``scores.txt`` uses: ten times
``xyz_al_mean3d`` is the PA-MPJPE in mm that papers give.
"""

import numpy as np
from scipy.spatial import cKDTree

CENTIMETRES = 100.0  # in a metre
AUC_THRESHOLDS = np.linspace(0.0, 0.05, 100)  # metres
F_THRESHOLDS = {5: 0.005, 15: 0.015}  # millimetres in the name, metres
MIN_NORM = 1e-8  # metres; the official scripts add it to both norms
HO3D_WRIST, HO3D_MIDDLE = 0, 4  # ends of the bone that fixes HO-3D's scale
PROTOCOLS = ('freihand', 'ho3d')


def official_align(pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Prediction after the best similarity; reflections are allowed.

    Args:
        pred: (B, N, 3) metres.
        truth: (B, N, 3) metres.

    Returns: (B, N, 3). A prediction without spread lands on the truth's mean.
    """
    truth_mean = truth.mean(1, keepdims=True)
    centred, true_centred = pred - pred.mean(1, keepdims=True), truth - truth_mean
    true_norm = np.linalg.norm(true_centred, axis=(1, 2), keepdims=True) + MIN_NORM
    centred = centred / (np.linalg.norm(centred, axis=(1, 2), keepdims=True) + MIN_NORM)
    cross = (true_centred / true_norm).swapaxes(1, 2) @ centred
    u, singular, vh = np.linalg.svd(cross)
    scale = singular.sum(-1)[:, None, None]
    return centred @ (u @ vh).swapaxes(1, 2) * scale * true_norm + truth_mean


def scale_translation_align(pred: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """HO-3D joints with the true length wrist to middle MCP, on the true wrist.

    Args:
        pred: (B, 21, 3) metres, HO-3D joint order.
        truth: (B, 21, 3) alike.

    Returns: (B, 21, 3). Where the predicted bone has no length only the wrist moves.
    """

    def bone(joints):
        bones = joints[:, HO3D_MIDDLE] - joints[:, HO3D_WRIST]
        return np.linalg.norm(bones, axis=-1)[:, None, None]

    length = bone(pred)
    scaled = pred / np.where(length > 0, length, 1.0) * bone(truth)
    wrist = slice(HO3D_WRIST, HO3D_WRIST + 1)
    return scaled - scaled[:, wrist] + truth[:, wrist]


def mean_and_auc(pred: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Mean distance in cm, and area under the share of points within 0 to 5 cm.

    Args:
        pred: (B, N, 3) metres.
        truth: (B, N, 3) metres.
    """
    distance = np.linalg.norm(pred - truth, axis=-1)
    share = np.array([(distance <= limit).mean() for limit in AUC_THRESHOLDS])
    steps = np.diff(AUC_THRESHOLDS)
    area = ((share[1:] + share[:-1]) / 2 * steps).sum() / steps.sum()
    return float(CENTIMETRES * distance.mean()), float(area)


def f_scores(pred: np.ndarray, truth: np.ndarray) -> dict[int, float]:
    """F-score at 5 and 15 mm between vertex sets, point to point, mean over images.

    Args:
        pred: (B, N, 3) metres.
        truth: (B, M, 3) metres.
    """
    found = {name: [] for name in F_THRESHOLDS}
    for points, true_points in zip(pred, truth, strict=True):
        to_truth = cKDTree(true_points).query(points)[0]
        to_pred = cKDTree(points).query(true_points)[0]
        for name, limit in F_THRESHOLDS.items():
            precision, recall = (to_truth < limit).mean(), (to_pred < limit).mean()
            total = precision + recall
            found[name].append(2 * precision * recall / total if total else 0.0)
    return {name: float(np.mean(values)) for name, values in found.items()}


def official_scores(
    pred: tuple[np.ndarray, np.ndarray],
    truth: tuple[np.ndarray, np.ndarray],
    protocol: str,
) -> dict[str, float]:
    """All scores of one official script, under its names.

    Args:
        pred: joints (B, 21, 3) and vertices (B, 778, 3), metres, in the data set's own
            joint order and axes (HO-3D: its order, OpenGL).
        truth: alike.
        protocol: 'freihand' or 'ho3d'.

    Raises:
        ValueError: unknown protocol, other shapes, numbers that are not finite, or no
            image.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f'unknown protocol {protocol!r}; choose from {PROTOCOLS}')
    pred = [np.asarray(points, np.float64) for points in pred]
    truth = [np.asarray(points, np.float64) for points in truth]
    _check(pred, truth)
    aligned = [official_align(p, t) for p, t in zip(pred, truth, strict=True)]
    procrustes = 'xyz_al' if protocol == 'freihand' else 'xyz_procrustes_al'
    pairs = {
        'xyz': (pred[0], truth[0]),
        procrustes: (aligned[0], truth[0]),
        'mesh': (pred[1], truth[1]),
        'mesh_al': (aligned[1], truth[1]),
    }
    if protocol == 'ho3d':
        moved = scale_translation_align(pred[0], truth[0])
        pairs['xyz_scale_trans_al'] = (moved, truth[0])
    scores = {}
    for name, pair in pairs.items():
        scores[f'{name}_mean3d'], scores[f'{name}_auc3d'] = mean_and_auc(*pair)
    for name, points in (('f_score', pred[1]), ('f_al_score', aligned[1])):
        for limit, value in f_scores(points, truth[1]).items():
            scores[f'{name}_{limit}'] = value
    return scores


def _check(pred: list[np.ndarray], truth: list[np.ndarray]) -> None:
    names = ('joints', 'vertices')
    for name, points, wanted in zip(names, pred, truth, strict=True):
        if points.shape != wanted.shape or points.ndim != 3 or not len(points):
            raise ValueError(
                f'predicted {name} have shape {points.shape}, the truth {wanted.shape};'
                ' give one row an image of the evaluation list, in its order'
            )
        if not (np.isfinite(points).all() and np.isfinite(wanted).all()):
            raise ValueError(
                f'{name} hold NaN or infinity; every image needs finite numbers'
            )
