"""Model parts, each registered in MMPose's ``MODELS`` and usable alone."""

from . import (
    adversarial,
    backbones,
    confidences,
    covariances,
    data_preprocessors,
    detectors,
    estimators,
    fitting,
    graphs,
    heads,
    layers,
    losses,
    necks,
)

__all__ = [
    'adversarial',
    'backbones',
    'confidences',
    'covariances',
    'data_preprocessors',
    'detectors',
    'estimators',
    'fitting',
    'graphs',
    'heads',
    'layers',
    'losses',
    'necks',
]
