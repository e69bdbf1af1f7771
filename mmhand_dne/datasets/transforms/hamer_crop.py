"""HaMeR's crop, its training augmentation and its filter against aliasing."""

import cv2
import numpy as np
import scipy
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS

from mmhand_dne.errors import UserError

from .mesh_geometry import box_angle, box_corners, crop_size, rotate_camera

SCALE_UNIT = 200  # pixels; HaMeR keeps box sizes in this unit, rounded to float32
DEMO = 'demo'
TRUNCATE = 4.0  # standard deviations that the filter reaches
BLUR_FROM = 1.1  # shrinking by more than twice this factor is filtered first


@TRANSFORMS.register_module()
class HaMeRCrop(BaseTransform):
    """Cut a square around the hand's box, bit for bit as HaMeR does.

    Comes after :class:`SelectHand`, which has mirrored the source image of a left hand;
    the box centre is mirrored as c_x -> W-1-c_x. The square is as wide as the box is
    after ``padding`` and after growing to ``aspect``; an affine map through three
    float32 points sends its centre to pixel size/2, where HaMeR has it.

    Pixel centres are at integers here, so size/2 is half a pixel beside the crop's
    middle (NDC 0). HaMeR calls that pixel its origin; ``half_pixel`` instead sends the
    centre to the true middle, (size-1)/2, for models that are not HaMeR's weights
    [decided]. All ground truth, NDC included, is exact for either.

    The network reads the middle columns of the square (``HaMeRViT.crop_columns``). A
    crop that is not square is the middle of such a square, whose side has the crop's
    longer side of pixels: with 192 x 256 and without ``crop_columns`` a network reads
    the same pixels.

    Args:
        input_size: side of the crop or its (width, height), pixels.
        padding: factor on the box: 2 in HaMeR's demo; 1 where a file's boxes already
            are padded.
        aspect: (w, h) to which the box grows; None, as HaMeR trains, takes its longer
            side; a crop that is not square always has its own.
        blur: filter the image where it shrinks much; the crop is then float32. HaMeR
            does so in its demo, not in training and evaluation: 'demo' filters where
            :class:`HandMeshInferencer` cuts boxes and not in a data set, True always.
        shift: factor on the box's side times a standard normal sample cut at +-1
            (HaMeR: 0.02), along each axis.
        scale: the side changes by this times a sample cut at +-1 (HaMeR: 0.3).
        rotation: degrees, times a sample cut at +-2 (HaMeR: 30), with probability
            ``rotation_prob``.
        color: each channel is multiplied by a uniform sample from 1 +- this (HaMeR:
            0.2), cut to 0..255; the crop is then float32.

    A rotation by r rotates points and global rotations by -r about the optical axis;
    K' = A K R^-1 as in :class:`MeshCrop`, as is ``box_angle``.

    Raises:
        ValueError: a size that is neither a side nor (width, height), an aspect that is
            not the crop's, an unknown blur, a scale from 1 on.
    """

    def __init__(
        self,
        input_size: int | tuple[int, int] = 256,
        padding: float = 2.0,
        aspect: tuple | None = (192, 256),
        blur: bool | str = False,
        half_pixel: bool = False,
        shift: float = 0.0,
        scale: float = 0.0,
        rotation: float = 0.0,
        rotation_prob: float = 0.6,
        color: float = 0.0,
    ) -> None:
        size = crop_size(input_size, 'HaMeRCrop')
        if not 0 <= scale < 1:
            raise UserError(
                f'HaMeRCrop: scale is {scale}, expected 0 <= scale < 1; the square '
                'would vanish'
            )
        if blur not in (True, False, DEMO):
            raise UserError(
                f'HaMeRCrop: blur={blur!r} is unknown; set True, False or {DEMO!r}'
            )
        self.size, self.side, self.padding = size, max(size), padding
        self.aspect = own_aspect(size, aspect)
        self.blur, self.half_pixel = blur is True, half_pixel
        self.shift, self.scale, self.color = shift, scale, color
        self.rotation, self.rotation_prob = rotation, rotation_prob

    def transform(self, results: dict) -> dict:
        """Add the crop as ``img`` and bring all ground truth into its camera frame."""
        centre, side = self.square(results)
        tx, ty, factor, degrees, tones = self.sample()
        degrees = degrees + box_angle(results)
        centre = centre + side * np.array([tx, ty])
        affine = self.affine(centre, side * factor, degrees)
        results['img'] = self.cut(results['img'], affine, side, tones)
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        rotation = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        rotate_camera(results, rotation)
        results['intrinsics'] = affine @ results['intrinsics'] @ rotation.T
        results['crop_affine'] = affine[:2]
        results['input_size'] = self.size
        # MMPose's own way back, exact without rotation.
        share = np.array(self.size) / self.side
        results['input_scale'] = side * factor * share
        results['input_center'] = centre + (
            0.5 * side * factor / self.side if self.half_pixel else 0
        )
        return results

    def square(self, results: dict) -> tuple[np.ndarray, float]:
        """Centre (2,) and side in pixels, rounded where HaMeR rounds to float32."""
        x0, y0, x1, y1 = box_corners(results)
        if not max(x1 - x0, y1 - y0) > 0:
            raise UserError(
                f'{results["img_path"]}: the box {[x0, y0, x1, y1]} has no area; '
                'correct the annotation or leave the hand out'
            )
        last = results['img'].shape[1] - 1
        flip = results.get('flip', False)
        if flip:  # HaMeR rounds the box of the image on disk
            x0, x1 = last - x1, last - x0
        corners = np.float32([[x0, y0], [x1, y1]])
        centre = ((corners[1] + corners[0]) / np.float32(2)).astype(np.float64)
        if flip:
            centre[0] = last - centre[0]
        extent = np.float32(self.padding) * (corners[1] - corners[0])
        extent = extent / np.float32(SCALE_UNIT) * np.float32(SCALE_UNIT)
        w, h = (float(value) for value in extent)
        wide, high = self.aspect or (1, 1)
        return centre, max(w, h, w * high / wide, h * wide / high)

    def cut(
        self,
        image: np.ndarray,
        affine: np.ndarray,
        side: float,
        tones: np.ndarray | None,
    ) -> np.ndarray:
        """The crop, uint8, or float32 where it may be filtered or its colours change.

        Args:
            image: (H, W, 3) uint8.
            affine: (3, 3) image to crop pixels.
            side: of the square in the image, pixels.
            tones: (3,) factors of the channels.
        """
        if self.blur:
            image = blurred(image, side / self.side / 2, self.seen(affine, image))
        crop = cv2.warpAffine(
            image,
            affine[:2],
            self.size,
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )
        if tones is not None:
            crop = np.clip(crop * tones, 0, 255)
        floating = self.blur or crop.dtype.kind == 'f'
        return crop.astype(np.float32) if floating else crop

    def seen(self, affine: np.ndarray, image: np.ndarray) -> tuple[slice, slice]:
        """Rows and columns of the image that the crop's pixels are made of."""
        ends = ([-1, length] for length in self.size)
        corners = np.stack([*np.meshgrid(*ends), np.ones((2, 2))])
        x, y, _ = np.linalg.inv(affine) @ corners.reshape(3, 4)
        return tuple(
            slice(
                int(np.clip(np.floor(values.min()) - 1, 0, length)),
                int(np.clip(np.ceil(values.max()) + 2, 0, length)),
            )
            for values, length in zip((y, x), image.shape)
        )

    def sample(self) -> tuple:
        """Shift along x and y, scale, degrees and channel factors (3,) or None."""

        def normal(bound: float) -> float:
            return np.clip(np.random.randn(), -bound, bound)

        tx, ty = (normal(1) * self.shift if self.shift else 0.0 for _ in range(2))
        factor = 1 + normal(1) * self.scale if self.scale else 1.0
        rotated = self.rotation and np.random.rand() <= self.rotation_prob
        degrees = normal(2) * self.rotation if rotated else 0.0
        tones = None
        if self.color:
            tones = np.random.uniform(1 - self.color, 1 + self.color, 3)
            tones = tones.astype(np.float32)
        return tx, ty, factor, degrees, tones

    def affine(self, centre: np.ndarray, side: float, degrees: float) -> np.ndarray:
        """(3, 3) image to crop pixels, through three points rounded to float32."""
        angle = np.deg2rad(degrees)
        half = np.float32(side * 0.5)
        right = np.float32([half * np.cos(angle), half * np.sin(angle)])
        down = np.float32([-half * np.sin(angle), half * np.cos(angle)])
        source = np.stack([centre, centre + down, centre + right])
        middle = np.full(2, self.side * 0.5 - 0.5 * self.half_pixel)
        reach = self.side * 0.5
        target = np.stack([middle, middle + [0, reach], middle + [reach, 0]])
        affine = np.eye(3)
        affine[:2] = cv2.getAffineTransform(np.float32(source), np.float32(target))
        affine[:2, 2] -= (self.side - np.array(self.size)) / 2
        return affine


def own_aspect(size: tuple[int, int], aspect: tuple | None) -> tuple | None:
    """The aspect that a box grows to; of a crop that is not square its own.

    Args:
        size: (W, H) of the crop, pixels.
        aspect: (w, h), or None.
    Raises:
        UserError: they do not agree: a part of the box would be outside.
    """
    if size[0] == size[1]:
        return aspect
    if aspect is not None and aspect[0] * size[1] != aspect[1] * size[0]:
        raise UserError(
            f'HaMeRCrop: aspect={tuple(aspect)} is not the shape of input_size={size}, '
            'whose crops would cut hands off; set aspect=None'
        )
    return size


def blurred(image: np.ndarray, shrink: float, seen: tuple[slice, slice]) -> np.ndarray:
    """The image before it is made ``2 * shrink`` times smaller, float64 if filtered.

    Only the rows and columns ``seen`` are: what is read of a photo of many pixels is
    then bit for bit what filtering all of it gives.
    """
    if shrink <= BLUR_FROM:
        return image
    sigma = (shrink - 1) / 2
    reach = int(TRUNCATE * sigma + 0.5)  # of the kernel
    filtered = image.astype(np.float64)
    wide = tuple(slice(max(s.start - reach, 0), s.stop + reach) for s in seen)
    inner = tuple(
        slice(s.start - w.start, s.stop - w.start) for s, w in zip(seen, wide)
    )
    if all(s.stop > s.start for s in seen):
        filtered[seen] = scipy.ndimage.gaussian_filter(
            filtered[wide], (sigma, sigma, 0), mode='nearest', truncate=TRUNCATE
        )[inner]
    return filtered
