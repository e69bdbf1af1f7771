"""What a cheap camera makes of a crop."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmhand_dne.errors import UserError
from mmhand_dne.randomness.pipeline import draws

Range = tuple[float, float]
LIMITS = dict(  # of the ranges, from no fault to the worst
    blur=(0, np.inf), motion=(1, 11), coarse=(1, 0.05), noise=(0, np.inf), jpeg=(100, 1)
)
MIDDLE_GREY, DARK = 128.0, 16.0  # grey values; noise of a dark pixel is not zero
BANK = 640  # pixels; from here noise is cut
COLOR_SHARE = 0.5  # standard deviation of the colours' noise over the brightness'


@TRANSFORMS.register_module()
class CheapCamera(BaseTransform):
    """Make a crop look like a cheap camera's picture; its labels stay as they are.

    What happens in such a camera, in its order, each with a probability of its own:
    the lens is out of focus, the hand moves, the sensor has few pixels, they are noisy,
    JPEG compresses them. A crop of few pixels is then enlarged as the crop of a photo
    is. Of n faults that come together each has 1 / n of its amount, so that the hand
    can still be seen. Comes after the crop, where it is cheapest. Ours, for renderings
    that are to teach how to read photos.

    The crop comes out as bytes, also if it was float32.

    Args:
        blur: (probability, (mildest, worst)) of a Gaussian's standard deviation,
            pixels.
        motion: of the length of a straight move in any direction, 1 to 11 pixels.
        coarse: of the sensor's pixels along an axis, over the crop's, 1 to 0.05.
        noise: of the standard deviation at middle grey, grey values. Of other grey
            values it grows as the root of the light, as photons are counted. Noise is
            cut at a random place from a bank that is drawn once.
        jpeg: of the quality, 100 to 1.

    Raises:
        UserError: no probability, a range that is none, or an image that is not
            (H, W, 3), bytes or float32.

    Example:
        >>> CheapCamera(jpeg=(1.0, (20, 10)))(dict(img=crop))['img'].dtype
        dtype('uint8')
    """

    takes_unposed = True

    def __init__(
        self,
        blur: tuple[float, Range] = (0.2, (0.5, 2.0)),
        motion: tuple[float, Range] = (0.15, (3, 11)),
        coarse: tuple[float, Range] = (0.25, (0.9, 0.35)),
        noise: tuple[float, Range] = (0.25, (2, 10)),
        jpeg: tuple[float, Range] = (0.3, (80, 20)),
    ) -> None:
        faults = dict(blur=blur, motion=motion, coarse=coarse, noise=noise, jpeg=jpeg)
        self.faults = {name: _checked(name, *pair) for name, pair in faults.items()}

    def transform(self, results: dict) -> dict:
        """Replace ``img``."""
        image = _bytes(results)
        strength = self.sample()
        angle, *place = draws().uniform(size=3)
        if 'blur' in strength:
            image = cv2.GaussianBlur(image, (0, 0), max(strength['blur'], 0.1))
        if 'motion' in strength:
            image = cv2.filter2D(image, -1, motion_kernel(strength['motion'], angle))
        shape = image.shape[1::-1]
        if 'coarse' in strength:
            small = [max(1, round(side * strength['coarse'])) for side in shape]
            image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        if 'noise' in strength:
            image = noisy(image, strength['noise'], place)
        if 'jpeg' in strength:
            image = compressed(image, strength['jpeg'])
        if 'coarse' in strength:
            image = cv2.resize(image, shape, interpolation=cv2.INTER_LINEAR)
        results['img'] = image
        return results

    def sample(self) -> dict[str, float]:
        """Which faults this picture has, and how strong; always as many draws."""
        chances, amounts = draws().uniform(size=(2, len(self.faults)))
        drawn = zip(self.faults.items(), chances, amounts)
        happens = [
            (name, span, amount)
            for (name, (prob, span)), chance, amount in drawn
            if chance < prob
        ]
        return {
            name: mild + amount / len(happens) * (worst - mild)
            for name, (mild, worst), amount in happens
        }


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """A line through the middle of a kernel of odd side, of sum 1.

    Args:
        length: pixels.
        angle: of the line, in half turns.
    Returns: (side, side) float32.
    """
    half = (length - 1) / 2
    side = 2 * int(np.ceil(half)) + 1
    reach = half * np.array([np.cos(np.pi * angle), np.sin(np.pi * angle)])
    # Drawn by bilinear weights of points along it: OpenCV's lines have a width.
    along = np.linspace(-1, 1, 4 * side)[:, None] * reach + side // 2
    cells = np.arange(side)
    weights = np.clip(1 - np.abs(along[..., None] - cells), 0, None)  # (n, 2, side)
    kernel = np.einsum('ny,nx->yx', weights[:, 1], weights[:, 0])
    return np.float32(kernel / kernel.sum())


@lru_cache(maxsize=1)
def noise_bank() -> np.ndarray:
    """(BANK, BANK, 3) float32, standard deviation 1: noise of brightness, and coarser
    noise of colour, since a sensor's pixel sees one colour and lends it to others.
    """
    generator = np.random.Generator(np.random.PCG64(0))
    color = generator.standard_normal((BANK // 2, BANK // 2, 3), np.float32)
    color = cv2.resize(color, (BANK, BANK), interpolation=cv2.INTER_LINEAR)
    bank = generator.standard_normal((BANK, BANK, 1), np.float32)
    bank = bank + COLOR_SHARE / color.std() * color
    return bank / bank.std()


def noisy(image: np.ndarray, strength: float, place: Sequence[float]) -> np.ndarray:
    """The image with a sensor's noise.

    Args:
        image: (H, W, 3) uint8, sides of at most BANK pixels.
        strength: standard deviation at middle grey, grey values.
        place: (2,) in [0, 1), where the noise is cut from the bank.
    Returns: (H, W, 3) uint8.
    """
    height, width = image.shape[:2]
    top, left = (int(p * (BANK + 1 - n)) for p, n in zip(place, (height, width)))
    noise = noise_bank()[top : top + height, left : left + width]
    light = (np.arange(256, dtype=np.float32) + DARK) / (MIDDLE_GREY + DARK)
    gain = cv2.LUT(image, np.float32(strength * np.sqrt(light)))
    return cv2.add(image, cv2.multiply(noise, gain), dtype=cv2.CV_8U)


def compressed(image: np.ndarray, quality: float) -> np.ndarray:
    """What is left of an image (H, W, 3) uint8 BGR as JPEG of a quality, 1 to 100."""
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, round(quality)])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def _checked(name: str, prob: float, span: Range) -> tuple[float, Range]:
    limits = LIMITS[name]
    sign = 1 if limits[0] < limits[1] else -1
    way = [sign * value for value in (limits[0], *span, limits[1])]
    if not 0 <= prob <= 1 or len(span) != 2 or way != sorted(way):
        raise UserError(
            f'CheapCamera: {name}={(prob, tuple(span))}; give a probability and '
            f'(mildest, worst) {name}, on the way from {limits[0]} to {limits[1]}'
        )
    return prob, tuple(span)


def _bytes(results: dict) -> np.ndarray:
    """The crop as uint8, rounded."""
    image = results['img']
    shape, dtype = image.shape, image.dtype
    fits = image.ndim == 3 and shape[2] == 3 and max(shape) <= BANK
    if not fits or dtype not in (np.uint8, np.float32):
        raise UserError(
            f'{results.get("img_path", "a sample")}: CheapCamera got an image of shape '
            f'{shape} and {dtype}, expected (H, W, 3) uint8 or float32 of at most '
            f'{BANK} pixels; put it behind the crop'
        )
    # The crop's float32 is within 0 to 255.
    return image if dtype == np.uint8 else cv2.convertScaleAbs(image)
