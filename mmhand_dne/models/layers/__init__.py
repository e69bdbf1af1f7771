from .noise_graph_attn import NoiseGraphAttention
from .noise_mlp import NoiseMLP
from .ridge_camera import RidgeCamera

__all__ = ['NoiseGraphAttention', 'NoiseMLP', 'RidgeCamera']
