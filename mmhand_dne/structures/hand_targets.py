"""Ground truth of a batch, unpacked once: the only reader of ``gt_instance_labels``."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmhand_dne.geometry.camera import pixels_to_ndc, project_perspective

from .ground_truth_fields import HAND_LABELS
from .unposed_labels import full_float32, stacked_labels

MIN_DEPTH = 1e-3  # metres; a true vertex is farther from any camera


class HandTargets(NamedTuple):
    """Ground truth of B images; S = 2 slots, right and left.

    Masks are 0 or 1; where one is 0 the field is zero (rotations: identity).

    Attributes:
        vertices: (B, S, V, 3) metres, camera axes, from the own wrist.
        vertices_valid: (B, S).
        joints: (B, S, J, 3) like the vertices, OpenPose order.
        joints_valid: (B, S, J).
        joints_ndc: (B, S, J, 2) crop NDC.
        joints_ndc_valid: (B, S, J); needs no valid wrist.
        root_cam: (B, S, 3) the wrist, metres from the camera.
        root_valid: (B, S).
        rotations: (B, S, 16, 3, 3) absolute, MANO order, the global one first.
        betas: (B, S, 10).
        mano_valid: (B, S).
        presence: (B, S) 1 where the image shows that hand.
        presence_valid: (B, S).
        intrinsics: (B, 3, 3) of the crop, pixels, full matrix.
        vertices_ndc: (B, S, V, 2) the vertices through the perspective camera.
        vertices_cam: (B, S, V, 3) metres from the camera.
    """

    vertices: Tensor
    vertices_valid: Tensor
    joints: Tensor
    joints_valid: Tensor
    joints_ndc: Tensor
    joints_ndc_valid: Tensor
    root_cam: Tensor
    root_valid: Tensor
    rotations: Tensor
    betas: Tensor
    mano_valid: Tensor
    presence: Tensor
    presence_valid: Tensor
    intrinsics: Tensor
    vertices_ndc: Tensor
    vertices_cam: Tensor

    @classmethod
    def from_samples(
        cls, data_samples: Sequence, device: torch.device | str = 'cpu'
    ) -> 'HandTargets':
        """Stack the labels of a batch on a device, in a single transfer.

        Hands that are not posed yet are posed here, all at once, on that device.
        Always in float32.

        Args:
            data_samples: (B) samples with ``gt_instance_labels`` as in
                ``HAND_LABELS`` and the meta key ``input_size`` (W, H).
            device: of the result.
        """
        device = torch.device(device)
        labels = [sample.gt_instance_labels for sample in data_samples]
        found = stacked_labels(labels, device)
        fields = {field.target: found[name] for name, field in HAND_LABELS.items()}
        size = tuple(data_samples[0].metainfo['input_size'])
        with full_float32(device):
            return cls(**fields, **_project(fields, size))


def _project(fields: dict[str, Tensor], size: tuple) -> dict[str, Tensor]:
    """Vertices in the camera and in the crop, zero for hands without a mesh."""
    mask = fields['vertices_valid'][..., None, None] > 0
    vertices_cam = fields['vertices'] + fields['root_cam'][..., None, :]
    vertices_cam = torch.where(mask, vertices_cam, 0)
    # A hand without a mesh would divide by its zero depth.
    depth = vertices_cam[..., 2:].clamp(min=MIN_DEPTH)
    points = torch.cat([vertices_cam[..., :2], depth], -1)
    pixels = project_perspective(points, fields['intrinsics'][:, None])
    vertices_ndc = torch.where(mask, pixels_to_ndc(pixels, size), 0)
    return dict(vertices_ndc=vertices_ndc, vertices_cam=vertices_cam)
