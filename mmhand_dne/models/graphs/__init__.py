from .chebyshev_graph_attention import ChebyshevGraphAttention

__all__ = ['ChebyshevGraphAttention']
