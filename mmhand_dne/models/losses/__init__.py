from .gaussian_nll import (
    CorrelatedGaussianNLLLoss,
    DiagonalGaussianNLLLoss,
    FullGaussianNLLLoss,
)
from .mano_losses import HaMeRLoss
from .map_losses import AuxMapLoss
from .masked_loss import masked_mean
from .mesh_losses import MaskedL1Loss, PresenceLoss
from .view_consistency import ViewConsistency

__all__ = [
    'AuxMapLoss',
    'CorrelatedGaussianNLLLoss',
    'DiagonalGaussianNLLLoss',
    'FullGaussianNLLLoss',
    'HaMeRLoss',
    'MaskedL1Loss',
    'PresenceLoss',
    'ViewConsistency',
    'masked_mean',
]
