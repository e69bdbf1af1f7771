"""A level of a graph network: Chebyshev convolutions and attention."""

import torch
from torch import Tensor, nn

from mmhand_dne.errors import UserError


def scaled_laplacian(edges: Tensor, count: int) -> Tensor:
    """2 L / lambda_max - I of a graph, L = I - D^-1/2 A D^-1/2 (Defferrard 2016).

    Args:
        edges: (E, 2) int64, undirected, each once, without loops.
        count: number of nodes; one without an edge is alone: its row of A is 0.
    Returns: (N, N) float32, symmetric, eigenvalues in [-1, 1].
    """
    adjacency = torch.zeros(count, count, dtype=torch.float64)
    adjacency[edges[:, 0], edges[:, 1]] = adjacency[edges[:, 1], edges[:, 0]] = 1
    scale = adjacency.sum(1).clamp(min=1).rsqrt()
    identity = torch.eye(count, dtype=torch.float64)
    laplacian = identity - scale[:, None] * adjacency * scale
    largest = torch.linalg.eigvalsh(laplacian)[-1]
    return (2 * laplacian / largest - identity).float()


class ChebyshevConv(nn.Module):
    """sum_k T_k(L) x W_k over k < order, with T_k = 2 L T_(k-1) - T_(k-2).

    Args:
        in_channels, out_channels: of a node's features.
        order: number of polynomials, T_0 (the node itself) among them; 2 in IntagHand.
    """

    def __init__(self, in_channels: int, out_channels: int, order: int = 2) -> None:
        super().__init__()
        if order < 1:
            raise UserError(f'ChebyshevConv: order is {order}, expected at least 1')
        self.order = order
        self.linear = nn.Linear(order * in_channels, out_channels)

    def forward(self, nodes: Tensor, laplacian: Tensor) -> Tensor:
        """nodes (..., N, in_channels), laplacian (N, N) scaled -> (..., N, out)."""
        laplacian = laplacian.to(nodes.dtype)
        terms = [nodes]
        for k in range(1, self.order):
            term = laplacian @ terms[-1]
            terms.append(term if k == 1 else 2 * term - terms[-2])
        return self.linear(torch.cat(terms, -1))


class GraphLevel(nn.Module):
    """Convolutions on one level's graph, then attention within and across the hands.

    Args:
        laplacian: (K, K) of the level's graph, scaled.
        in_channels, channels: widths before and after the first convolution.
        num_convs, order, num_heads: see :class:`ChebyshevGraphAttention`.
        crossed: whether there is another hand.
    """

    def __init__(
        self,
        laplacian: Tensor,
        in_channels: int,
        channels: int,
        num_convs: int,
        order: int,
        num_heads: int,
        crossed: bool,
    ) -> None:
        super().__init__()
        self.register_buffer('laplacian', laplacian, persistent=False)
        widths = [in_channels, *[channels] * num_convs]
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths[:-1])
        self.convs = nn.ModuleList(
            ChebyshevConv(before, after, order)
            for before, after in zip(widths, widths[1:])
        )
        self.skip = nn.Linear(in_channels, channels)
        self.place = nn.Parameter(torch.randn(len(laplacian), channels) * 0.02)
        self.own = Attention(channels, num_heads)
        self.other = Attention(channels, num_heads) if crossed else None

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (G, S, K, in_channels) -> (G, S, K, channels)."""
        for number, (norm, conv) in enumerate(zip(self.norms, self.convs)):
            change = conv(torch.relu(norm(tokens)), self.laplacian)
            tokens = change + (tokens if number else self.skip(tokens))
        tokens = tokens + self.place
        tokens = self.own(tokens, tokens)
        if self.other is not None:
            tokens = self.other(tokens, tokens.flip(1))
        return tokens


class Attention(nn.Module):
    """Pre-norm multi-head attention of tokens to others, and a perceptron."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.norm, self.norm_out = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, num_heads, batch_first=True)
        self.perceptron = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels)
        )

    def forward(self, tokens: Tensor, others: Tensor) -> Tensor:
        """tokens, others (G, S, K, C) -> tokens with what they read of the others."""
        asked, told = (self.norm(x).flatten(0, 1) for x in (tokens, others))
        read = self.attention(asked, told, told, need_weights=False)[0]
        tokens = tokens + read.view_as(tokens)
        return tokens + self.perceptron(self.norm_out(tokens))
