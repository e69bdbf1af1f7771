"""Random evaluated samples with covariances."""

import numpy as np

from tests.oracles.hand_samples import random_sample


def random_covariance(rng, dims):
    mixing = rng.normal(0, 0.02, (dims, dims))
    return mixing @ mixing.T / dims + np.diag(rng.uniform(1e-5, 2e-3, dims))


def uncertain_sample(index, hand_type=None, dims=60, dtype=np.float32):
    """A PoseDataSample of a model with error bars, the same for the same index."""
    sample = random_sample(index, hand_type)
    rng = np.random.default_rng([7, index])
    fields = dict(
        hand_joint_covariance=[random_covariance(rng, dims) for _ in range(2)],
        hand_root=rng.normal(0.05, 0.03, (2, 3)),
    )
    sample.pred_instances.set_data(
        {name: np.array(value, dtype)[None] for name, value in fields.items()}
    )
    return sample
