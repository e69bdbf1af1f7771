"""Crops of images without a hand, cut from beside the hands of annotated ones."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmhand_dne.errors import UserError
from mmhand_dne.randomness.pipeline import draws
from mmhand_dne.structures.hand_parameters import without_hands

from .mesh_geometry import box_corners
from .select_hand import empty_slot


@TRANSFORMS.register_module()
class RandomHandFreeBox(BaseTransform):
    """Sometimes move the box to where the image shows no hand, and say so.

    Presence that has only been trained on crops of hands says 'a hand' to everything.
    The box becomes a square beside the annotated one, which must hold all hands of
    the image, of any size that fits between it and the image's border; a forearm may
    be in it. Both hands' presence is then known to be 0, everything else of them
    unknown. Where no square fits, the sample stays as it is. Ours; neither paper has
    crops without hands. Use it before :class:`MeshCrop`.

    Args:
        prob: probability.
        smallest: the square's smallest side, as a share of the image's shorter side.

    Raises:
        ValueError: ``prob`` is no probability, or ``smallest`` not in (0, 1].
    """

    takes_unposed = True

    def __init__(self, prob: float = 0.1, smallest: float = 0.2) -> None:
        if not 0 <= prob <= 1 or not 0 < smallest <= 1:
            raise UserError(
                f'RandomHandFreeBox: prob={prob} and smallest={smallest}; give a '
                'probability, and a share of the image above 0 and at most 1'
            )
        self.prob, self.smallest = prob, smallest

    def transform(self, results: dict) -> dict:
        """Move the box and empty both hands, or leave the sample."""
        if draws().rand() >= self.prob:
            return results
        height, width = results['img'].shape[:2]
        strips = free_strips(box_corners(results), (width, height))
        sides = (strips[:, 2:] - strips[:, :2]).min(1)
        smallest = self.smallest * min(width, height)
        roomy = np.flatnonzero(sides >= smallest)
        if not len(roomy):
            return results
        strip = strips[roomy[draws().randint(len(roomy))]]
        largest = (strip[2:] - strip[:2]).min()
        side = draws().uniform(smallest, largest)
        corner = draws().uniform(strip[:2], strip[2:] - side)
        results['bbox'] = np.float32([[*corner, *(corner + side)]])
        forget_hands(results)
        return results


def free_strips(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What an image has to the left and right of a box, above and below it.

    Args:
        box: corners (4,) x0, y0, x1, y1, pixels.
        size: (width, height) of the image, pixels.
    Returns: corners (4, 4) of the strips; empty ones have no positive side.
    """
    x0, y0, x1, y1 = box
    width, height = size
    strips = [
        (0, 0, x0, height),
        (x1, 0, width, height),
        (0, 0, width, y0),
        (0, y1, width, height),
    ]
    return np.clip(np.float64(strips), 0, [width, height] * 2)


def forget_hands(results: dict) -> None:
    """The image shows no hand: presence is known to be 0 and nothing else is known."""
    results['hand_type'] = np.zeros_like(results['hand_type'])
    if 'hand_parameters' in results:
        results['hand_parameters'] = without_hands(results['hand_parameters'])
    else:
        for slot in (0, 1):
            empty_slot(results, slot)
        results['hand_presence_valid'] = np.ones_like(results['hand_presence_valid'])
        results['rel_root_valid'] = np.zeros_like(results['rel_root_valid'])
