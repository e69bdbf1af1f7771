"""MMPose's keypoint regression in 2D and 3D, tied by a camera in closed form."""

from typing import Any

import torch
from mmengine.structures import InstanceData
from mmpose.models.heads import RegressionHead
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import NUM_JOINTS, SIDES, WRIST
from mmhand_dne.geometry.camera import metric_translation, project
from mmhand_dne.models.losses.masked_loss import masked_mean
from mmhand_dne.models.losses.mesh_losses import l1_distance
from mmhand_dne.structures.hand_targets import HandTargets
from mmhand_dne.structures.mmpose_predictions import (
    interhand_prediction,
    to_crop_pixels,
)

NUM_HANDS = len(SIDES)
JOINT_UNIT = 0.1  # metres that the layer's 1 stands for
USUAL_SCALE = 8.0  # NDC a metre; a hand without extent keeps it


@MODELS.register_module()
class RidgeRegressionHead(RegressionHead):
    """RegressionHead with joints in space, seen by the camera of :class:`RidgeCamera`.

    The parent's coordinates are u, the joints of both hands in the crop; a second
    linear layer gives v, the same joints in metres from their wrist. No camera is
    regressed: it is the one that sees v at u, in closed form. Supervised are u, v and,
    as in DNE Eq. 11, v through that camera.

    Losses are ``loss_kpt`` (the parent's, of coordinates in [0, 1]), ``loss_joints``
    (metres) and ``loss_projected`` (NDC). Predictions have ``keypoints`` of
    InterHand2.6M's order, which MMPose's ``InterHandMetric`` reads, and ``hand_joints``
    (1, 2, 21, 3), ``hand_camera`` (1, 2, 2, 2) and ``hand_root_cam`` (1, 2, 3) as
    those of :class:`HandMeshEstimator`. Which hands there are is not predicted.

    Args:
        in_channels: of the pooled features.
        xi: of the camera.
        joints_weight, projected_weight: of the two losses.

    Other arguments: see MMPose's ``RegressionHead``; its joints are 42.
    """

    def __init__(
        self,
        in_channels: int,
        xi: float = 1e-4,
        joints_weight: float = 50.0,
        projected_weight: float = 3.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, NUM_HANDS * NUM_JOINTS, **kwargs)
        self.fc_3d = nn.Linear(in_channels, NUM_HANDS * NUM_JOINTS * 3)
        self.fit_camera = MODELS.build(dict(type='RidgeCamera', xi=xi))
        usual = torch.tensor([[USUAL_SCALE, 0.0], [USUAL_SCALE, 0.0]])
        self.register_buffer('usual_camera', usual, persistent=False)
        self.joints_weight, self.projected_weight = joints_weight, projected_weight

    def forward(self, feats: tuple[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """u, v and their camera.

        Args:
            feats: the last one (B, C) or (B, C, 1, 1), pooled.
        Returns: (B, 2, 21, 2) crop NDC, (B, 2, 21, 3) metres from the wrist,
            (B, 2, 2, 2) rows (scale, shift).
        """
        hands = (NUM_HANDS, NUM_JOINTS)
        points = 2 * super().forward(feats).unflatten(1, hands)  # 0 is the middle
        joints = self.fc_3d(feats[-1].flatten(1)).unflatten(1, (*hands, 3))
        joints = JOINT_UNIT * (joints - joints[:, :, WRIST, None])
        incoming = self.usual_camera.expand(len(points), NUM_HANDS, 2, 2)
        return points, joints, self.fit_camera(joints, points, incoming)

    def loss(
        self, feats: tuple[Tensor], batch_data_samples: list, train_cfg: dict = {}
    ) -> dict[str, Tensor]:
        """The three losses."""
        points, joints, camera = self.forward(feats)
        targets = HandTargets.from_samples(batch_data_samples, points.device)
        seen, known = targets.joints_ndc_valid, targets.joints_valid
        projected = project(joints, camera)
        return dict(
            loss_kpt=self.loss_module(
                (points.flatten(1, 2) + 1) / 2,
                (targets.joints_ndc.flatten(1, 2) + 1) / 2,
                seen.flatten(1)[..., None],
            ),
            loss_joints=self.joints_weight
            * masked_mean(l1_distance(joints, targets.joints), known),
            loss_projected=self.projected_weight
            * masked_mean(l1_distance(projected, targets.joints_ndc), seen),
        )

    def predict(
        self, feats: tuple[Tensor], batch_data_samples: list, test_cfg: dict = {}
    ) -> list[InstanceData]:
        """The predictions; keypoints are u, in pixels of the crop, and v's depth."""
        points, joints, camera = (value.detach().cpu() for value in self.forward(feats))
        found = []
        for i, sample in enumerate(batch_data_samples):
            meta = sample.metainfo
            intrinsics = sample.gt_instance_labels.crop_intrinsics[0].to(camera)
            root = metric_translation(
                joints[i], camera[i], intrinsics, meta['input_size']
            )
            fields = interhand_prediction(
                joints[i], points[i], torch.ones(NUM_HANDS), root, meta
            )
            # MMPose's estimator leads them back to the image.
            pixels = torch.from_numpy(fields['keypoints'][..., :2])
            fields['keypoints'][..., :2] = to_crop_pixels(pixels, meta).numpy()
            found.append(
                InstanceData(
                    **fields,
                    hand_joints=joints[i : i + 1].numpy(),
                    hand_camera=camera[i : i + 1].numpy(),
                    hand_root_cam=root[None].numpy(),
                )
            )
        return found
