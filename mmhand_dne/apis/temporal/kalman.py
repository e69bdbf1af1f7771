"""Kalman filter and Rauch-Tung-Striebel smoother over many series at once.

Letters: T frames, G series, k coordinates of a series that are measured together, n
derivatives kept of each (position, velocity, ...). A state is (n, k), its covariance
(n k, n k) in that order. Time is counted in frames. Everything is float64.

Comments name a state x, its covariance P, the motion's transition F and noise Q, a
measurement y with noise R, as the textbooks do; ' transposes. F stands for F kron I_k,
which is never formed.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

LOG_2PI = np.log(2 * np.pi)


class Motion(NamedTuple):
    """How a coordinate moves by itself from frame to frame.

    Attributes:
        transition: (n, n) of position and its derivatives.
        noise: (n, n) covariance of what is added, for a process of unit strength.
    """

    transition: np.ndarray
    noise: np.ndarray


# The derivative that is driven by white noise is integrated exactly over a frame.
CONSTANT_VELOCITY = Motion(
    np.array([[1.0, 1.0], [0.0, 1.0]]),
    np.array([[1 / 3, 1 / 2], [1 / 2, 1.0]]),
)
CONSTANT_ACCELERATION = Motion(
    np.array([[1.0, 1.0, 0.5], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]),
    np.array([[1 / 20, 1 / 8, 1 / 6], [1 / 8, 1 / 3, 1 / 2], [1 / 6, 1 / 2, 1.0]]),
)


class Passed(NamedTuple):
    """One frame of the forward pass, after its measurement.

    Attributes:
        mean: (G, n, k).
        covariance: (G or 1, n k, n k).
        surprise: (G,) squared Mahalanobis length of the innovation, 0 where nothing
            was measured.
        log_det: (G or 1,) of the innovation's covariance, likewise.
    """

    mean: np.ndarray
    covariance: np.ndarray
    surprise: np.ndarray
    log_det: np.ndarray


class Filtered(NamedTuple):
    """What the forward pass knew after each of T frames.

    Attributes:
        means: (T, G, n, k).
        covariances: (T, G or 1, n k, n k).
        surprise, log_det: (T, G), (T, G or 1), see :class:`Passed`.
        step: (G or 1, n k, n k) what a frame adds to the covariance.
    """

    means: np.ndarray
    covariances: np.ndarray
    surprise: np.ndarray
    log_det: np.ndarray
    step: np.ndarray

    def before(self, motion: Motion, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance that were predicted for a frame above 0; also for frame
        T, from which another pass can go on.
        """
        return _predicted(
            motion, self.means[frame - 1], self.covariances[frame - 1], self.step
        )


def filter_steps(
    measured: np.ndarray,
    noise: np.ndarray,
    motion: Motion,
    strength: np.ndarray,
    seen: np.ndarray,
    prior: tuple[np.ndarray, np.ndarray],
) -> Iterator[Passed]:
    """Forward pass, frame by frame; one that is not seen is predicted through.

    Args:
        measured: (T, G, k); what is not seen may hold anything.
        noise: (T, G or 1, k, k) covariance of the measurements.
        motion: of each coordinate.
        strength: (G or 1, k, k) covariance that multiplies the motion's unit noise.
        seen: (T,) bool.
        prior: mean (G, n, k) and covariance (G or 1, n k, n k) before the first frame's
            measurement.
    """
    groups = measured.shape[1]
    step = _process_noise(motion, strength)
    mean, covariance = prior
    shared = max(noise.shape[1], len(strength), len(covariance))
    covariance = np.broadcast_to(covariance, (shared, *covariance.shape[1:]))
    for t in range(len(measured)):
        if t:
            mean, covariance = _predicted(motion, mean, covariance, step)
        surprise, log_det = np.zeros(groups), np.zeros(len(covariance))
        if seen[t]:
            mean, covariance, surprise, log_det = _update(
                mean, covariance, measured[t], noise[t]
            )
        yield Passed(mean, covariance, surprise, log_det)


def kalman_filter(
    measured: np.ndarray,
    noise: np.ndarray,
    motion: Motion,
    strength: np.ndarray,
    seen: np.ndarray,
    prior: tuple[np.ndarray, np.ndarray],
) -> Filtered:
    """The whole forward pass; arguments as of :func:`filter_steps`."""
    kept: list[np.ndarray] = []
    for t, passed in enumerate(
        filter_steps(measured, noise, motion, strength, seen, prior)
    ):
        if not t:  # in place: lists that are stacked would need twice the memory
            kept = [np.empty((len(measured), *value.shape)) for value in passed]
        for rows, value in zip(kept, passed):
            rows[t] = value
    return Filtered(*kept, _process_noise(motion, strength))


def rts_smoother(filtered: Filtered, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Backward pass: what all frames together say (Rauch, Tung and Striebel 1965).

    Returns: positions (T, G, k) and their covariances (T, G or 1, k, k).
    """
    frames, groups, order, width = filtered.means.shape
    mean, covariance = filtered.means[-1], filtered.covariances[-1]
    positions = [mean[:, 0]]
    variances = [covariance[:, :width, :width].copy()]
    for t in range(frames - 2, -1, -1):
        now = filtered.covariances[t]
        predicted, ahead = filtered.before(motion, t + 1)
        # G = P_t F' A^-1, with A = F P_t F' + Q the covariance that was predicted for
        # the next frame. P_t and A are symmetric, so G' = A^-1 F P_t is one solve.
        crossing = _apply(motion.transition, now, width)  # F P
        gain = np.swapaxes(np.linalg.solve(ahead, crossing), -1, -2)
        # m = m_t + G (m_next - predicted): what the next frame learned beyond its
        # prediction, seen from here.
        gap = (mean - predicted).reshape(groups, -1, 1)
        mean = filtered.means[t] + (gain @ gap).reshape(groups, order, width)
        # P = P_t + G (P_next - A) G', smaller than P_t, as P_next is than A.
        covariance = now + gain @ (covariance - ahead) @ np.swapaxes(gain, -1, -2)
        positions.append(mean[:, 0])
        variances.append(covariance[:, :width, :width].copy())
    return np.stack(positions[::-1]), np.stack(variances[::-1])


def diffuse_prior(
    first: np.ndarray, motion: Motion, variance: float
) -> tuple[np.ndarray, np.ndarray]:
    """A prior that says next to nothing, for :func:`kalman_filter`.

    Args:
        first: (G, k) around which the position lies; the derivatives are around 0.
        variance: of the position, and of each derivative per frame; far above the
            measurements' own.
    """
    order, width = len(motion.transition), first.shape[-1]
    mean = np.zeros((len(first), order, width))
    mean[:, 0] = first
    return mean, variance * np.eye(order * width)[None]


def _update(
    mean: np.ndarray, covariance: np.ndarray, measured: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The state after a measurement y = H x + v, and how surprising that was.

    H takes the position out of a state, so that H P and H P H' are parts of P.

    Args:
        mean: (G, n, k) x.
        covariance: (G or 1, n k, n k) P.
        measured: (G, k) y.
        noise: (G or 1, k, k) R, the covariance of v.

    Returns: mean and covariance after it, ``surprise`` and ``log_det`` of
    :class:`Filtered`.
    """
    groups, order, width = mean.shape
    # S = H P H' + R
    shared = covariance[:, :, :width]  # P H', (G, n k, k)
    innovation = covariance[:, :width, :width] + noise
    # K = P H' S^-1. S is symmetric: K' = S^-1 H P is a solve, without an inverse.
    gain = np.swapaxes(np.linalg.solve(innovation, np.swapaxes(shared, -1, -2)), -1, -2)
    # x <- x + K e, with the innovation e = y - H x
    gap = (measured - mean[:, 0])[..., None]
    after = mean + (gain @ gap).reshape(groups, order, width)
    # P <- P - K H P
    left = covariance - gain @ np.swapaxes(shared, -1, -2)
    left = (left + np.swapaxes(left, -1, -2)) / 2  # rounding would make it drift
    # e' S^-1 e and log |S|, of which the log-likelihood consists. Series that share
    # their S are solved one by one, as each has its own e.
    whitened = np.linalg.solve(np.broadcast_to(innovation, (groups, width, width)), gap)
    surprise = (gap * whitened).sum((-1, -2))
    return after, left, surprise, np.linalg.slogdet(innovation)[1]


def _apply(matrix: np.ndarray, covariance: np.ndarray, width: int) -> np.ndarray:
    """``kron(matrix, identity) @ covariance``, without the Kronecker product."""
    shape = covariance.shape
    rows = covariance.reshape(*shape[:-2], len(matrix), width * shape[-1])
    return (matrix @ rows).reshape(shape)


def _moved(motion: Motion, covariance: np.ndarray, width: int) -> np.ndarray:
    """F P F', as the transpose of F (F P)' with P symmetric."""
    half = np.swapaxes(_apply(motion.transition, covariance, width), -1, -2)
    moved = _apply(motion.transition, half, width)
    return (moved + np.swapaxes(moved, -1, -2)) / 2


def _predicted(
    motion: Motion, mean: np.ndarray, covariance: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The state a frame later: x <- F x, P <- F P F' + Q."""
    width = mean.shape[-1]
    return motion.transition @ mean, _moved(motion, covariance, width) + step


def _process_noise(motion: Motion, strength: np.ndarray) -> np.ndarray:
    """Q (G or 1, n k, n k): what one frame adds to the state's covariance."""
    return np.stack([np.kron(motion.noise, one) for one in strength])
