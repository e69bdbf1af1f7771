"""HaMeR's camera: scale and shift of a crop as a far perspective camera, and back.

A crop camera (s, t_x, t_y) stands for a perspective camera with its principal point in
the middle of a square crop: depth ``2 f / (size s)``, so that a metre at the hand spans
``s`` half crops. The focal length is a convention (5000 at 256 pixels), not a fact. A
crop that is not square is the middle of one whose side is its longer side: s is that
one's, the NDC of the crop are per axis. ``size`` is a side or (W, H).

The crop's NDC is twice the official coordinates, which span [-0.5, 0.5]. Those start
at pixel size / 2, half a pixel beside NDC 0: ``origin`` is NDC :func:`official_origin`
for weights that learnt it so, and 0, the crop's middle, for others [decided]. A left
hand is seen in the mirrored image; before its camera meets the true image, ``t_x`` and
the x of its points change sign.
"""

import torch
from torch import Tensor

from .camera import axis_factors, crop_sides

Size = float | tuple[float, float]
FOCAL = 5000.0  # pixels, at a crop of CROP pixels
CROP = 256
SCALE_FLOOR = 1e-9  # pixels per metre, the official guard of the division


def translation_from_weak_camera(
    camera: Tensor, focal: float = FOCAL, size: Size = CROP
) -> Tensor:
    """Where the hand stands before the crop's far camera.

    Args:
        camera: (..., 3) s, t_x, t_y: NDC per metre, metres, metres.
        focal: pixels of the crop.
        size: of the crop, pixels.
    Returns: (..., 3) metres.
    """
    depth = 2 * focal / (max(crop_sides(size)) * camera[..., 0] + SCALE_FLOOR)
    return torch.stack([camera[..., 1], camera[..., 2], depth], -1)


def official_origin(size: Size = CROP) -> Size:
    """NDC of pixel size / 2, HaMeR's origin: along x and y, or of a square both."""
    return per_axis(1, size)


def per_axis(side: float, size: Size) -> Size:
    """:func:`axis_factors`, of a square crop the one number that both are."""
    along_x, along_y = axis_factors(side, size)
    return along_x if along_x == along_y else (along_x, along_y)


def _along(value: Size, like: Tensor) -> float | Tensor:
    """What is per axis as a tensor (2,); what is one number as it is."""
    return like.new_tensor(value) if isinstance(value, tuple) else value


def project_hamer(
    points: Tensor,
    translation: Tensor,
    focal: float = FOCAL,
    size: Size = CROP,
    origin: Size = 0.0,
) -> Tensor:
    """Perspective projection into the crop.

    Args:
        points: (..., N, 3) metres, in the hand model's frame (not wrist-relative).
        translation: (..., 3) metres.
        focal, size: pixels of the crop.
        origin: NDC of the camera's axis, along x and y or for both.
    Returns: (..., N, 2) crop NDC; twice the official [-0.5, 0.5], from ``origin``.
    """
    moved = points + translation[..., None, :]
    far = _along(per_axis(2 * focal, size), points)
    return far * moved[..., :2] / moved[..., 2:] + _along(origin, points)


def orthographic_camera(
    camera: Tensor, root: Tensor, origin: Size = 0.0, size: Size = CROP
) -> Tensor:
    """The crop camera for points relative to a root.

    ``project(points - root, result)`` is :func:`project_hamer` of the points to first
    order in their extent over their distance: within 1 % at the default focal length.

    Args:
        camera: (..., 3) s, t_x, t_y.
        root: (..., 3) metres, in the hand model's frame.
        origin: NDC of the camera's axis, along x and y or for both.
        size: of the crop, pixels; only its shape counts.
    Returns: (..., 2, 2) rows (scale, shift) for x and y.
    """
    factors = _along(per_axis(max(crop_sides(size)), size), camera)
    scale = camera[..., :1].expand_as(camera[..., 1:]) * factors
    shift = scale * (camera[..., 1:] + root[..., :2]) + _along(origin, camera)
    return torch.stack([scale, shift], -1)


def weak_camera(
    camera: Tensor, root: Tensor, origin: Size = 0.0, size: Size = CROP
) -> Tensor:
    """The inverse of :func:`orthographic_camera`: (..., 3) s, t_x, t_y.

    Args:
        camera: (..., 2, 2) rows (scale, shift) for x and y.
        root: (..., 3) metres, in the hand model's frame.
        origin: NDC of the camera's axis, along x and y or for both.
        size: of the crop, pixels; only its shape counts.
    """
    scale, shift = camera[..., 0], camera[..., 1] - _along(origin, camera)
    along_x, _ = axis_factors(max(crop_sides(size)), size)
    weak = scale[..., :1] / along_x
    return torch.cat([weak, shift / scale - root[..., :2]], -1)


def full_image_focal(image_size: Tensor) -> Tensor:
    """The conventional focal length of a whole image, (..., 2) (W, H) -> (...)."""
    return FOCAL / CROP * image_size.amax(-1)


def translation_in_image(
    camera: Tensor, box_center: Tensor, box_size: Tensor, image_size: Tensor
) -> Tensor:
    """Where the hand stands before the whole image's conventional camera.

    Its focal length is :func:`full_image_focal`, its principal point W / 2, H / 2.

    Args:
        camera: (..., 3) s, t_x, t_y of the crop.
        box_center: (..., 2) pixels, middle of the square box the crop was made of.
        box_size: (...) pixels, side of that box.
        image_size: (..., 2) (W, H) pixels.
    Returns: (..., 3) metres.
    """
    span = box_size * camera[..., 0] + SCALE_FLOOR  # pixels of 2 metres at the hand
    shift = 2 * (box_center - image_size / 2) / span[..., None]
    depth = 2 * full_image_focal(image_size) / span
    return torch.cat([camera[..., 1:] + shift, depth[..., None]], -1)


def translation_with_intrinsics(
    camera: Tensor, box_center: Tensor, box_size: Tensor, intrinsics: Tensor
) -> Tensor:
    """Where the hand stands before a true camera.

    The depth follows from the geometric mean of the two focal lengths; the frame's
    origin is seen where the crop camera sees it.

    Args:
        camera, box_center, box_size: as in :func:`translation_in_image`.
        intrinsics: (..., 3, 3) of the image, pixels, full matrix.
    Returns: (..., 3) metres.
    """
    span = box_size * camera[..., 0] + SCALE_FLOOR
    focal = intrinsics.diagonal(dim1=-2, dim2=-1)[..., :2].prod(-1).sqrt()
    depth = 2 * focal / span
    pixels = box_center + span[..., None] / 2 * camera[..., 1:]
    ray = torch.cat([pixels, torch.ones_like(pixels[..., :1])], -1)
    return (torch.linalg.inv(intrinsics) @ ray[..., None])[..., 0] * depth[..., None]
