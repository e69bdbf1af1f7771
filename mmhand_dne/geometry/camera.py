"""Cameras: the crop's scaled orthographic one, the true perspective one, and between.

Frames. Camera axes: x right, y down, z forward, metres. Pixels: centres at integers.
NDC of a crop of W pixels: ``x_ndc = (2 u + 1) / W - 1``, so that the crop spans
[-1, 1], y down, and mirroring is ``x -> -x`` and ``u -> W - 1 - u``.
"""

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor


def _size(size, like: Tensor) -> Tensor:
    pair = (size, size) if isinstance(size, (int, float)) else tuple(size)
    return torch.tensor(pair, dtype=like.dtype, device=like.device)


def project(points: Tensor, camera: Tensor) -> Tensor:
    """Scaled orthographic projection (DNE Eq. 5).

    Args:
        points: (..., N, 3) metres, camera axes, root-relative.
        camera: (..., 2, 2) rows (scale, shift) for x and y; NDC per metre, NDC.
    Returns: (..., N, 2) crop NDC, y down.
    """
    scale, shift = camera[..., None, :, 0], camera[..., None, :, 1]
    return points[..., :2] * scale + shift


def project_perspective(
    points_cam: Array, intrinsics: Array, valid: Array | None = None
) -> Array:
    """Perspective projection with a full 3x3 matrix (it may have skew).

    Args:
        points_cam: (..., N, 3) from the camera, any unit; NumPy or torch.
        intrinsics: (..., 3, 3) pixels, of the same library.
        valid: (..., N) bool, the points with z > 0; all by default. Others are divided
            by 1 in place of their depth, so that they stay finite.
    Returns: (..., N, 2) pixels.
    """
    image = points_cam @ intrinsics.swapaxes(-1, -2)
    depth = image[..., 2:]
    if valid is not None:
        library = torch if isinstance(points_cam, Tensor) else np
        depth = library.where(valid[..., None], depth, 1)
    return image[..., :2] / depth


def project_pinhole(points_cam: Array, focal: Array, center: Array) -> Array:
    """Perspective projection by focal lengths and principal point, without skew.

    Args:
        points_cam: (..., N, 3) from the camera, z > 0, any unit; NumPy or torch.
        focal, center: (2,) pixels.
    Returns: (..., N, 2) pixels.
    """
    return points_cam[..., :2] / points_cam[..., 2:] * focal + center


def mirror_pixels(x: Array | float, width: int) -> Array | float:
    """Column u of an image of that width in its mirror image: width - 1 - u."""
    return width - 1 - x


def mirror_intrinsics(intrinsics: np.ndarray, width: int) -> np.ndarray:
    """The camera (3, 3) of the mirror image, for points mirrored across x = 0."""
    mirrored = intrinsics.copy()
    mirrored[0, 1] = 0 - mirrored[0, 1]
    mirrored[0, 2] = mirror_pixels(mirrored[0, 2], width)
    return mirrored


def pixels_to_ndc(pixels: Tensor, size) -> Tensor:
    """Pixels (..., 2) of a crop of ``size`` (W, H) or W to NDC."""
    return (2 * pixels + 1) / _size(size, pixels) - 1


def ndc_to_pixels(ndc: Tensor, size) -> Tensor:
    """NDC (..., 2) to pixels of a crop of ``size`` (W, H) or W."""
    return ((ndc + 1) * _size(size, ndc) - 1) / 2


def metric_translation(camera: Tensor, intrinsics: Tensor, size) -> Tensor:
    """The wrist in camera metres from a crop camera and the crop's intrinsics.

    The scale of the orthographic camera is the focal length over the depth, once per
    image axis; the two are combined by their geometric mean [decided]. That depth is
    the points' mean depth rather than the wrist's, see :func:`perspective_translation`.

    Args:
        camera: (..., 2, 2) rows (scale, shift), NDC.
        intrinsics: (..., 3, 3) of the crop, pixels.
        size: crop size in pixels, (W, H) or W.
    Returns: (..., 3) metres; NaN where a scale is not positive.
    """
    half = _size(size, camera) / 2
    scale, shift = camera[..., 0], camera[..., 1]
    focal = torch.diagonal(intrinsics, dim1=-2, dim2=-1)[..., :2]
    depth = (focal / (half * scale.clamp(min=torch.finfo(scale.dtype).tiny))).prod(-1)
    depth = depth.clamp(min=0).sqrt()
    depth = torch.where((scale > 0).all(-1), depth, torch.full_like(depth, torch.nan))
    pixels = half * (shift + 1) - 0.5
    inverse = torch.linalg.inv(intrinsics)
    rays = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    rays = (inverse @ rays[..., None])[..., 0]
    return rays * depth[..., None]


def perspective_translation(
    points: Tensor, pixels: Tensor, intrinsics: Tensor
) -> Tensor:
    """Where points have to stand so that a perspective camera sees them at pixels.

    The least squares of ``x Z = X`` and ``y Z = Y`` over all points, with (x, y, 1) the
    ray of a pixel and (X, Y, Z) the point where it stands: linear in the translation
    (the direct linear transform), and exact where an exact one exists. Unlike the depth
    of an orthographic scale, which is the points' mean depth, it is the origin's.

    Args:
        points: (..., N, 3) metres, camera axes, relative to any origin.
        pixels: (..., N, 2).
        intrinsics: (..., 3, 3) pixels.
    Returns: (..., 3) metres, the origin from the camera; NaN where it is not before it.
    """
    rays = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    rays = (rays @ torch.linalg.inv(intrinsics).mT)[..., :2]
    axes = torch.eye(2, dtype=rays.dtype, device=rays.device)
    rows = torch.cat([axes.expand(*rays.shape, 2), -rays[..., None]], -1)
    goal = rays * points[..., 2:] - points[..., :2]
    found = torch.linalg.lstsq(rows.flatten(-3, -2), goal.flatten(-2)[..., None])
    origin = found.solution[..., 0]
    return torch.where(origin[..., 2:] > 0, origin, torch.nan)
