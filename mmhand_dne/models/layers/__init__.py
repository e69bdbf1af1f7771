from .camera_correction import RidgeCamera
from .landmark_readout import LandmarkReadout
from .noise_graph_attn import NoiseGraphAttention
from .noise_mlp import NoiseMLP
from .same_conv import SameConv2d
from .transformer_decoder import CrossAttentionDecoder

__all__ = [
    'CrossAttentionDecoder',
    'LandmarkReadout',
    'NoiseGraphAttention',
    'NoiseMLP',
    'RidgeCamera',
    'SameConv2d',
]
