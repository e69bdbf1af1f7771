"""Covariances as parts: what a network says about its error."""

from .correlated_covariance import CorrelatedCovariance
from .covariance import DeterministicCovariance, DiagonalCovariance, FullCovariance
from .hand_token import CoarseHandToken, LandmarkGapToken, RefinedHandToken

__all__ = [
    'CoarseHandToken',
    'CorrelatedCovariance',
    'DeterministicCovariance',
    'DiagonalCovariance',
    'FullCovariance',
    'LandmarkGapToken',
    'RefinedHandToken',
]
