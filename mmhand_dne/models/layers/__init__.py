from .camera_correction import RidgeCamera
from .landmark_readout import LandmarkReadout
from .noise_graph_attn import NoiseGraphAttention
from .noise_mlp import NoiseMLP
from .presence_readout import PresenceReadout
from .same_conv import SameConv2d
from .transformer_decoder import CrossAttentionDecoder

__all__ = [
    'CrossAttentionDecoder',
    'LandmarkReadout',
    'NoiseGraphAttention',
    'NoiseMLP',
    'PresenceReadout',
    'RidgeCamera',
    'SameConv2d',
]
