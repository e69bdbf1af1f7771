"""Random evaluated samples with covariances, and their evaluation in processes."""

import os

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator

from tests.oracles.hand_samples import batches, random_sample


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


def evaluate_rank(rank, world_size, port, count, out_path):
    """Evaluate ``count`` samples as rank of ``world_size``, in order and shuffled."""
    from mmhand_dne.evaluation import SparsificationMetric

    torch.set_num_threads(1)
    os.chdir(os.path.dirname(out_path))
    torch.distributed.init_process_group(
        'gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=world_size
    )
    found = []
    for mode in ('standard', 'released'):
        evaluator = Evaluator(SparsificationMetric(mode))
        for shuffle in (False, True):
            for batch in batches(DefaultSampler(range(count), shuffle=shuffle, seed=0)):
                evaluator.process([uncertain_sample(i, dims=63) for i in batch])
            found.append(evaluator.evaluate(count))
    torch.save(found, f'{out_path}.{rank}')
    torch.distributed.destroy_process_group()
