"""Any 2D hand keypoint model of MMPose as a mesh model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.conventions import NUM_JOINTS
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import axis_factors, pixels_to_ndc
from mmhand_dne.structures.hand_state import CoarseHands, HandOutputs

from .hand_predictions import pack_predictions
from .one_hand_slot import padded


@MODELS.register_module()
class KeypointMeshEstimator(TopdownPoseEstimator):
    """A top-down keypoint model whose keypoints a hand model is fitted to.

    Backbone, neck, head, losses and checkpoints are the keypoint model's own; only the
    predictions differ. They have the fields of :class:`HandMeshEstimator` for one
    hand, and beside them ``landmarks_ndc`` (1, 2, 21, 2) and ``landmark_scores``
    (1, 2, 21), what the head found. Keypoints count by their scores, relative to the
    surest one of their hand [decided].

    Crops are those of :class:`PackHandInputs`, with left hands mirrored.

    Args:
        landmark_fit: :class:`LandmarkFit`, which shares ``hand_model``.
        hand_model: :class:`SingleHand`.

    Other arguments: see MMPose's ``TopdownPoseEstimator``.
    """

    num_slots = 1  # a crop is of one hand
    mano_head = refine_head = uncertainty_head = None  # what readers ask a model for

    def __init__(
        self,
        *args: Any,
        landmark_fit: dict = dict(type='LandmarkFit'),
        hand_model: dict = dict(type='SingleHand'),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.hand_model = MODELS.build(hand_model)
        shared = dict(hand_model=self.hand_model)
        self.landmark_fit = MODELS.build({**shared, **landmark_fit})

    def predict(self, inputs: Tensor, data_samples: list) -> list:
        """Add ``pred_instances`` to the samples."""
        for sample in data_samples:
            check_packed(sample)
            # Keypoints of one hand keep their names in a mirror.
            sample.set_metainfo(dict(flip_indices=list(range(NUM_JOINTS))))
        points, scores = self.landmarks(inputs, data_samples)
        surest = scores.amax(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
        weights = (scores / surest).clamp(min=0)
        coarse = self.fit(points, weights, inputs.shape[-2:])
        packed = pack_predictions(
            HandOutputs(None, coarse, []), data_samples, False, {}
        )
        found = dict(landmarks_ndc=points, landmark_scores=scores)
        for name, values in found.items():
            rows = padded(values[:, None].float()).cpu().numpy()
            for sample, row in zip(packed, rows):
                sample.pred_instances.set_field(row[None], name)
        return packed

    def fit(self, points: Tensor, weights: Tensor, size: Sequence[int]) -> CoarseHands:
        """The hands at keypoints (B, 21, 2), crop NDC, for crops of ``size`` (h, w).

        :class:`LandmarkFit` has one scale for both axes: it sees the keypoints in the
        square whose middle the crop is, and its camera is led back.
        """
        height, width = size
        if height == width:
            return self.landmark_fit(points, weights)
        factors = points.new_tensor(axis_factors(max(size), (width, height)))
        coarse = self.landmark_fit(points / factors, weights)
        state = coarse.state
        camera = state.camera * factors.to(state.camera)[:, None]
        return coarse._replace(state=state._replace(camera=camera))

    def landmarks(self, inputs: Tensor, data_samples: list) -> tuple[Tensor, Tensor]:
        """What the keypoint head finds: (B, 21, 2) crop NDC and scores (B, 21)."""
        features = self.extract_feat(inputs)
        if self.test_cfg.get('flip_test', False):
            features = [features, self.extract_feat(inputs.flip(-1))]
        found = self.head.predict(features, data_samples, test_cfg=self.test_cfg)
        found = found[0] if isinstance(found, tuple) else found  # heat maps beside them
        pixels = stacked([instances.keypoints[..., :2] for instances in found])
        scores = stacked([instances.keypoint_scores for instances in found])
        if pixels.shape[1] != NUM_JOINTS:
            raise UserError(
                f'KeypointMeshEstimator: the head finds {pixels.shape[1]} keypoints, '
                f'expected the {NUM_JOINTS} of a hand; use a hand keypoint model'
            )
        size = data_samples[0].metainfo['input_size']
        points = pixels_to_ndc(pixels.to(inputs.device), size)
        return points, scores.to(inputs.device)


def stacked(values: Sequence[np.ndarray | Tensor]) -> Tensor:
    """(B, ...) float32 of one instance (1, ...) an image."""
    return torch.cat([torch.as_tensor(value) for value in values]).float()


def check_packed(sample: Any) -> None:
    """Refuse samples that do not tell where and how their crop was cut."""
    labels = sample.get('gt_instance_labels', {})
    if 'crop_intrinsics' not in labels:
        raise UserError(
            f'{sample.metainfo.get("img_path", "a sample")}: has no crop_intrinsics, '
            'which KeypointMeshEstimator needs; end the test pipeline with '
            'MeshCrop or HaMeRCrop and PackHandInputs'
        )
