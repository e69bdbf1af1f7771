"""The whole model, as the paper's Figure 1 draws it."""
from typing import NamedTuple, Optional

from mmpose.models.pose_estimators.base import BasePoseEstimator
from mmpose.registry import MODELS
from torch import Tensor

from mmhand_dne.models.layers.draws import draw_keys
from mmhand_dne.structures.hand_state import AuxMaps, CoarseHands, RefinedHands
from mmhand_dne.structures.hand_targets import HandTargets

from .hand_predictions import pack_predictions
from .mirroring import average_with_mirrored


class HandOutputs(NamedTuple):
    """Everything a forward yields; ``maps`` is None without an aux head."""

    maps: Optional[AuxMaps]
    coarse: CoarseHands
    refined: list[RefinedHands]


@MODELS.register_module()
class HandMeshEstimator(BasePoseEstimator):
    """Hand meshes from one crop: encode, map, regress, refine (DNE Fig. 1).

    Heads are parts: without ``refine_head`` it is the baseline (M=0), without
    ``aux_head`` the features go to the regressor as they are.

    Args:
        backbone, neck: any of MMPose's; the finest level is used.
        mano_head: the coarse regressor, e.g. :class:`MANOMapHead`.
        aux_head: e.g. :class:`AuxMapHead`, or None.
        refine_head: e.g. :class:`DNEHead`, or None.
        hand_model: hand shared by all heads that do not name their own.
        test_cfg: ``flip_test`` averages with the un-mirrored prediction on the
            mirrored crop; ``output_maps`` adds the auxiliary maps to predictions.

    Other arguments: see MMPose's ``BasePoseEstimator``.
    """

    def __init__(self, backbone, neck=None, mano_head=None, aux_head=None,
                 refine_head=None, hand_model=dict(type='HandPair'), train_cfg=None,
                 test_cfg=None, data_preprocessor=None, init_cfg=None, metainfo=None):
        if mano_head is None:
            raise ValueError('HandMeshEstimator needs mano_head, the coarse regressor')
        hand_model = MODELS.build(hand_model)

        def with_hand(head):
            return {'hand_model': hand_model, **head}

        # MMPose's base insists on exactly one head; the regressor is the one that is
        # always there. It goes by its own name below.
        super().__init__(
            backbone, head=with_hand(mano_head), train_cfg=train_cfg, test_cfg=test_cfg,
            data_preprocessor=data_preprocessor, init_cfg=init_cfg, metainfo=metainfo)
        self.hand_model = hand_model
        self.neck = MODELS.build(neck) if neck else None
        self.aux_head = MODELS.build(with_hand(aux_head)) if aux_head else None
        self.mano_head = self.head
        del self.head
        self.refine_head = MODELS.build(with_hand(refine_head)) if refine_head else None
        self.refines_in_training = True  # TwoPhaseHook trains the baseline first

    @property
    def refines(self) -> bool:
        """Whether this forward runs the refinement: always, outside training."""
        return self.refines_in_training or not self.training

    def run_heads(self, inputs: Tensor, keys: Optional[Tensor] = None) -> HandOutputs:
        """Normalised crops (B, 3, H, W) -> maps, coarse hands, refined hands."""
        features, maps = self.extract_feat(inputs)[0], None
        if self.aux_head is not None:
            maps, features = self.aux_head(features)
        coarse = self.mano_head(features)
        refined = []
        if self.refine_head is not None and self.refines:
            refined = self.refine_head(features, coarse.state, keys)
        return HandOutputs(maps, coarse, refined)

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """All losses of Eq. 8 for a batch; keys start with or end in ``loss_*``."""
        targets = HandTargets.from_samples(data_samples, inputs.device)
        outputs = self.run_heads(inputs, draw_keys(data_samples, inputs.device))
        losses = self.mano_head.loss(outputs.coarse, targets)
        if self.aux_head is not None:
            losses.update(self.aux_head.loss(outputs.maps, targets))
        if outputs.refined:
            losses.update(self.refine_head.loss(outputs.refined, targets))
        return losses

    def predict(self, inputs: Tensor, data_samples: list) -> list:
        """Add ``pred_instances`` (and ``pred_fields`` if asked) to the samples."""
        outputs = self.run_heads(inputs)
        if self.test_cfg.get('flip_test', False):
            outputs = average_with_mirrored(outputs, self.run_heads(inputs.flip(-1)))
        with_maps = self.test_cfg.get('output_maps', False)
        return pack_predictions(outputs, data_samples, inputs.shape[-1], with_maps)

    def _forward(self, inputs: Tensor, data_samples=None) -> HandOutputs:
        return self.run_heads(inputs)

