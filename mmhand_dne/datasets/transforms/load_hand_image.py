"""Reading an image."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.images import decode_as_stored, is_cut_off


@TRANSFORMS.register_module()
class LoadHandImage(BaseTransform):
    """Read ``img_path`` as (H, W, 3) uint8 BGR into ``img``.

    Args:
        mean: add ``image_mean``, by which :class:`MCPScaledProtocol` knows black
            images; a training needs no such mean.

    Raises:
        ValueError: the file is missing, empty, truncated or no image, or the image has
            another size than its annotation says.
    """

    takes_unposed = True

    def __init__(self, mean: bool = True) -> None:
        self.mean = mean

    def transform(self, results: dict) -> dict:
        """Add ``img``, ``img_shape``, ``ori_shape`` and ``image_mean``.

        The last is the mean over pixels and channels, 0 to 255: some images are black.
        """
        path = results['img_path']
        try:
            with open(path, 'rb', buffering=0) as file:
                content = file.read()
        except OSError as error:
            raise UserError(
                f'{path}: the image cannot be read ({error.strerror}); check '
                'data_prefix in the data config, or unpack this part of the data again'
            ) from error
        # Annotations are of the stored pixels, whatever orientation a tag asks for.
        image = None if is_cut_off(content) else decode_as_stored(content)
        if image is None:
            raise UserError(
                f'{path}: not a readable image ({len(content)} bytes); the file is '
                'damaged, unpack it again'
            )
        _check_size(image, results)
        results['img'] = image
        if self.mean:
            results['image_mean'] = float(np.mean(cv2.mean(image)[:3]))
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results


def _check_size(image: np.ndarray, results: dict) -> None:
    """Compare with the size that the annotation tells, where it does."""
    height, width = image.shape[:2]
    expected = results.get('width', width), results.get('height', height)
    if (width, height) != expected:
        raise UserError(
            f'{results["img_path"]}: the image is {width}x{height} pixels, its '
            f'annotation says {expected[0]}x{expected[1]}; use the images of the same '
            'release as the annotations, not resized'
        )
