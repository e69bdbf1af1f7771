"""Confidence that is trained to rank a stage's samples by their errors."""

import math

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import softplus

from mmhand_dne.geometry.camera import project
from mmhand_dne.models.layers.dne_stage import StageSamples
from mmhand_dne.models.layers.landmark_context import SPACE_UNIT
from mmhand_dne.models.losses.masked_loss import masked_mean

PLACE = 7  # u', v' and how far the sample's camera sees v' from u'


@MODELS.register_module()
class LearnedConfidence(BaseModule):
    """Score each sample by its features, so that better samples score higher.

    The paper's introduction speaks of "the sample with the highest confidence" and says
    no more [decided]. A perceptron shared by all vertices reads the sample's
    image-aligned features g, where its vertices are (u', v'), how far its refitted
    camera leaves them from u', and the standard normal noise that made it. It gives a
    number, and a weight for each coordinate of that noise: which way the truth lies.
    Their sum over the vertices is the score.

    It is trained by a pairwise logistic loss on which of two samples of a hand is
    closer to the truth. Nothing that it reads gets a gradient: the stage learns as
    without it. It starts at zero, a choice at random. A single sample, as at inference
    where noise is its mean, is not scored.

    Args:
        in_channels: C of the image-aligned features.
        noise_channels: coordinates of a vertex's noise, 2 and 3 or one of them.
        hidden_channels: width.
        loss_weight: of the ranking loss.

    Example:
        >>> refine_head = dict(type='DNEHead', num_samples=8,
        ...                    confidence=dict(type='LearnedConfidence'))
    """

    def __init__(
        self,
        in_channels: int,
        noise_channels: int,
        hidden_channels: int = 64,
        loss_weight: float = 1.0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.loss_weight = loss_weight
        self.body = nn.Sequential(
            nn.Linear(in_channels + PLACE + noise_channels, hidden_channels),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_channels, hidden_channels),
            nn.ReLU(inplace=True),
        )
        self.last = nn.Linear(hidden_channels, 1 + noise_channels)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, samples: StageSamples) -> Tensor:
        """Scores (B, R, S); zeros where there is one sample."""
        if samples.vertices.shape[1] == 1:
            return torch.zeros_like(samples.vertices[..., 0, 0])
        seen = project(samples.vertices, samples.cameras)
        parts = (
            samples.features,
            samples.points_ndc,
            samples.vertices / SPACE_UNIT,
            samples.points_ndc - seen,
            samples.noise,
        )
        dtype = samples.features.dtype
        read = torch.cat([part.detach().to(dtype) for part in parts], -1)
        found = self.last(self.body(read)).to(samples.vertices.dtype)
        towards = (found[..., 1:] * samples.noise.detach()).sum(-1)
        score = found[..., 0] + towards  # (B, R, S, V)
        return score.sum(-1) / math.sqrt(score.shape[-1])

    def loss(self, confidence: Tensor, errors: Tensor, valid: Tensor) -> Tensor:
        """How badly the scores rank the samples of each hand.

        Args:
            confidence: (B, R, S) scores.
            errors: (B, R, S) any unit, of the same samples.
            valid: (B, S) hands with ground truth.

        Returns: scalar, mean of log(1 + exp(-difference of scores)) over all pairs of
        samples of a hand, the better one first; log 2 at random.
        """
        first, second = torch.triu_indices(
            *2 * [errors.shape[1]], 1, device=errors.device
        )
        better = (errors[:, second] - errors[:, first]).sign()
        ahead = better * (confidence[:, first] - confidence[:, second])
        return self.loss_weight * masked_mean(softplus(-ahead).mean(1), valid)
