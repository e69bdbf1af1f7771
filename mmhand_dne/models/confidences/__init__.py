"""How sure a DNE stage is of each noisy sample: the most confident one goes on."""

from .density_confidence import DensityConfidence
from .learned_confidence import LearnedConfidence

__all__ = ['DensityConfidence', 'LearnedConfidence']
