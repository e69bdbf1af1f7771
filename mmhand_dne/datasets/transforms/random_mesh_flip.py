"""Mirroring an image with all its ground truth."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from .mesh_geometry import mirror_hands


@TRANSFORMS.register_module()
class RandomMeshFlip(BaseTransform):
    """Mirror the image: u -> W-1-u, X -> -X, right and left change slots.

    Args:
        prob: probability.
    """

    def __init__(self, prob: float = 0.5):
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Mirror or leave; ``flip`` says which."""
        results['flip'] = bool(np.random.rand() < self.prob)
        if not results['flip']:
            return results
        width = results['img'].shape[1]
        results['img'] = results['img'][:, ::-1]
        x, y, w, h = results['bbox']
        results['bbox'] = np.array([width - 1 - x - w, y, w, h])
        intrinsics = results['intrinsics'].copy()
        intrinsics[0, 2] = width - 1 - intrinsics[0, 2]
        results['intrinsics'] = intrinsics
        mirror_hands(results)
        return results
