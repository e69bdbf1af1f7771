"""From a covariance of all joints to one of the joints relative to the wrist."""

import numpy as np

from mmhand_dne.conventions import NUM_JOINTS, WRIST

RELATIVE_SIZE = 3 * (NUM_JOINTS - 1)


def without_wrist(covariance: np.ndarray) -> np.ndarray:
    """Covariance (60, 60) of joints 1 to 20 relative to the wrist.

    That of the linear map y_k - y_0 of a Gaussian over all joints [decided]: scores of
    unaligned models are compared in the aligned frame.

    Args:
        covariance: (63, 63) of all joints, any unit squared; or already (60, 60), which
            is returned as it is.
    """
    if len(covariance) == RELATIVE_SIZE:
        return covariance
    rest, wrist = slice(3, None), slice(3 * WRIST, 3 * WRIST + 3)
    across = np.tile(covariance[rest, wrist], (1, NUM_JOINTS - 1))
    own = np.tile(covariance[wrist, wrist], (NUM_JOINTS - 1, NUM_JOINTS - 1))
    return covariance[rest, rest] - across - across.T + own
