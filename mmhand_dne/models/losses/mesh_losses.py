"""Losses on meshes, their projections, joints and MANO parameters (DNE Eq. 10-11)."""

from collections.abc import Callable

import torch.nn.functional as F
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError

from .masked_loss import masked_mean


def check_same_shape(prediction: Tensor, target: Tensor) -> None:
    """Refuse to compare tensors that would broadcast.

    Raises: ValueError naming both shapes.
    """
    if prediction.shape != target.shape:
        raise UserError(
            f'prediction {tuple(prediction.shape)} and target {tuple(target.shape)} '
            'differ in shape; broadcasting would compare wrong pairs'
        )


def l1_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Elementwise absolute difference."""
    return (prediction - target).abs()


def bce_with_logits(prediction: Tensor, target: Tensor) -> Tensor:
    """Elementwise binary cross-entropy of logits."""
    return F.binary_cross_entropy_with_logits(prediction, target, reduction='none')


class MaskedLoss(nn.Module):
    """``loss_weight`` times the mean of an elementwise loss over valid elements.

    Subclasses name the function; the mask multiplies the loss, never its inputs.
    """

    elementwise: Callable[[Tensor, Tensor], Tensor]

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self, prediction: Tensor, target: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Equal shapes; ``mask`` as in :func:`masked_mean`. Returns a scalar."""
        check_same_shape(prediction, target)
        values = type(self).elementwise(prediction, target.to(prediction.dtype))
        return self.loss_weight * masked_mean(values, mask)


@MODELS.register_module()
class MaskedL1Loss(MaskedLoss):
    """Mean absolute error over valid elements: metres, NDC or unitless (DNE Eq. 9-11).

    Example:
        >>> loss = MaskedL1Loss(loss_weight=2.)
        >>> loss(torch.ones(2, 3), torch.zeros(2, 3), torch.tensor([1., 0.]))
        tensor(2.)
    """

    elementwise = staticmethod(l1_distance)


@MODELS.register_module()
class PresenceLoss(MaskedLoss):
    """Binary cross-entropy of the two presence logits [decided]."""

    elementwise = staticmethod(bce_with_logits)
