"""Model parts, each registered in MMPose's ``MODELS`` and usable alone."""
from . import data_preprocessors, estimators, heads, layers, losses, necks

__all__ = ['data_preprocessors', 'estimators', 'heads', 'layers', 'losses', 'necks']
