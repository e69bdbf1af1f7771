"""Tokens: one vector for each hand, from which its error bars are estimated."""

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.structures.hand_state import CoarseHands, RefinedHands


@MODELS.register_module()
class CoarseHandToken(nn.Module):
    """The token that the regressor kept, or None; HaMeR's decoder keeps one."""

    def forward(
        self, coarse: CoarseHands, refined: list[RefinedHands]
    ) -> Tensor | None:
        """-> (B, S, d_x) or None."""
        return coarse.token


@MODELS.register_module()
class RefinedHandToken(nn.Module):
    """A token of a refined hand: what it reads on the image, and what the image shows.

    The mean over its vertices of the last stage's image-aligned features g, beside the
    features pooled by the regressor's attention; a linear map of both [decided].

    Args:
        in_channels: C of the features.
        out_channels: d_x.

    Example:
        >>> token = RefinedHandToken(256, 1024)  # uncertainty_head.in_channels=1024
    """

    def __init__(self, in_channels: int, out_channels: int = 1024) -> None:
        super().__init__()
        self.fc = nn.Linear(2 * in_channels, out_channels)

    def forward(self, coarse: CoarseHands, refined: list[RefinedHands]) -> Tensor:
        """-> (B, S, d_x)."""
        if not refined:
            raise UserError(
                'RefinedHandToken: the hands are not refined; give the model a '
                "refine_head, or use hand_token=dict(type='CoarseHandToken')"
            )
        read = refined[-1].features.mean(2)  # (B, S, C)
        return self.fc(torch.cat([read, coarse.pooled.to(read.dtype)], -1))
