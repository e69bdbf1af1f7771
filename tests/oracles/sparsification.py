"""Sparsification and calibration from their definitions: loops and float64."""

import math

import numpy as np
from scipy import stats


def mean_of_first(pairs, count):
    return math.fsum(error for _, error in pairs[:count]) / count


def pearson(x, y):
    """Covariance over the product of standard deviations, by exact sums."""
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    dx, dy = [a - mean_x for a in x], [b - mean_y for b in y]
    product = math.fsum(a * b for a, b in zip(dx, dy, strict=True))
    norms = (math.fsum(a * a for a in dx), math.fsum(b * b for b in dy))
    return product / math.sqrt(norms[0]) / math.sqrt(norms[1])


def ranks(values):
    """1 plus how many are smaller, plus half of how many others are equal."""
    values = np.asarray(values)
    return [
        1 + int((values < value).sum()) + (int((values == value).sum()) - 1) / 2
        for value in values
    ]


def standard_scores(errors, uncertainties):
    """Pairs -> AUSC, AUSE and correlations, in the errors' unit."""
    total = len(errors)
    curves = {}
    for name, keys in (('model', uncertainties), ('oracle', errors)):
        ranked = sorted(range(total), key=lambda i: keys[i])  # sorted() is stable
        pairs = [(keys[i], errors[i]) for i in ranked]
        curves[name] = [
            mean_of_first(pairs, max(1, round(k * total / 100))) for k in range(1, 101)
        ]
    areas = {
        name: sum((a + b) / 2 * 0.01 for a, b in zip(curve, curve[1:], strict=False))
        / 0.99
        for name, curve in curves.items()
    }
    found = dict(
        AUSC=areas['model'],
        AUSE=areas['model'] - areas['oracle'],
        AUSC_oracle=areas['oracle'],
        Spearman=pearson(ranks(errors), ranks(uncertainties)),
    )
    for name, clip in (('', None), ('_1_99', (1, 99)), ('_5_95', (5, 95))):
        clipped = np.asarray(uncertainties, float)
        if clip:
            low, high = np.percentile(clipped, clip)
            clipped = np.clip(clipped, low, high)
        found[f'Pearson{name}'] = pearson(errors, clipped)
    return found


def hand_density(residual, covariance, visible):
    """NLL in nats of the visible joints, and their Mahalanobis distance.

    Args:
        residual: (K, 3).
        covariance: (3 K, 3 K).
        visible: (K) bool.
    """
    rows = [3 * j + c for j, ok in enumerate(visible) if ok for c in range(3)]
    block = np.asarray(covariance, float)[rows][:, rows]
    r = np.asarray(residual, float).reshape(-1)[rows]
    nll = -stats.multivariate_normal(np.zeros(len(r)), block).logpdf(r)
    return nll, float(r @ np.linalg.inv(block) @ r), len(rows)


def is_covered(residual, covariance, visible, percent):
    """Whether the visible joints lie in the ellipsoid of that probability."""
    _, distance, dims = hand_density(residual, covariance, visible)
    return distance <= stats.chi2(dims).ppf(percent / 100)


def aligned_covariance(covariance, wrist=0):
    """Of y_k - y_wrist for the other joints, by an explicit linear map."""
    joints = len(covariance) // 3
    rows = []
    for k in range(joints):
        if k == wrist:
            continue
        for c in range(3):
            row = np.zeros(3 * joints)
            row[3 * k + c], row[3 * wrist + c] = 1, -1
            rows.append(row)
    return np.array(rows) @ covariance @ np.array(rows).T
