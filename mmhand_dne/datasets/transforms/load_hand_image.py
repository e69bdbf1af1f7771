"""Reading an image."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadHandImage(BaseTransform):
    """Read ``img_path`` as (H, W, 3) uint8 BGR into ``img``.

    Raises:
        ValueError: the file is missing, empty or no image.
    """

    def transform(self, results: dict) -> dict:
        """Add ``img``, ``img_shape`` and ``ori_shape``."""
        path = results['img_path']
        try:
            content = np.fromfile(path, np.uint8)
        except OSError as error:
            raise ValueError(
                f'{path}: the image cannot be read ({error.strerror}); check '
                'data_prefix in the data config, or unpack this part of the data again'
            ) from error
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
        if image is None:
            raise ValueError(
                f'{path}: not a readable image ({content.size} bytes); the file is '
                'damaged, unpack it again'
            )
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results
