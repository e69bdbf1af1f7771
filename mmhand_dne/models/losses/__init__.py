from .map_losses import AuxMapLoss
from .masked_loss import masked_mean
from .mesh_losses import MaskedL1Loss, PresenceLoss

__all__ = ['AuxMapLoss', 'MaskedL1Loss', 'PresenceLoss', 'masked_mean']
