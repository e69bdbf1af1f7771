"""Changing the camera frame of all of a sample's 3D ground truth at once."""

from collections.abc import Callable, Sequence

import numpy as np
from mmcv.transforms import RandomGrayscale
from mmpose.datasets.transforms import PhotometricDistortion

from mmhand_dne.conventions import MIRROR_POINTS
from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_parameters import mirrored_axes, turned_axes
from mmhand_dne.structures.raw_sample import HANDS, POINTS, names_of

from .light_distortion import LightDistortion

# They draw by NumPy's generator: MMPose's and MMCV's, and ours on MMPose's.
PIXELS_ONLY = (PhotometricDistortion, LightDistortion, RandomGrayscale)
CAMERA_POINTS = names_of(POINTS)
PER_HAND = names_of(POINTS, HANDS)


def takes_unposed(transform: Callable) -> bool:
    """Whether a transform works where the hands are still parameters: ours that say so,
    and those that only change pixels.
    """
    return draws_ours(transform) or type(transform) in PIXELS_ONLY


def draws_ours(transform: Callable) -> bool:
    """Whether all that a transform draws is from :func:`draws`: those of ours that
    ``takes_unposed``. A subclass says so itself, or it is not known.
    """
    return vars(type(transform)).get('takes_unposed', False)


def rotate_camera(results: dict, rotation: np.ndarray) -> None:
    """X' = R X for all points and global rotations; R (3, 3)."""
    if 'parameter_axes' in results:
        results['parameter_axes'] = turned_axes(results['parameter_axes'], rotation)
        return
    for name in CAMERA_POINTS:
        results[name] = results[name] @ rotation.T
    rotations = results['mano_rotations'].copy()
    known = results['mano_valid'] > 0
    rotations[known, 0] = rotation @ rotations[known, 0]
    results['mano_rotations'] = rotations


def box_corners(results: dict) -> np.ndarray:
    """Corners (4,) x0, y0, x1, y1 of the box, pixels.

    Raises:
        UserError: the sample's ``bbox`` is no (1, 4), as MMPose has boxes.
    """
    box = np.asarray(results['bbox'], np.float64)
    if box.shape != (1, 4):
        raise UserError(
            f'{results.get("img_path", "a sample")}: bbox has shape {box.shape}, '
            'expected (1, 4), the corners x0, y0, x1, y1; corners_of makes them of x, '
            'y, w, h'
        )
    return box[0]


def box_angle(results: dict) -> float:
    """Degrees by which the box is rotated clockwise in the (mirrored) image, mostly 0.

    A mirrored image (``flip``) has been mirrored with its box.
    """
    angle = float(results.get('box_angle', 0.0))
    return -angle if results.get('flip', False) else angle


def crop_size(input_size: int | Sequence[int], transform: str) -> tuple[int, int]:
    """(W, H) of a crop that a config gives so, or by the side of a square.

    Raises:
        UserError: it is neither, or not in whole pixels.
    """
    one = not isinstance(input_size, Sequence) or isinstance(input_size, str)
    sides = (input_size, input_size) if one else tuple(input_size)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise UserError(
            f'{transform}: input_size={input_size!r} is no whole number of pixels; '
            'give the side of a square crop, or (width, height)'
        )
    return sides


def mirror_hands(results: dict) -> None:
    """X' = (-x, y, z), right and left change slots; shapes stay.

    Rotations become M R M with M = diag(-1, 1, 1).
    """
    results['hand_type'] = results['hand_type'][:, ::-1].copy()
    if 'parameter_axes' in results:
        results['parameter_axes'] = mirrored_axes(results['parameter_axes'])
        return
    for name in CAMERA_POINTS:
        results[name] = results[name] * MIRROR_POINTS
    results['mano_rotations'] = (
        results['mano_rotations'] * MIRROR_POINTS[:, None] * MIRROR_POINTS
    )
    for name in PER_HAND:
        results[name] = results[name][::-1].copy()
