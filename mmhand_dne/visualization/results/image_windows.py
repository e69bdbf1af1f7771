"""Windows: the whole image or a part of it, drawn at a bounded size.

So an image of 48 megapixels costs hardly more than a small one.
"""

from typing import NamedTuple

import cv2
import numpy as np

OUTSIDE = 225  # grey level beyond the border of the image
AROUND = 2  # pixels of the picture that are cut around a close-up
SHRUNK = 0.7  # of the image's size, below which a picture is made of means
BLURRED = 0.6  # of its size, below which a picture is blurred before it is shrunk
BLUR = 0.5  # deviation of that blur, pixels
SAME = 0.75  # pixels, by which a part of the image may be off and is not moved


class Window(NamedTuple):
    """A part of the image and the picture it becomes."""

    left: float  # pixels of the image, its left edge at -0.5
    top: float
    scale: float  # pixels of the picture per pixel of the image
    size: tuple[int, int]  # (h, w) of the picture

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of the image as pixels of the picture."""
        return (points - (self.left, self.top)) * self.scale - 0.5


def whole_window(size: tuple[int, int], longest: int) -> Window:
    """The whole image (w, h), its longer side ``longest`` pixels."""
    scale = longest / max(size)
    height, width = (max(1, round(scale * side)) for side in size[::-1])
    return Window(-0.5, -0.5, scale, (height, width))


def cut(image: np.ndarray, window: Window) -> np.ndarray:
    """What the window shows of the image, grey beyond its border.

    Args:
        image: (h, w, 3) uint8 RGB.
    """
    image, scale, start = _reduced(image, window)
    size = window.size[::-1]
    affine = np.array([[scale[0], 0, start[0]], [0, scale[1], start[1]]])
    corners = np.array(image.shape[1::-1]) - 0.5
    ends = affine @ [[-0.5, corners[0]], [-0.5, corners[1]], [1, 1]]
    if np.abs(ends.T + 0.5 - [(0, 0), size]).max() < SAME:  # all of it, and no more
        return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return cv2.warpAffine(
        image, affine, size, flags=cv2.INTER_LINEAR, borderValue=(OUTSIDE,) * 3
    )


def _reduced(
    image: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the window shows of an image, shrunk by means over its pixels where that is
    larger than the picture; x and y of a step from its pixel to the next and of its
    first pixel, pixels of the picture.
    """
    first, step = np.zeros(2), 1  # pixels of the image
    if window.scale < SHRUNK:
        step = int(1 / window.scale)
        first, image = _around(image, window, step)
    if step > 1:
        small = [side // step for side in image.shape[1::-1]]
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    if step * window.scale < BLURRED:  # what is left to be shrunk by
        image = cv2.GaussianBlur(image, (3, 3), BLUR)
    scale = np.full(2, step * window.scale)
    return image, scale, window.to_picture(first + (step - 1) / 2)


def _around(
    image: np.ndarray, window: Window, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """The upper left pixel (2,) and the pixels of a window's part of the image, with
    some around it where the image has them, and its last ones again up to a whole step.
    """
    size = np.array(image.shape[1::-1])
    low = np.array([window.left, window.top])
    high = low + np.array(window.size[::-1]) / window.scale
    more = AROUND / window.scale
    low = np.floor(low - more).clip(0, size - 1).astype(int)
    high = np.ceil(high + more).clip(low + 1, size).astype(int)
    high = low - (low - high) // step * step
    part = image[low[1] : high[1], low[0] : high[0]]
    if (high > size).any():
        right, below = (high - size).clip(0).tolist()
        sides = (0, below, 0, right)
        part = cv2.copyMakeBorder(part, *sides, cv2.BORDER_REPLICATE)
    return low, part
