"""Confidence as the probability of the noise that was drawn."""

from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.models.layers.dne_stage import StageSamples


@MODELS.register_module()
class DensityConfidence(nn.Module):
    """The log-density of a sample's own noise, summed over vertices (Eq. 2) [decided].

    It has no parameters and sees nothing of the image: the chosen sample is the one
    that was disturbed least, and its error is hardly another than that of a sample
    chosen at random (``tools/analysis_tools/rank_samples.py`` measures it).

    Args:
        in_channels, noise_channels: not used; every confidence is told them.
    """

    def __init__(self, in_channels: int = 0, noise_channels: int = 0) -> None:
        super().__init__()

    def forward(self, samples: StageSamples) -> Tensor:
        """(B, R, S), without gradient."""
        return samples.log_density.detach()
