"""Scores of FreiHAND and HO-3D from their definitions: one image and point at a time.

The rotation comes from ``scipy.linalg.orthogonal_procrustes``, nearest neighbours from
all pairs, the area from ``numpy``'s trapezoid of every keypoint's own curve.
"""

import numpy as np
from scipy.integrate import trapezoid
from scipy.linalg import orthogonal_procrustes


def align(gt, pred):
    a, b = gt - gt.mean(0), pred - pred.mean(0)
    norm_a = np.sqrt((a**2).sum()) + 1e-8
    norm_b = np.sqrt((b**2).sum()) + 1e-8
    rotation, scale = orthogonal_procrustes(a / norm_a, b / norm_b)
    return (b / norm_b) @ rotation.T * scale * norm_a + gt.mean(0)


def align_by_joints(vertices, gt, pred):
    """The scripts' transform of the joints, on vertices of another topology."""
    a, b = gt - gt.mean(0), pred - pred.mean(0)
    norm = np.sqrt((a**2).sum()) + 1e-8
    rotation, scale = orthogonal_procrustes(
        a / norm, b / (np.sqrt((b**2).sum()) + 1e-8)
    )
    centre = vertices.mean(0)
    moved = (vertices - centre) @ rotation.T * scale * norm
    return moved + gt.mean(0) - pred.mean(0) + centre


def scale_translation(gt, pred):
    # In the scripts' order: divide, multiply, subtract, add. For a perfect prediction
    # it decides which distances are exactly 0.
    length = np.sqrt(((pred[4] - pred[0]) ** 2).sum())
    true_length = np.sqrt(((gt[4] - gt[0]) ** 2).sum())
    unit = np.stack([p / length for p in pred]) if length > 0 else pred
    scaled = np.stack([p * true_length for p in unit])
    return np.stack([(p - scaled[0]) + gt[0] for p in scaled])


def mean_and_auc(preds, gts):
    means, areas = [], []
    limits = np.linspace(0, 0.05, 100)
    for k in range(gts[0].shape[0]):
        d = np.array(
            [
                np.sqrt(((p[k] - t[k]) ** 2).sum())
                for p, t in zip(preds, gts, strict=True)
            ]
        )
        means.append(d.mean())
        curve = [(d <= limit).mean() for limit in limits]
        areas.append(trapezoid(curve, limits) / trapezoid(np.ones(100), limits))
    return 100 * np.mean(means), np.mean(areas)


def f_score(preds, gts, limit):
    found = []
    for p, t in zip(preds, gts, strict=True):
        pairs = np.sqrt(((p[:, None] - t[None]) ** 2).sum(-1))
        precision = (pairs.min(1) < limit).mean()
        recall = (pairs.min(0) < limit).mean()
        both = precision + recall
        found.append(2 * precision * recall / both if both > 0 else 0.0)
    return np.mean(found)


def scores(pred, gt, protocol):
    same = len(pred[1][0]) == len(gt[1][0])
    aligned = [[align(t, p) for p, t in zip(pred[0], gt[0], strict=True)]]
    if same:
        aligned.append([align(t, p) for p, t in zip(pred[1], gt[1], strict=True)])
    else:
        aligned.append(
            [
                align_by_joints(v, t, p)
                for v, t, p in zip(pred[1], gt[0], pred[0], strict=True)
            ]
        )
    al = {'freihand': 'xyz_al', 'ho3d': 'xyz_procrustes_al'}[protocol]
    rows = [
        ('xyz', pred[0], gt[0]),
        (al, aligned[0], gt[0]),
        ('mesh', pred[1], gt[1]),
        ('mesh_al', aligned[1], gt[1]),
    ]
    if protocol == 'ho3d':
        moved = [scale_translation(t, p) for p, t in zip(pred[0], gt[0], strict=True)]
        rows.append(('xyz_scale_trans_al', moved, gt[0]))
    found = {}
    for name, p, t in rows:
        if 'mesh' in name and not same:  # -1, of which the error is turned into cm
            found[f'{name}_mean3d'], found[f'{name}_auc3d'] = -100, -1
            continue
        found[f'{name}_mean3d'], found[f'{name}_auc3d'] = mean_and_auc(p, t)
    for millimetres in (5, 15):
        limit = millimetres / 1000
        found[f'f_score_{millimetres}'] = f_score(pred[1], gt[1], limit)
        found[f'f_al_score_{millimetres}'] = f_score(aligned[1], gt[1], limit)
    return found
