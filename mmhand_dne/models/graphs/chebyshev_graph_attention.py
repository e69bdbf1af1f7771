"""phi and varphi of the paper's variant Ours-GraphAttn, at IntagHand's widths."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.geometry.mesh import unique_edges
from mmhand_dne.models.layers.noise_graph_attn import mesh_clusters

from .graph_level import GraphLevel, scaled_laplacian


@MODELS.register_module()
class ChebyshevGraphAttention(BaseModule):
    """Spectral graph convolutions and attention from coarse to fine (DNE Table 1).

    After IntagHand's published decoder (Li et al., CVPR 2022), to which the paper's
    variant refers: three levels of a coarsened mesh, on each four Chebyshev
    convolutions of two polynomials and attention within and across the hands, widths
    512, 256, 128 before and 256, 128, 64 after them. What DNE does not say is ours
    [decided]: a level reads the vertices' features, averaged over clusters along the
    mesh, in place of the image; graphs of levels join the clusters that a mesh edge
    joins; the last level goes back to the vertices, where a perceptron sees it beside
    each vertex's own features; the last layer starts at zero.

    Args:
        in_channels: of a vertex's features.
        out_channels: 2 or 3.
        num_clusters: nodes of the levels, coarse first.
        in_widths, widths: channels before and after a level's convolutions.
        num_convs: convolutions a level.
        order: polynomials of a convolution.
        num_heads: of each attention.
        hand_model: :class:`HandPair`: template and faces.

    Example:
        >>> pair = MODELS.build(dict(type='HandPair'))
        >>> phi = ChebyshevGraphAttention(64, 2, hand_model=pair)
        >>> phi(torch.rand(1, 2, 778, 64)).shape
        torch.Size([1, 2, 778, 2])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_clusters: Sequence[int] = (63, 126, 252),
        in_widths: Sequence[int] = (512, 256, 128),
        widths: Sequence[int] = (256, 128, 64),
        num_convs: int = 4,
        order: int = 2,
        num_heads: int = 4,
        hand_model: nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if hand_model is None:
            raise UserError(
                'ChebyshevGraphAttention needs hand_model for its mesh edges'
            )
        if not len(num_clusters) == len(in_widths) == len(widths) > 0:
            raise UserError(
                f'ChebyshevGraphAttention: num_clusters {tuple(num_clusters)}, '
                f'in_widths {tuple(in_widths)} and widths {tuple(widths)} differ in '
                'length; give one of each for every level'
            )
        points, faces = hand_model.template[0].cpu(), hand_model.faces[0].cpu()
        edges = unique_edges(faces)
        clusters = [mesh_clusters(points, faces, count) for count in num_clusters]
        crossed = len(hand_model.template) > 1
        self.levels = nn.ModuleList(
            GraphLevel(
                scaled_laplacian(cluster_edges(edges, cluster), count),
                before,
                after,
                num_convs,
                order,
                num_heads,
                crossed,
            )
            for cluster, count, before, after in zip(
                clusters, num_clusters, in_widths, widths
            )
        )
        self.add_pools(clusters, num_clusters)
        self.reads = nn.ModuleList(nn.Linear(in_channels, width) for width in in_widths)
        self.rises = nn.ModuleList(
            nn.Linear(before, after) for before, after in zip(widths, in_widths[1:])
        )
        self.side = nn.Parameter(torch.zeros(len(hand_model.template), 1, in_widths[0]))
        width = widths[-1]
        self.inward = nn.Linear(in_channels, width)
        self.join = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(inplace=True))
        self.last = nn.Linear(width, out_channels)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def add_pools(self, clusters: list[Tensor], counts: Sequence[int]) -> None:
        """Buffers that lead to a level and on to the next, or back to the vertices.

        They are rebuilt from the hand model: no mesh in checkpoints.

        Args:
            clusters: (V,) int64 of each level.
            counts: nodes of each level.
        """
        shares = [membership(*pair) for pair in zip(clusters, counts)]
        for number, cluster in enumerate(clusters):
            self.register_buffer(f'pool{number}', shares[number], persistent=False)
            rise = cluster
            if number + 1 < len(shares):  # what a finer cluster's vertices lie in
                one_hot = nn.functional.one_hot(cluster, counts[number])
                rise = shares[number + 1] @ one_hot.float()
            self.register_buffer(f'rise{number}', rise, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """(G, S, V, in_channels) -> (G, S, V, out_channels)."""
        tokens = self.side
        for number, (level, read) in enumerate(zip(self.levels, self.reads)):
            pool = getattr(self, f'pool{number}').to(features.dtype)
            tokens = level(tokens + read(pool @ features))
            if number < len(self.rises):
                rise = getattr(self, f'rise{number}').to(tokens.dtype)
                tokens = self.rises[number](rise @ tokens)
        cluster = getattr(self, f'rise{len(self.levels) - 1}')
        vertices = tokens.index_select(2, cluster)
        return self.last(self.join(torch.cat([vertices, self.inward(features)], -1)))


def membership(cluster: Tensor, count: int) -> Tensor:
    """(K, V) float32 whose rows average a cluster's vertices."""
    one_hot = nn.functional.one_hot(cluster, count).float()
    return (one_hot / one_hot.sum(0)).T.contiguous()


def cluster_edges(edges: Tensor, cluster: Tensor) -> Tensor:
    """(E', 2) edges between clusters that an edge (E, 2) of the mesh joins."""
    joined = cluster[edges].sort(dim=1).values
    return torch.unique(joined[joined[:, 0] != joined[:, 1]], dim=0)
