"""Model parts, each registered in MMPose's ``MODELS`` and usable alone."""
from . import (
    backbones,
    data_preprocessors,
    estimators,
    heads,
    layers,
    losses,
    necks,
)

__all__ = [
    'backbones',
    'data_preprocessors',
    'estimators',
    'heads',
    'layers',
    'losses',
    'necks',
]
