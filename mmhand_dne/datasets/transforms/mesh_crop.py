"""The crop: image, 3D ground truth, MANO and intrinsics in one affine map."""

import math

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import mirror_pixels
from mmhand_dne.randomness.pipeline import draws

from .mesh_geometry import box_angle, box_corners, crop_size, rotate_camera

PAPER_SIZE = 256  # pixels; the crop that the paper's shift is measured in
BITS = 11  # of a position's fraction: products of two and a byte fit into 31
UNIT = 1 << BITS
# OpenCV's warpAffine counts positions in 1/1024 pixel and rounds them to 1/32, halves
# upwards. A unit less, and one counted from the other side is rounded to the same.
HALF_DOWN = 1 / 1024


@TRANSFORMS.register_module()
class MeshCrop(BaseTransform):
    """Cut the annotated box as a crop, with the paper's augmentation.

    The paper crops by the data set's box to 256 x 256; that the crop is a square on its
    longer side, without more padding, is ours [decided]. For a crop that is not square
    the box grows to its shape, as in MMPose's ``GetBBoxCenterScale``.

    A rotation of the crop by an angle rotates the camera frame about its optical axis:
    points and global rotations by R, intrinsics K' = A K R^-1 as a full 3x3 matrix
    (with fx != fy it gets small off-diagonals), so that K' projects the rotated points
    onto the rotated pixels exactly. A sample may have ``box_angle``, degrees by which
    its box is rotated clockwise about its middle.

    Args:
        input_size: side of the crop or its (width, height), pixels.
        padding: the crop's side over the longer side of the box; InterHand2.6M's box
            already holds 1.2 times the joints' tight box.
        shift: largest shift along each axis, pixels of a crop whose shorter side is
            256.
        rotation: largest rotation, degrees.
        scale: range of the resizing factor.

    Raises:
        ValueError: a size that is neither a side nor (width, height).
    """

    takes_unposed = True

    def __init__(
        self,
        input_size: int | tuple[int, int] = 256,
        padding: float = 1.0,
        shift: float = 0.0,
        rotation: float = 0.0,
        scale: tuple = (1.0, 1.0),
    ) -> None:
        self.size, self.padding = crop_size(input_size, 'MeshCrop'), padding
        self.shift, self.rotation, self.scale = shift, rotation, tuple(scale)
        self.sides = np.array(self.size)
        self.middle = (self.sides - 1) / 2
        reach = shift * min(self.size) / PAPER_SIZE
        self.ranges = (
            self.scale,
            (-rotation, rotation),
            (-reach, reach),
            (-reach, reach),
        )

    def transform(self, results: dict) -> dict:
        """Add the crop as ``img`` and bring all ground truth into its camera frame."""
        x0, y0, x1, y1 = box_corners(results).tolist()
        extent = (x1 - x0) * self.padding, (y1 - y0) * self.padding
        zooms = [side / span for side, span in zip(self.size, extent) if span > 0]
        if not zooms:
            raise UserError(
                f'{results["img_path"]}: the box {results["bbox"].tolist()} has no '
                'area; correct the annotation or leave the image out'
            )
        centre = np.array(((x0 + x1) / 2, (y0 + y1) / 2))
        stretch, degrees, *shift = self.drawn()
        zoom = min(zooms) * stretch
        angle = math.radians(degrees - box_angle(results))
        cos, sin = np.cos(angle), np.sin(angle)
        rotation = _about_origin(cos, sin)
        affine = _about_origin(zoom * cos, zoom * sin)
        affine[:2, 2] = self.middle + shift - affine[:2, :2] @ centre
        results['img'] = self.cut(results['img'], affine)
        rotate_camera(results, rotation)
        results['intrinsics'] = affine @ results['intrinsics'] @ rotation.T
        results['crop_affine'] = affine[:2]
        results['input_size'] = self.size
        # MMPose's own way back, exact without rotation and shift.
        results['input_scale'] = self.sides / zoom
        results['input_center'] = centre + 0.5 / zoom
        return results

    def drawn(self) -> list[float]:
        """Scale, degrees and shift along both axes, each as ``uniform`` draws it."""
        uniform = draws().random_sample(len(self.ranges)).tolist()
        return [low + (high - low) * x for (low, high), x in zip(self.ranges, uniform)]

    def cut(self, image: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """The crop: sampled exactly for tests, quickly where it is augmented."""
        if (self.shift, self.rotation, self.scale) == (0, 0, (1, 1)):
            return resampled(image, affine, self.size)
        if image.strides[1] < 0:
            # A mirrored view: OpenCV would copy it first, for four times the crop's
            # own time. The mirror goes into the map.
            image, affine = image[:, ::-1], affine @ _mirror(image.shape[1])
        return cv2.warpAffine(image, affine[:2], self.size, flags=cv2.INTER_LINEAR)


def _about_origin(cos: float, sin: float) -> np.ndarray:
    """Of the plane, (3, 3): a rotation, times a scale where both are."""
    return np.array(((cos, -sin, 0.0), (sin, cos, 0.0), (0.0, 0.0, 1.0)))


def _mirror(width: int) -> np.ndarray:
    """Pixels of an image as those of its mirror image, (3, 3), for ``warpAffine``."""
    start = mirror_pixels(0, width) - HALF_DOWN
    return np.array([[-1.0, 0, start], [0, 1, 0], [0, 0, 1]])


def resampled(
    image: np.ndarray, affine: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Bilinear sampling of an image at every pixel of a crop; black outside.

    OpenCV's ``warpAffine`` rounds positions to 1/32 pixel, to one side where they lie
    in between: the crop of a mirrored image then differs from the mirrored crop in
    one pixel out of a hundred by some grey values, which a network can turn into
    millimetres. Here positions are rounded to 1/2048 pixel and the rest is integers.

    Args:
        image: (H, W, C) uint8.
        affine: (3, 3) image to crop pixels.
        size: (W, H) of the crop, pixels.
    Returns: (H, W, C) uint8.
    """
    x, y = _source_positions(np.linalg.inv(affine), size)
    left, top = x >> BITS, y >> BITS
    beside, below = (
        (position & (UNIT - 1)).astype(np.int32)[..., None] for position in (x, y)
    )
    upper, lower = (
        (UNIT - beside) * _pixels(image, left, line)
        + (beside * _pixels(image, left + 1, line))
        for line in (top, top + 1)
    )
    total = (UNIT - below) * upper + below * lower
    return ((total + (1 << (2 * BITS - 1))) >> (2 * BITS)).astype(np.uint8)


def _source_positions(
    inverse: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Where the crop's pixels lie in the image, x and y in whole 1/2048 pixels.

    Without a rotation, x is one row and y one column.
    """
    column, row = np.arange(size[0])[None], np.arange(size[1])[:, None]
    x, y = (
        sum(
            factor * position
            for factor, position in zip(inverse[i], (column, row, 1))
            if factor
        )
        for i in range(2)
    )
    return tuple(
        np.rint(UNIT * np.asarray(position, float)).astype(np.int64)
        for position in (x, y)
    )


def _pixels(image: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Pixels at whole positions, black outside."""
    height, width = image.shape[:2]
    index = row.clip(0, height - 1) * width + column.clip(0, width - 1)
    # Half the time of indexing with row and column.
    found = image.reshape(-1, image.shape[2]).take(index, 0).astype(np.int32)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return found if inside.all() else found * inside[..., None]
