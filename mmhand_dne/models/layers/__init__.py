from .correlated_covariance import CorrelatedCovariance
from .covariance import DeterministicCovariance, DiagonalCovariance, FullCovariance
from .gaussian_density import CovarianceParams
from .noise_graph_attn import NoiseGraphAttention
from .noise_mlp import NoiseMLP
from .ridge_camera import RidgeCamera

__all__ = [
    'CorrelatedCovariance',
    'CovarianceParams',
    'DeterministicCovariance',
    'DiagonalCovariance',
    'FullCovariance',
    'NoiseGraphAttention',
    'NoiseMLP',
    'RidgeCamera',
]
