"""Skinning weights, shape directions and the joint regressor."""

import numpy as np
from scipy.optimize import nnls

from .layout import NUM_BETAS, NUM_VERTICES, PARENTS, WRIST

MAX_BONES = 4  # skinning weights per vertex
MIN_WEIGHT = 0.01
REGRESSOR_SAMPLES, REGRESSOR_CANDIDATES = 400, 80


def keep_largest_weights(weights):
    """The four largest weights of each vertex, at least 0.01, with sum 1."""
    weights = np.where(weights < MIN_WEIGHT, 0, weights)
    smaller = np.argsort(weights, 1)[:, :-MAX_BONES]
    np.put_along_axis(weights, smaller, 0, 1)
    return weights / weights.sum(1, keepdims=True)


def shape_directions(samples):
    """Principal directions of vertices (S, V, 3), one unit a standard deviation.

    Returns: directions (V, 3, 10) and the share of the variance of each (10,).
    """
    mean = samples.mean(0)
    centred = (samples - mean).reshape(len(samples), -1)
    variance, vectors = np.linalg.eigh(centred.T @ centred / (len(samples) - 1))
    variance, vectors = variance[::-1], vectors.T[::-1][:NUM_BETAS].copy()
    # Signs: beta 0 grows the hand, the others have a positive largest entry.
    vectors[0] *= np.sign((vectors[0] * (mean - WRIST).ravel()).sum())
    for vector in vectors[1:]:
        vector *= np.sign(vector[abs(vector).argmax()])
    scaled = vectors * np.sqrt(variance[:NUM_BETAS])[:, None]
    directions = scaled.reshape(NUM_BETAS, NUM_VERTICES, 3).transpose(1, 2, 0)
    return directions, variance[:NUM_BETAS] / variance.sum()


def joint_regressor(samples, joints, weights):
    """Sparse convex rows (16, V) by non-negative least squares.

    Args:
        samples: (S, V, 3) flat hands; joints: (S, 16, 3) their joints.
        weights: (V, 16); only vertices near a joint, on it or on its parent, take part.
    """
    mean = samples.mean(0)
    chosen = np.linspace(0, len(samples) - 1, REGRESSOR_SAMPLES).astype(int)
    out = np.zeros((16, NUM_VERTICES))
    for joint in range(16):
        distance = np.linalg.norm(mean - joints[:, joint].mean(0), axis=1)
        own = weights[:, joint] + (weights[:, PARENTS[joint]] if joint else 0)
        near = (own > 0.5) & (distance < (0.03 if joint else 0.045))
        near = np.where(near)[0]
        near = near[np.argsort(distance[near])[:REGRESSOR_CANDIDATES]]
        equations = samples[chosen][:, near].transpose(0, 2, 1).reshape(-1, len(near))
        sum_row = np.full((1, len(near)), 3.0)  # weight of "the row sums to 1"
        damping = 2e-3 * np.eye(len(near))
        row, _ = nnls(
            np.r_[equations, sum_row, damping],
            np.r_[joints[chosen, joint].ravel(), 3.0, np.zeros(len(near))],
        )
        row[row < 1e-3] = 0
        out[joint, near] = row / row.sum()
    return out
