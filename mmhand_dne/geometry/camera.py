"""Cameras: the crop's scaled orthographic one, the true perspective one, and between.

Frames. Camera axes: x right, y down, z forward, metres. Pixels: centres at integers.
NDC of a crop of W x H pixels: ``x_ndc = (2 u + 1) / W - 1``, for y with H, so that the
crop spans [-1, 1] along both axes, y down, and mirroring is ``x -> -x`` and
``u -> W - 1 - u``. In a crop that is not square the axes have different units.
"""

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray | Tensor


def crop_sides(size) -> tuple:
    """(W, H) of a crop whose ``size`` is that or its one side, pixels."""
    return (size, size) if isinstance(size, (int, float)) else tuple(size)


def axis_factors(side: float, size) -> tuple[float, float]:
    """NDC along x and along y of what spans 1 in a square crop of ``side`` pixels.

    Args:
        side: pixels.
        size: of the crop, (W, H) or W.
    """
    width, height = crop_sides(size)
    return side / width, side / height


def _size(size, like: Tensor) -> Tensor:
    # Filled on the device: a copy of numbers from the host would wait for it.
    return torch.stack([like.new_full((), float(side)) for side in crop_sides(size)])


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


def metric_translation(
    points: Tensor, camera: Tensor, intrinsics: Tensor, size
) -> Tensor:
    """Where points that an orthographic crop camera shows stand before the true camera.

    See :func:`perspective_translation`; the scale alone would tell the points' mean
    depth, tens of millimetres from their origin.

    Args:
        points: (..., N, 3) metres, camera axes, relative to any origin.
        camera: (..., 2, 2) rows (scale, shift), NDC.
        intrinsics: (..., 3, 3) of the crop, pixels.
        size: crop size in pixels, (W, H) or W.
    Returns: (..., 3) metres, of the origin; NaN where a scale is not positive.
    """
    pixels = ndc_to_pixels(project(points, camera), size)
    found = perspective_translation(points, pixels, intrinsics)
    return torch.where((camera[..., 0] > 0).all(-1, keepdim=True), found, torch.nan)


def perspective_translation(
    points: Tensor, pixels: Tensor, intrinsics: Tensor
) -> Tensor:
    """Where points have to stand so that a perspective camera sees them at pixels.

    The least squares of ``x Z = X`` and ``y Z = Y`` over all points, with (x, y, 1) the
    ray of a pixel and (X, Y, Z) the point where it stands: linear in the translation
    (the direct linear transform), and exact where an exact one exists. Unlike the depth
    of an orthographic scale, which is the points' mean depth, it is the origin's.

    All points count alike [decided]. Weighted by the joints' covariance, near hands
    are missed by tens of millimetres: what an orthographic camera errs by is not in it,
    and grows as the hand comes closer.

    Args:
        points: (..., N, 3) metres, camera axes, relative to any origin.
        pixels: (..., N, 2).
        intrinsics: (..., 3, 3) pixels.
    Returns: (..., 3) metres, the origin from the camera; NaN where it is not before it.
        In the points' precision, computed in float64.
    """
    exact, pixels, matrix = points.double(), pixels.double(), intrinsics.double()
    rays = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    rays = (rays @ torch.linalg.inv(matrix).mT)[..., :2]
    axes = torch.eye(2, dtype=rays.dtype, device=rays.device)
    rows = torch.cat([axes.expand(*rays.shape, 2), -rays[..., None]], -1)  # N, 2, 3
    goal = rays * exact[..., 2:] - exact[..., :2]
    design, goal = rows.flatten(-3, -2), goal.flatten(-2)[..., None]
    # The normal equations are well conditioned enough for float64, and on any device
    # give NaN, where lstsq raises, for points that are not finite.
    across = design.mT
    origin = torch.linalg.solve_ex(across @ design, across @ goal)[0][..., 0]
    before = origin[..., 2:] > 0
    return torch.where(before, origin, torch.nan).to(points.dtype)
