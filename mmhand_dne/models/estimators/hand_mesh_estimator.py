"""The whole model, as the papers' figures draw it."""

from typing import Any

import numpy as np
import torch
from mmpose.models.pose_estimators.base import BasePoseEstimator
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.conventions import WRIST
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.camera import crop_sides
from mmhand_dne.models.losses.late_means import reduced_together
from mmhand_dne.randomness.keys import batch_keys
from mmhand_dne.structures.hand_state import AuxMaps, CoarseHands, HandOutputs
from mmhand_dne.structures.hand_targets import HandTargets

from .hand_predictions import final_state, pack_predictions, uncertainty_fields
from .mirroring import average_with_mirrored
from .one_hand_slot import NUM_SLOTS, check_one_hand, slots_of


@MODELS.register_module()
class HandMeshEstimator(BasePoseEstimator):
    """Hand meshes from one crop, and how sure they are: encode, map, regress, refine
    (DNE Fig. 1), estimate the covariance (CAU).

    Heads are parts: without ``refine_head`` it is the baseline (M=0), without
    ``aux_head`` the features go to the regressor as they are; a ViT,
    :class:`MANODecoderHead` and nothing else make HaMeR.

    Args:
        backbone, neck: any of MMPose's; the first level, the finest, is F.
        mano_head: the coarse regressor, e.g. :class:`MANOMapHead`.
        mano_level: which level ``mano_head`` reads: 0 is F, -1 the last one, of which
            :class:`MANOTokenHead` pools its token.
        aux_head: e.g. :class:`AuxMapHead`, or None.
        refine_head: e.g. :class:`DNEHead`, or None.
        uncertainty_head: e.g. :class:`JointUncertaintyHead`, or None: error bars of the
            last stage's joints.
        hand_token: what ``uncertainty_head`` reads, e.g. :class:`RefinedHandToken`.
        landmark_refit: e.g. :class:`LandmarkRefit`, which moves the regressor's hands
            before they are refined, or None.
        consistency: e.g. :class:`ViewConsistency`, a loss on hands regressed from
            turned crops, or None. In training only.
        hand_model: hand shared by all heads that do not name their own.
            :class:`SingleHand` makes a one-hand model: samples then have their hand,
            mirrored into a right one, in slot 0, and predictions zeros in slot 1.
        test_cfg: ``flip_test`` averages with the un-mirrored prediction on the
            mirrored crop; ``output_maps`` adds the auxiliary maps to predictions.

    Other arguments: see MMPose's ``BasePoseEstimator``.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict | None = None,
        mano_head: dict | None = None,
        aux_head: dict | None = None,
        refine_head: dict | None = None,
        uncertainty_head: dict | None = None,
        hand_token: dict = dict(type='CoarseHandToken'),
        landmark_refit: dict | None = None,
        consistency: dict | None = None,
        hand_model: dict = dict(type='HandPair'),
        mano_level: int = 0,
        **kwargs: Any,
    ) -> None:
        if mano_head is None:
            raise UserError('HandMeshEstimator needs mano_head, the coarse regressor')
        hand_model = MODELS.build(hand_model)

        def build(part: dict | None, **shared: Any) -> nn.Module | None:
            return MODELS.build({**shared, **part}) if part else None

        # MMPose's base insists on exactly one head; the regressor is the one that is
        # always there. It goes by its own name below.
        super().__init__(
            backbone, head={'hand_model': hand_model, **mano_head}, **kwargs
        )
        self.hand_model, self.mano_level = hand_model, mano_level
        self.num_slots = len(hand_model.mean_rotations)
        if self.num_slots < NUM_SLOTS and self.test_cfg.get('flip_test', False):
            raise UserError(
                'HandMeshEstimator: flip_test mirrors a right hand into a left one, '
                'which a one-hand model never saw; set test_cfg.flip_test=False'
            )
        self.neck = build(neck)
        self.aux_head = build(aux_head, hand_model=hand_model)
        self.mano_head = self.head
        del self.head
        self.refine_head = build(refine_head, hand_model=hand_model)
        self.hand_token = build(hand_token)
        self.uncertainty_head = build(uncertainty_head)
        self.landmark_refit = build(landmark_refit, hand_model=hand_model)
        self.consistency = build(consistency)
        self.refines_in_training = True  # TwoPhaseHook trains the baseline first

    @property
    def refines(self) -> bool:
        """Whether this forward runs what follows the regressor: always, outside
        training.
        """
        return self.refines_in_training or not self.training

    def run_heads(self, inputs: Tensor, keys: np.ndarray | None = None) -> HandOutputs:
        """Normalised crops (B, 3, H, W) -> all that the heads yield.

        Raises:
            UserError: they have not the shape that the regressor's camera is for.
        """
        check_shape(self.mano_head, inputs)
        maps, features, coarse = self.regress(inputs)
        refined, covariance_params, regressed = [], None, None
        if self.landmark_refit is not None and self.refines:
            regressed, coarse = coarse, self.landmark_refit(coarse)
        if self.refine_head is not None and self.refines:
            refined = self.refine_head(
                features, coarse.state, keys, coarse.landmarks_ndc
            )
        if self.uncertainty_head is not None and self.refines:
            token = self.hand_token(coarse, refined)
            covariance_params = self.uncertainty_head(token, features)
        return HandOutputs(maps, coarse, refined, covariance_params, regressed)

    def regress(self, inputs: Tensor) -> tuple[AuxMaps | None, Tensor, CoarseHands]:
        """Normalised crops -> auxiliary maps, the finest features, regressed hands."""
        levels, maps = list(self.extract_feat(inputs)), None
        if self.aux_head is not None:
            maps, levels[0] = self.aux_head(levels[0])
        return maps, levels[0], self.mano_head(levels[self.mano_level])

    @reduced_together
    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """All losses of Eq. 8 for a batch; keys start with or end in ``loss_*``."""
        targets = self.targets_of(data_samples, inputs.device)
        keys = batch_keys(data_samples)
        outputs = self.run_heads(inputs, keys)
        regressed = outputs.regressed or outputs.coarse
        losses = self.mano_head.loss(regressed, targets)
        if self.aux_head is not None:
            losses.update(self.aux_head.loss(outputs.maps, targets))
        if outputs.refined:
            losses.update(self.refine_head.loss(outputs.refined, targets))
        if outputs.covariance_params is not None:
            joints, root = joints_and_root(outputs)
            losses.update(
                self.uncertainty_head.loss(
                    outputs.covariance_params,
                    joints,
                    targets,
                    root,
                    final_state(outputs).camera,
                    wrist_axes(outputs),
                )
            )
        if self.consistency is not None:
            losses.update(
                self.consistency(
                    regressed,
                    targets,
                    inputs,
                    lambda crops: self.regress(crops)[-1],
                    keys,
                    black_of(self.data_preprocessor),
                )
            )
        return losses

    def targets_of(self, data_samples: list, device: torch.device) -> HandTargets:
        """The ground truth of the slots that the model has."""
        if self.num_slots < NUM_SLOTS:
            check_one_hand(data_samples)
        return slots_of(HandTargets.from_samples(data_samples, device), self.num_slots)

    def predict(self, inputs: Tensor, data_samples: list) -> list:
        """Add ``pred_instances`` (and ``pred_fields`` if asked) to the samples."""
        outputs = self.run_heads(inputs)
        if self.test_cfg.get('flip_test', False):
            outputs = average_with_mirrored(outputs, self.run_heads(inputs.flip(-1)))
        with_maps = self.test_cfg.get('output_maps', False)
        return pack_predictions(
            outputs, data_samples, with_maps, self.error_bars(outputs)
        )

    def error_bars(self, outputs: HandOutputs) -> dict[str, Tensor]:
        """Covariances and standard deviations; nothing of a deterministic model."""
        head = self.uncertainty_head
        params = outputs.covariance_params
        if params is None or not head.covariance.probabilistic:
            return {}
        hands = head.gaussian(params, *joints_and_root(outputs), wrist_axes(outputs))
        return uncertainty_fields(hands, head.joint_std(hands))

    def _forward(self, inputs: Tensor, data_samples: list | None = None) -> HandOutputs:
        return self.run_heads(inputs)


def check_shape(head: nn.Module, inputs: Tensor) -> None:
    """Refuse crops (B, 3, H, W) of another shape than a head's one camera scale is for.

    :class:`MANOMapHead` has a scale along each axis and reads crops of any shape.
    """
    name = next((n for n in ('image_size', 'crop_size') if hasattr(head, n)), None)
    if name is None or inputs.ndim < 4:  # cached features: their images were crops
        return
    wide, high = crop_sides(getattr(head, name))
    height, width = inputs.shape[-2:]
    if width * high != height * wide:
        raise UserError(
            f'crops are {width} x {height} pixels, the one camera scale of '
            f'{type(head).__name__} is for the shape of {wide} x {high}; cut such '
            f'crops, or set mano_head.{name} where a head takes other shapes'
        )


def black_of(preprocessor: nn.Module) -> Tensor | float:
    """What a black pixel is after MMEngine's normalisation, (3, 1, 1), or 0."""
    mean, std = getattr(preprocessor, 'mean', None), getattr(preprocessor, 'std', None)
    return 0.0 if mean is None or std is None else -mean / std


def joints_and_root(outputs: HandOutputs) -> tuple[Tensor, Tensor]:
    """The final joints from the wrist (B, S, J, 3), which refining may have moved, and
    that wrist in the model's frame (B, S, 3).
    """
    state = final_state(outputs)
    wrist = state.joints[..., WRIST, :]
    return state.joints - wrist[..., None, :], state.root + wrist


def wrist_axes(outputs: HandOutputs) -> Tensor:
    """(B, S, 3, 3) from the axes of each hand's own wrist to the camera's."""
    return outputs.coarse.rotations[..., WRIST, :, :]
