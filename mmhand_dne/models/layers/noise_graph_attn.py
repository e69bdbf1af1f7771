"""phi and varphi of a light graph-attention variant."""

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.mesh import normalised_adjacency, unique_edges


def farthest_points(points: Tensor, count: int) -> Tensor:
    """Indices of ``count`` well-spread points of (V, 3), the first vertex first."""
    chosen = [0]
    distance = (points - points[0]).norm(dim=-1)
    for _ in range(count - 1):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (points - points[chosen[-1]]).norm(dim=-1))
    return torch.tensor(chosen)


def mesh_clusters(points: Tensor, faces: Tensor, count: int) -> Tensor:
    """Assign every vertex to one of ``count`` seeds by path length along the mesh.

    Along edges, not through the air: a fingertip bent to the palm stays a fingertip.

    Args:
        points: (V, 3) template, metres.
        faces: (F, 3).
        count: number of clusters.
    Returns: (V,) int64 cluster of each vertex.
    """
    edges = unique_edges(faces)
    edges = torch.cat([edges, edges.flip(1)])
    lengths = (points[edges[:, 0]] - points[edges[:, 1]]).norm(dim=-1)
    seeds = farthest_points(points, count)
    distance = torch.full((count, len(points)), torch.inf)
    distance[torch.arange(count), seeds] = 0.0
    for _ in range(len(points)):  # Bellman-Ford, once when built
        offer = distance[:, edges[:, 0]] + lengths
        index = edges[:, 1].expand(count, -1)
        shorter = distance.scatter_reduce(1, index, offer, reduce='amin')
        if torch.equal(shorter, distance):
            break
        distance = shorter
    return distance.argmin(0)


class GraphConv(nn.Module):
    """Residual graph convolution over the mesh edges, with layer normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.own = nn.Linear(channels, channels)
        self.neighbours = nn.Linear(channels, channels, bias=False)

    def forward(self, tokens: Tensor, adjacency: Tensor) -> Tensor:
        """tokens (G, V, C), adjacency (V, V) sparse -> (G, V, C)."""
        normal = self.norm(tokens)
        groups, count, channels = normal.shape
        with torch.autocast(tokens.device.type, enabled=False):
            flat = normal.to(adjacency.dtype).transpose(0, 1).reshape(count, -1)
            mean = torch.sparse.mm(adjacency, flat)
        mean = mean.view(count, groups, channels).transpose(0, 1).to(normal.dtype)
        return tokens + torch.relu(self.own(normal) + self.neighbours(mean))


@MODELS.register_module()
class NoiseGraphAttention(BaseModule):
    """Graph convolutions on each mesh, attention across both hands; a light variant.

    Far smaller than IntagHand's decoder, which :class:`ChebyshevGraphAttention` follows
    for DNE Table 1 [decided]: residual graph convolutions over the mesh edges; vertices
    pooled to ``num_clusters`` tokens per hand; multi-head attention over the tokens of
    both hands; the result added back to the tokens' vertices.

    Args:
        in_channels: of a vertex's features.
        out_channels: 2 or 3.
        hidden_channels: width of convolutions and attention.
        num_layers: pairs of graph convolution and attention.
        num_heads: of the attention.
        num_clusters: tokens per hand.
        hand_model: :class:`HandPair`: template and faces.

    Example:
        >>> pair = MODELS.build(dict(type='HandPair'))
        >>> phi = NoiseGraphAttention(64, 2, hand_model=pair)
        >>> phi(torch.rand(4, 2, 778, 64)).shape
        torch.Size([4, 2, 778, 2])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: int = 64,
        num_layers: int = 2,
        num_heads: int = 4,
        num_clusters: int = 128,
        hand_model: nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if hand_model is None:
            raise UserError('NoiseGraphAttention needs hand_model for its mesh edges')
        points, faces = hand_model.template[0].cpu(), hand_model.faces[0].cpu()
        cluster = mesh_clusters(points, faces, num_clusters)
        sizes = torch.bincount(cluster, minlength=num_clusters).float()
        adjacency = normalised_adjacency(faces, len(points))
        # Rebuilt from the hand model: no mesh in checkpoints.
        self.register_buffer('cluster', cluster, persistent=False)
        self.register_buffer('cluster_share', 1 / sizes[cluster], persistent=False)
        self.register_buffer('adjacency', adjacency, persistent=False)
        self.num_clusters = num_clusters
        self.inward = nn.Linear(in_channels, hidden_channels)
        hands = len(hand_model.template)  # one in a model of one hand
        self.side = nn.Parameter(torch.zeros(hands, 1, hidden_channels))
        self.place = nn.Parameter(torch.randn(num_clusters, hidden_channels) * 0.02)
        self.convs = nn.ModuleList(
            GraphConv(hidden_channels) for _ in range(num_layers)
        )
        self.norms = nn.ModuleList(
            nn.LayerNorm(hidden_channels) for _ in range(num_layers)
        )
        self.attentions = nn.ModuleList(
            nn.MultiheadAttention(hidden_channels, num_heads, batch_first=True)
            for _ in range(num_layers)
        )
        self.last = nn.Linear(hidden_channels, out_channels)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def pool(self, tokens: Tensor) -> Tensor:
        """Mean over clusters: (N, V, C) -> (N, K, C)."""
        share = self.cluster_share.to(tokens.dtype)[:, None]
        empty = tokens.new_zeros(len(tokens), self.num_clusters, tokens.shape[-1])
        return empty.index_add(1, self.cluster, tokens * share)

    def forward(self, features: Tensor) -> Tensor:
        """(G, S, V, in_channels) -> (G, S, V, out_channels)."""
        groups, hands = features.shape[:2]
        tokens = (self.inward(features) + self.side).flatten(0, 1)
        for conv, norm, attention in zip(self.convs, self.norms, self.attentions):
            tokens = conv(tokens, self.adjacency)
            pooled = norm(self.pool(tokens) + self.place)
            pooled = pooled.unflatten(0, (groups, hands)).flatten(1, 2)
            mixed = attention(pooled, pooled, pooled, need_weights=False)[0]
            mixed = mixed.unflatten(1, (hands, -1)).flatten(0, 1)
            tokens = tokens + mixed.index_select(1, self.cluster)
        return self.last(tokens).unflatten(0, (groups, hands))
