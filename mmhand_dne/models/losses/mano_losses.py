"""HaMeR's losses on the regressed hand: joints in space and image, pose, shape."""

from collections.abc import Callable

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_state import CoarseHands
from mmhand_dne.structures.hand_targets import HandTargets

from .masked_loss import masked_mean
from .mesh_losses import check_same_shape, l1_distance

REDUCTIONS = ('mean', 'sum')


def squared_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Elementwise squared difference."""
    return (prediction - target).square()


def per_hand(values: Tensor, mask: Tensor | None, reduction: str) -> Tensor:
    """Sum of an elementwise loss over a hand, then 'mean' or 'sum' over hands.

    'mean' is the masked mean times the number of elements a hand has, so a hidden joint
    counts as an average one and neither batch size nor number of processes matters.

    Args:
        values: (B, S, ...).
        mask: as in :func:`masked_mean`.
    """
    if reduction == 'mean':
        return values[0, 0].numel() * masked_mean(values, mask)
    mask = mask.to(values.dtype)
    return (
        values * mask.reshape(*mask.shape, *[1] * (values.dim() - mask.dim()))
    ).sum()


@MODELS.register_module()
class HaMeRLoss(nn.Module):
    """The supervised terms of HaMeR, with its weights.

    HaMeR sums each term over joints, coordinates and batch. ``reduction='sum'`` does
    so; ``'mean'`` averages over hands instead [decided], which is the same loss over
    the batch size wherever everything is annotated, and independent of the GPUs.

    Args:
        lambda_3d: joints from the wrist, L1, metres.
        lambda_2d: projected joints, L1, in half the crop's NDC (the crop spans 1).
        lambda_orient, lambda_pose: squared difference of the rotation matrices, of the
            whole hand and of the 15 joints.
        lambda_betas: squared difference of the shape.
        reduction: 'mean' or 'sum'.
    """

    def __init__(
        self,
        lambda_3d: float = 0.05,
        lambda_2d: float = 0.01,
        lambda_orient: float = 1e-3,
        lambda_pose: float = 1e-3,
        lambda_betas: float = 5e-4,
        reduction: str = 'mean',
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise UserError(
                f'HaMeRLoss: reduction={reduction!r}, choose one of {REDUCTIONS}'
            )
        self.weights = dict(
            loss_joints=lambda_3d,
            loss_joints_2d=lambda_2d,
            loss_orient=lambda_orient,
            loss_pose=lambda_pose,
            loss_betas=lambda_betas,
        )
        self.reduction = reduction

    def forward(self, coarse: CoarseHands, targets: HandTargets) -> dict[str, Tensor]:
        """Scalars, already weighted.

        Args:
            coarse: with ``joints_ndc`` from the model's own projection.
            targets: ground truth of the same slots.
        """
        rotations, gt = coarse.rotations, targets.rotations
        known = targets.mano_valid
        terms = dict(
            loss_joints=(
                l1_distance,
                coarse.state.joints,
                targets.joints,
                targets.joints_valid,
            ),
            loss_joints_2d=(
                l1_distance,
                coarse.joints_ndc / 2,
                targets.joints_ndc / 2,
                targets.joints_ndc_valid,
            ),
            loss_orient=(
                squared_distance,
                rotations[..., :1, :, :],
                gt[..., :1, :, :],
                known,
            ),
            loss_pose=(
                squared_distance,
                rotations[..., 1:, :, :],
                gt[..., 1:, :, :],
                known,
            ),
            loss_betas=(squared_distance, coarse.betas, targets.betas, known),
        )
        with torch.autocast(rotations.device.type, enabled=False):
            return {
                name: self.weights[name] * self._term(*term)
                for name, term in terms.items()
            }

    def _term(
        self,
        distance: Callable[[Tensor, Tensor], Tensor],
        prediction: Tensor,
        target: Tensor,
        mask: Tensor,
    ) -> Tensor:
        check_same_shape(prediction, target)
        values = distance(prediction, target.to(prediction.dtype))
        return per_hand(values, mask, self.reduction)
