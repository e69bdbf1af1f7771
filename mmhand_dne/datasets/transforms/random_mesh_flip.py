"""Mirroring an image with all its ground truth."""

from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmhand_dne.geometry.bounding_boxes import mirror_corners
from mmhand_dne.geometry.camera import mirror_intrinsics
from mmhand_dne.randomness.pipeline import draws

from .mesh_geometry import mirror_hands


@TRANSFORMS.register_module()
class RandomMeshFlip(BaseTransform):
    """Mirror the image: u -> W-1-u, X -> -X, right and left change slots.

    ``img`` becomes a view that runs backwards; :class:`MeshCrop` reads it as such.

    Args:
        prob: probability.
    """

    takes_unposed = True

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Mirror or leave; ``flip`` says which."""
        results['flip'] = bool(draws().rand() < self.prob)
        if not results['flip']:
            return results
        width = results['img'].shape[1]
        results['img'] = results['img'][:, ::-1]
        results['bbox'] = mirror_corners(results['bbox'], width)
        results['intrinsics'] = mirror_intrinsics(results['intrinsics'], width)
        mirror_hands(results)
        return results
