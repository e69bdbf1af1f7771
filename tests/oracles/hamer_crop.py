"""HaMeR's way from a photo and a box to pixels, step by step as it is documented.

Boxes and their scale (sides over 200) are float32. The box is padded, grown to the
network's aspect and made square. For a left hand the photo is mirrored and the centre
becomes W - 1 - c_x. The affine map goes through three float32 points: the centre and
the ends of two turned half axes; it meets pixel (128, 128) and the ends of the crop's.
"""

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

SIZE = 256


def square_side(box, padding, shape):
    """Side of the square, pixels, from corners (x1, y1, x2, y2)."""
    corners = np.array(box, dtype=np.float32)
    scale = padding * (corners[2:] - corners[:2]) / 200.0
    w, h = (scale * 200).tolist()
    if shape is None:
        return max(w, h)
    wide, high = shape
    if h / w < high / wide:
        h = max(w * high / wide, h)
    else:
        w = max(h * wide / high, w)
    return max(w, h)


def turned(x, y, angle):
    """A float32 vector turned by an angle, rounded once more."""
    x, y = np.float32(x), np.float32(y)
    return np.array(
        [
            x * np.cos(angle) - y * np.sin(angle),
            x * np.sin(angle) + y * np.cos(angle),
        ],
        dtype=np.float32,
    )


def three_points(centre, right, down):
    points = np.zeros((3, 2), dtype=np.float32)
    points[0], points[1], points[2] = centre, centre + down, centre + right
    return points


def crop(
    image,
    box,
    left,
    padding=2.0,
    shape=(192, 256),
    blur=False,
    shift=(0, 0),
    scale=1.0,
    degrees=0.0,
):
    """The (256, 256, 3) crop before normalisation, and its (2, 3) affine map."""
    corners = np.array(box, dtype=np.float32)
    centre = ((corners[2:] + corners[:2]) / 2.0).astype(np.float64)
    side = square_side(box, padding, shape)
    if blur:
        factor = side / SIZE / 2.0
        if factor > 1.1:
            image = image.astype(np.float64)
            for axis in (0, 1):
                image = gaussian_filter1d(
                    image, (factor - 1) / 2, axis, mode='nearest', truncate=4.0
                )
    if left:
        image = np.ascontiguousarray(image[:, ::-1])
        centre[0] = image.shape[1] - 1 - centre[0]
    centre = centre + side * np.array(shift)
    angle, half = np.pi * degrees / 180, side * scale * 0.5
    source = three_points(centre, turned(half, 0, angle), turned(0, half, angle))
    middle = np.array([SIZE / 2, SIZE / 2])
    target = three_points(middle, np.array([SIZE / 2, 0]), np.array([0, SIZE / 2]))
    affine = cv2.getAffineTransform(source, target)
    return cv2.warpAffine(image, affine, (SIZE, SIZE), flags=cv2.INTER_LINEAR), affine
