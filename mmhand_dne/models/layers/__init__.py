from .camera_correction import RidgeCamera
from .noise_graph_attn import NoiseGraphAttention
from .noise_mlp import NoiseMLP
from .transformer_decoder import CrossAttentionDecoder

__all__ = ['CrossAttentionDecoder', 'NoiseGraphAttention', 'NoiseMLP', 'RidgeCamera']
