from .camera_correction import RidgeCamera
from .landmark_fit import LandmarkFit
from .noise_graph_attn import NoiseGraphAttention
from .noise_mlp import NoiseMLP
from .transformer_decoder import CrossAttentionDecoder

__all__ = [
    'CrossAttentionDecoder',
    'LandmarkFit',
    'NoiseGraphAttention',
    'NoiseMLP',
    'RidgeCamera',
]
