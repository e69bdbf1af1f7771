"""Predictions in the fields that MMPose's InterHandMetric and visualisers read."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike

from mmhand_dne.conventions import (
    INTERHAND_FROM_OPENPOSE,
    MILLIMETRES,
    WRIST,
)
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import ndc_to_pixels


def interhand_prediction(
    joints: ArrayLike,
    joints_ndc: ArrayLike,
    presence: ArrayLike,
    root_cam: ArrayLike | None,
    metainfo: Mapping,
) -> dict[str, np.ndarray]:
    """One image's prediction as MMPose's InterNet would give it.

    InterHandMetric adds the true wrist depth of each hand to z and lifts x, y with
    the camera of the original image, so z is relative to the own wrist.

    Args:
        joints: (2, 21, 3) metres, camera axes, OpenPose order, right and left hand.
        joints_ndc: (2, 21, 2) crop NDC, the projection of joints.
        presence: (2) probability of each hand.
        root_cam: (2, 3) wrists in camera metres, or None where unknown.
        metainfo: of the data sample; ``input_size`` (W, H) and either ``crop_affine``
            (2, 3), image to crop pixels, or ``input_center`` and ``input_scale``.

    Returns:
        dict of arrays whose first dimension is the image:

        - keypoints (1, 42, 3): x, y original-image pixels, z mm from the own wrist;
          InterHand order, right hand first.
        - keypoint_scores and keypoints_visible (1, 42): the hand's presence;
          MMPose's visualisers draw what exceeds 0.3.
        - hand_type (1, 2): 1 where presence > 0.5.
        - rel_root_depth (1): depth of the left wrist minus the right one's, mm; NaN
          where the wrists are unknown.

    Raises:
        ValueError: a field of metainfo is missing.
    """
    joints, joints_ndc, presence = map(_float64, (joints, joints_ndc, presence))
    depth = MILLIMETRES * (joints[..., 2] - joints[:, WRIST, 2, None])
    pixels = _image_pixels(joints_ndc, metainfo)
    keypoints = torch.cat([pixels, depth[..., None]], -1)[:, INTERHAND_FROM_OPENPOSE]
    relative = torch.full((1,), torch.nan)
    if root_cam is not None:
        relative = MILLIMETRES * _float64(root_cam)[:, 2].diff()
    scores = presence[:, None].expand(-1, keypoints.shape[1])
    scores = scores.reshape(1, -1).float().numpy()
    return dict(
        keypoints=keypoints.reshape(1, -1, 3).float().numpy(),
        keypoint_scores=scores,
        keypoints_visible=scores.copy(),
        hand_type=(presence > 0.5)[None].float().numpy(),
        rel_root_depth=relative.float().numpy(),
    )


def _float64(value: ArrayLike) -> torch.Tensor:
    return torch.as_tensor(value).detach().cpu().double()


def _image_pixels(ndc: torch.Tensor, metainfo: Mapping) -> torch.Tensor:
    """Crop NDC (..., 2) to pixels of the original image (..., 2)."""
    if 'input_size' not in metainfo:
        raise UserError("interhand_prediction: no 'input_size'; pack it as meta key")
    size = tuple(float(side) for side in metainfo['input_size'])
    pixels = ndc_to_pixels(ndc, size)
    if 'crop_affine' in metainfo:
        affine = _float64(metainfo['crop_affine'])
        return (pixels - affine[:, 2]) @ torch.linalg.inv(affine[:, :2]).mT
    if 'input_center' not in metainfo or 'input_scale' not in metainfo:
        raise UserError(
            "interhand_prediction: neither 'crop_affine' nor 'input_center' with "
            "'input_scale' is there; pack one of them as meta keys"
        )
    scale = _float64(metainfo['input_scale'])
    corner = _float64(metainfo['input_center']) - 0.5 * scale
    return pixels / torch.tensor(size).double() * scale + corner


def to_crop_pixels(pixels: torch.Tensor, metainfo: Mapping) -> torch.Tensor:
    """Pixels of the image (..., 2) as those of the crop that MMPose's top-down models
    lead back to the image, by ``input_center`` and ``input_scale`` alone.

    Raises:
        ValueError: a field of metainfo is missing.
    """
    missing = {'input_center', 'input_scale', 'input_size'} - set(metainfo)
    if missing:
        raise UserError(
            f'to_crop_pixels: no {sorted(missing)[0]!r}; end the pipeline with '
            'MeshCrop or HaMeRCrop and PackHandInputs'
        )
    scale = torch.as_tensor(metainfo['input_scale'], dtype=pixels.dtype)
    centre = torch.as_tensor(metainfo['input_center'], dtype=pixels.dtype)
    size = torch.tensor(metainfo['input_size'], dtype=pixels.dtype)
    return (pixels - centre + 0.5 * scale) / scale * size
