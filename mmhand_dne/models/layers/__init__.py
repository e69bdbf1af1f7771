from .correlated_covariance import CorrelatedCovariance
from .covariance import DeterministicCovariance, DiagonalCovariance, FullCovariance
from .gaussian_density import CovarianceParams
from .hand_token import CoarseHandToken, RefinedHandToken
from .noise_graph_attn import NoiseGraphAttention
from .noise_mlp import NoiseMLP
from .ridge_camera import RidgeCamera
from .transformer_decoder import CrossAttentionDecoder

__all__ = [
    'CoarseHandToken',
    'CorrelatedCovariance',
    'CovarianceParams',
    'CrossAttentionDecoder',
    'DeterministicCovariance',
    'DiagonalCovariance',
    'FullCovariance',
    'NoiseGraphAttention',
    'NoiseMLP',
    'RefinedHandToken',
    'RidgeCamera',
]
