from .gaussian_nll import (
    CorrelatedGaussianNLLLoss,
    DiagonalGaussianNLLLoss,
    FullGaussianNLLLoss,
)
from .map_losses import AuxMapLoss
from .masked_loss import masked_mean
from .mesh_losses import MaskedL1Loss, PresenceLoss

__all__ = [
    'AuxMapLoss',
    'CorrelatedGaussianNLLLoss',
    'DiagonalGaussianNLLLoss',
    'FullGaussianNLLLoss',
    'MaskedL1Loss',
    'PresenceLoss',
    'masked_mean',
]
