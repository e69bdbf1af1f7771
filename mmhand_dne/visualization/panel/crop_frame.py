"""The way from an original image to the network's crop of it."""

import cv2
import numpy as np
from mmpose.structures import PoseDataSample

from mmhand_dne.errors import UserError

FRAMES = ('original', 'crop')


def image_to_crop(sample: PoseDataSample) -> np.ndarray:
    """The affine map (3, 3) from original pixels to crop pixels.

    A sample that was mirrored (``flip``) was so before it was cropped, and its
    ``crop_affine`` starts at the mirrored image.

    Args:
        sample: with ``crop_affine`` (2, 3), and with ``flip`` and ``ori_shape`` if
            mirrored.
    Raises:
        ValueError: if one of them is missing.
    """
    affine, shape = sample.get('crop_affine'), sample.get('ori_shape')
    flip = bool(sample.get('flip', False))
    if affine is None or (flip and shape is None):
        raise UserError(
            "the data sample has no 'crop_affine', or it is mirrored and has no "
            "'ori_shape', which lead from the original image to the crop; pack them "
            "or pass the crop with frame='crop'"
        )
    affine = square(affine)
    if not flip:
        return affine
    return affine @ np.array([[-1.0, 0, shape[1] - 1], [0, 1, 0], [0, 0, 1]])


def crop_of(image: np.ndarray, sample: PoseDataSample, frame: str) -> np.ndarray:
    """The input crop, cut from the original image where ``frame`` says so.

    Args:
        image: (h, w, 3) uint8 RGB.
        sample: with ``input_size`` (W, H) and what ``image_to_crop`` needs.
        frame: ``original`` or ``crop``.
    """
    if frame not in FRAMES:
        raise UserError(f'unknown frame {frame!r}; choose from {sorted(FRAMES)}')
    if frame == 'crop':
        return image
    size = tuple(int(side) for side in sample.input_size)
    return cv2.warpAffine(image, image_to_crop(sample)[:2], size)


def square(affine: np.ndarray) -> np.ndarray:
    """A (2, 3) affine map as (3, 3), float64."""
    rows = np.asarray(affine, dtype=np.float64)
    return np.concatenate([rows, [[0.0, 0.0, 1.0]]])
