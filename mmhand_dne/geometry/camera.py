"""Cameras: the crop's scaled orthographic one, the true perspective one, and between.

Frames. Camera axes: x right, y down, z forward, metres. Pixels: centres at integers.
NDC of a crop of W pixels: ``x_ndc = (2 u + 1) / W - 1``, so that the crop spans
[-1, 1], y down, and mirroring is ``x -> -x`` and ``u -> W - 1 - u``.
"""

import torch
from torch import Tensor


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


def project_perspective(points_cam: Tensor, intrinsics: Tensor) -> Tensor:
    """Perspective projection with a full 3x3 matrix (it may have skew).

    Args:
        points_cam: (..., N, 3) metres from the camera, z > 0.
        intrinsics: (..., 3, 3) pixels.
    Returns: (..., N, 2) pixels.
    """
    image = points_cam @ intrinsics.transpose(-1, -2)
    return image[..., :2] / image[..., 2:]


def pixels_to_ndc(pixels: Tensor, size) -> Tensor:
    """Pixels (..., 2) of a crop of ``size`` (W, H) or W to NDC."""
    return (2 * pixels + 1) / _size(size, pixels) - 1


def ndc_to_pixels(ndc: Tensor, size) -> Tensor:
    """NDC (..., 2) to pixels of a crop of ``size`` (W, H) or W."""
    return ((ndc + 1) * _size(size, ndc) - 1) / 2


def metric_translation(camera: Tensor, intrinsics: Tensor, size) -> Tensor:
    """The wrist in camera metres from a crop camera and the crop's intrinsics.

    The scale of the orthographic camera is the focal length over the depth, once per
    image axis; the two are combined by their geometric mean [decided].

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
