"""The posterior of a moving point: one dense linear system over all frames."""

import numpy as np


def posterior(measured, noise, transition, process, prior_mean, prior_cov, seen):
    """Mean (T, k) and covariance (T, k, k) of the positions of one series.

    Stacks all states of all frames into one vector, writes its prior as precision
    terms |x_0 - m|^2 and |x_t+1 - F x_t|^2, adds the measurements and inverts.

    Args:
        measured: (T, k). noise: (T, k, k). transition, process: (m, m) of the whole
        state, position first. prior_mean: (m,). prior_cov: (m, m). seen: (T,).
    """
    frames, width = measured.shape
    size = len(transition)
    precision = np.zeros((frames * size, frames * size))
    vector = np.zeros(frames * size)
    precision[:size, :size] += np.linalg.inv(prior_cov)
    vector[:size] += np.linalg.inv(prior_cov) @ prior_mean
    step = np.hstack([-transition, np.eye(size)])
    for t in range(frames - 1):
        rows = slice(t * size, (t + 2) * size)
        precision[rows, rows] += step.T @ np.linalg.inv(process) @ step
    for t in np.flatnonzero(seen):
        rows = slice(t * size, t * size + width)
        weight = np.linalg.inv(noise[t])
        precision[rows, rows] += weight
        vector[rows] += weight @ measured[t]
    covariance = np.linalg.inv(precision)
    mean = (covariance @ vector).reshape(frames, size)[:, :width]
    blocks = [
        covariance[t * size : t * size + width, t * size : t * size + width]
        for t in range(frames)
    ]
    return mean, np.stack(blocks)
