"""Random light and colours of a crop."""

import mmcv
import numpy as np
from mmpose.datasets.transforms import PhotometricDistortion
from mmpose.registry import TRANSFORMS

HUES = 180  # OpenCV's, of a picture in bytes
SATURATION, HUE, BOTH = 1, 2, 3  # MMPose's numbers of what changes


@TRANSFORMS.register_module()
class LightDistortion(PhotometricDistortion):
    """MMPose's ``PhotometricDistortion``, whose steps here do what they are named.

    With MMPose 1.3.2's own (1) a float32 crop, such as :class:`HaMeRCrop` makes with
    ``color``, mostly turns grey where saturation is to change: it is at most 1 there
    and is rounded as if it went to 255; (2) hues of a crop in bytes that leave 0 to
    179 become others instead of going round, so that skin, which is at 0, gets green
    spots; (3) contrast changes twice or not at all. Draws, arguments and ranges are
    MMPose's. The crop comes out as bytes; labels stay as they are.

    Example:
        >>> light = LightDistortion(hue_delta=5)
        >>> light(dict(img=np.zeros((8, 8, 3), np.float32)))['img'].dtype
        dtype('uint8')
    """

    def transform(self, results: dict) -> dict:
        """Replace ``img``, (H, W, 3) BGR, uint8 or float32 in 0..255."""
        flags = self._random_flags()
        late, brighter, contrast, colors, swap = flags[:5]
        beta, alpha, saturation, hue, order = flags[5:]
        image = self._convert(results['img'], beta=beta if brighter else 0)
        if contrast and not late:
            image = self._convert(image, alpha=alpha)
        if colors:
            image = mmcv.bgr2hsv(image)
            if colors in (SATURATION, BOTH):
                image[..., 1] = self._convert(image[..., 1], alpha=saturation)
            if colors in (HUE, BOTH):
                image[..., 0] = (image[..., 0].astype(int) + hue) % HUES
            image = mmcv.hsv2bgr(image)
        if contrast and late:
            image = self._convert(image, alpha=alpha)
        results['img'] = np.ascontiguousarray(image[..., order]) if swap else image
        return results
