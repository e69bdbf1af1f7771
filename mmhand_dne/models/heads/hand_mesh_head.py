"""Coarse and refined hand meshes as a head of MMPose's top-down models."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.models.estimators.hand_predictions import pack_predictions
from mmhand_dne.models.estimators.mirroring import average_with_mirrored
from mmhand_dne.randomness.keys import batch_keys
from mmhand_dne.structures.hand_state import HandOutputs
from mmhand_dne.structures.hand_targets import HandTargets
from mmhand_dne.structures.mmpose_predictions import to_crop_pixels

Levels = Sequence[Tensor]  # feature maps (B, C, h, w), the finest first


@MODELS.register_module()
class HandMeshHead(BaseModule):
    """A coarse regressor and DNE's stages in MMPose's own ``TopdownPoseEstimator``.

    Backbone and neck are whatever the model has; what reads them here is
    :class:`DNEHead` on any coarse regressor. Predictions have the fields of
    :class:`HandMeshEstimator`, so that all metrics and pictures work.

    Args:
        in_channels: C of the feature map.
        hand_model: :class:`HandPair`, for both parts.
        mano_head: the coarse regressor, e.g. :class:`MANOMapHead`.
        refine_head: :class:`DNEHead`; its ``map_size`` is input size / stride.
        level: which feature map is read; 0 is the finest.
    """

    def __init__(
        self,
        in_channels: int,
        hand_model: dict = dict(type='HandPair'),
        mano_head: dict = dict(type='MANOMapHead'),
        refine_head: dict = dict(type='DNEHead'),
        level: int = 0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.hand_model, self.level = MODELS.build(hand_model), level
        shared = dict(in_channels=in_channels, hand_model=self.hand_model)
        self.mano_head = MODELS.build({**shared, **mano_head})
        self.refine_head = MODELS.build({**shared, **refine_head})

    def forward(self, feats: Levels, keys: np.ndarray | None = None) -> HandOutputs:
        """Coarse and refined hands; keys (B,) int64 of the images' training draws."""
        features = feats[self.level]
        coarse = self.mano_head(features)
        refined = self.refine_head(features, coarse.state, keys, coarse.landmarks_ndc)
        return HandOutputs(None, coarse, refined)

    def loss(
        self, feats: Levels, batch_data_samples: list, train_cfg: dict = {}
    ) -> dict[str, Tensor]:
        """The losses of both parts (DNE Eq. 10-11)."""
        device = feats[self.level].device
        outputs = self.forward(feats, batch_keys(batch_data_samples))
        targets = HandTargets.from_samples(batch_data_samples, device)
        return {
            **self.mano_head.loss(outputs.coarse, targets),
            **self.refine_head.loss(outputs.refined, targets),
        }

    def predict(
        self,
        feats: Levels | list[Levels],
        batch_data_samples: list,
        test_cfg: dict = {},
    ) -> list[InstanceData]:
        """Predictions, with keypoints in pixels of the crop, as MMPose's heads have.

        Args:
            feats: of the crops, or with ``flip_test`` two of them, the second ones of
                the mirrored crops.
        """
        if test_cfg.get('flip_test', False):
            outputs = average_with_mirrored(*map(self.forward, feats))
        else:
            outputs = self.forward(feats)
        packed = pack_predictions(outputs, batch_data_samples, False, {})
        found = [sample.pred_instances for sample in packed]
        for sample, instances in zip(packed, found):
            # MMPose's estimator leads them back to the image.
            instances.keypoints[..., :2] = to_crop_pixels(
                torch.from_numpy(instances.keypoints[..., :2]), sample.metainfo
            ).numpy()
        return found
