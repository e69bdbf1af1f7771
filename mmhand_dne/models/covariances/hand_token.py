"""Tokens: one vector for each hand, from which its error bars are estimated."""

import torch
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.models.fitting.landmark_terms import landmark_gaps
from mmhand_dne.structures.hand_state import CoarseHands, RefinedHands

GAP_UNIT = 0.1  # of the square; displacements in the token are of size about 1
LEAST_GAP = 0.02  # of the square; below it a gap is the landmarks' own noise
MOST_GAP = 1.0  # of the square; landmarks that are read on one point say no more


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


@MODELS.register_module()
class LandmarkGapToken(nn.Module):
    """The regressor's token, and how far the mesh lies from the landmarks that it read.

    A mesh that misses its own landmarks in the image is one that the network could not
    explain: that shows on photos too, which training on renderings does not otherwise
    teach. A joint has its displacement and the logarithm of its length, so that a
    log-variance that is linear in the token makes error bars a power of the gap. No
    gradient flows through the gaps: error bars are not to move the mesh [decided].

    Example:
        >>> token = LandmarkGapToken()  # uncertainty_head.in_channels: 3 * 21 more
    """

    def forward(self, coarse: CoarseHands, refined: list[RefinedHands]) -> Tensor:
        """-> (B, S, d_x + 63).

        Raises UserError where the regressor keeps no token or reads no landmarks.
        """
        if coarse.token is None or coarse.landmarks_ndc is None:
            raise UserError(
                'LandmarkGapToken: the regressor has no token or reads no landmarks; '
                "use MANOTokenHead, or hand_token=dict(type='CoarseHandToken')"
            )
        state = refined[-1].state if refined else coarse.state
        gap, _ = landmark_gaps(coarse.landmarks_ndc, state)  # (B, S, 21, 2)
        gap = gap.detach().clamp(-MOST_GAP, MOST_GAP)
        length = torch.log(gap.norm(dim=-1, keepdim=True) + LEAST_GAP)
        told = torch.cat([gap / GAP_UNIT, length], -1).flatten(-2)
        return torch.cat([coarse.token, told.to(coarse.token.dtype)], -1)
