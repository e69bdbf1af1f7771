"""The parts of a model that ONNX has no operators for, written with those it has.

Each computes the numbers of the part that it stands for, with that part's weights, and
exists only while a model is exported: training keeps the faster or differentiable one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mmhand_dne.errors import UserError
from mmhand_dne.gaussian.density import CovarianceParams
from mmhand_dne.geometry.three_view import VIEW_AXES, vertex_cells
from mmhand_dne.hand_model.mano_layer import OWN, MANOLayer
from mmhand_dne.models.covariances.correlated_covariance import (
    CorrelatedCovariance,
    scaled,
)
from mmhand_dne.models.covariances.covariance import Covariance, FullCovariance
from mmhand_dne.models.fitting.positive_solve import PositiveSolve
from mmhand_dne.models.layers.noise_graph_attn import NoiseGraphAttention
from mmhand_dne.models.necks.three_view_voxel_neck import ThreeViewVoxelNeck

from .largest_rows import largest_rows


class ScatteredViews(nn.Module):
    """:class:`ThreeViewVoxelNeck` by a scatter with maximum; ONNX has no segments."""

    def __init__(self, part: ThreeViewVoxelNeck):
        super().__init__()
        self.num_cells = part.num_cells

    def forward(self, features: Tensor, vertices: Tensor) -> Tensor:
        """(..., V, C) features, (..., V, 3) metres -> (..., V, 3 C)."""
        cells, channels = self.num_cells, features.shape[-1]
        flat = features.flatten(0, -3)  # (G, V, C)
        cell = vertex_cells(vertices.flatten(0, -3), cells)
        first, second = (torch.tensor(axes) for axes in zip(*VIEW_AXES))
        plane = cell.index_select(-1, first) * cells + cell.index_select(-1, second)
        hand = torch.arange(flat.shape[0])[:, None, None]
        targets = plane + cells * cells * (torch.arange(3) + 3 * hand)  # (G, V, 3)
        targets = targets.flatten()
        rows = flat.repeat_interleave(3, 1).flatten(0, 1)
        planes = largest_rows(rows, targets, flat.shape[0] * 3 * cells * cells)
        read = planes.index_select(0, targets)  # (G V 3, C)
        return read.reshape(*features.shape[:-1], 3 * channels)


class DenseGraphAttention(nn.Module):
    """:class:`NoiseGraphAttention` with dense matrices; ONNX has no sparse product."""

    def __init__(self, part: NoiseGraphAttention):
        super().__init__()
        self.part = part
        clusters = torch.arange(part.num_clusters, device=part.cluster.device)
        pooling = (part.cluster == clusters[:, None]) * part.cluster_share
        self.register_buffer('adjacency', part.adjacency.to_dense(), False)
        self.register_buffer('pooling', pooling, False)

    def convolve(self, conv: nn.Module, tokens: Tensor) -> Tensor:
        """GraphConv, tokens (G, V, C)."""
        normal = conv.norm(tokens)
        return tokens + torch.relu(
            conv.own(normal) + conv.neighbours(self.adjacency @ normal)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(G, S, V, in_channels) -> (G, S, V, out_channels)."""
        part, hands = self.part, features.shape[1]
        tokens = (part.inward(features) + part.side).flatten(0, 1)
        for conv, norm, attention in zip(part.convs, part.norms, part.attentions):
            tokens = self.convolve(conv, tokens)
            pooled = norm(self.pooling @ tokens + part.place)
            pooled = pooled.unflatten(0, (-1, hands)).flatten(1, 2)
            mixed = attention(pooled, pooled, pooled, need_weights=False)[0]
            mixed = mixed.unflatten(1, (hands, -1)).flatten(0, 1)
            tokens = tokens + mixed.index_select(1, part.cluster)
        return part.last(tokens).unflatten(0, (-1, hands))


def own_skin(part: MANOLayer) -> MANOLayer:
    """A :class:`MANOLayer` on our own skinning, whatever skinned it.

    smplx looks each joint's parent up with a tensor, whose value an export does not
    know.
    """
    return MANOLayer(part.side, part.source)


class FixedMixing(Covariance):
    """:class:`CorrelatedCovariance` with W instead of the factors of its inverse."""

    def __init__(self, part: CorrelatedCovariance):
        super().__init__(
            part.in_channels, part.dim, part.dims, num_slots=part.num_slots
        )
        self.part = part
        part.unit_mixing()  # raises where W is ill-conditioned
        self.register_buffer('mixing', part.mixing(), False)

    def params(self, token: Tensor) -> CovarianceParams:
        """Log variances of z, or scales of y."""
        return CovarianceParams(log_var=self.part.params(token).log_var)

    def root(self, params: CovarianceParams) -> Tensor:
        """W diag sigma, or diag sigma W."""
        return scaled(self.mixing, torch.exp(0.5 * params.log_var), self.part.apart)


class UnrolledFull(Covariance):
    """:class:`FullCovariance` without a triangular solver, which ONNX does not have.

    The inverse of a lower triangular L is built of the inverses of its diagonal
    blocks, whose size doubles: with A, C two neighbours and B the block below A,
    ``[[A, 0], [B, C]]^-1 = [[A^-1, 0], [-C^-1 B A^-1, C^-1]]``.

    Raises:
        ValueError: the part is of ``form='square'``, which needs a QR factorisation.
    """

    def __init__(self, part: FullCovariance):
        super().__init__(part.in_channels, part.dim, part.dims)
        if part.form != 'cholesky':
            raise UserError(
                f'FullCovariance(form={part.form!r}) has no ONNX form, which has no QR '
                "factorisation; export a model trained with form='cholesky'"
            )
        self.part = part
        # Entry (row, column) of L is entry ``index`` of what the readouts give; what
        # they give nothing for, above the diagonal, is a zero appended to it.
        index = torch.full((part.dim**2,), len(part.entries))
        index[part.entries.cpu()] = torch.arange(len(part.entries))
        self.register_buffer('index', index.to(part.entries.device), False)
        self.register_buffer('below', blocks_below(part.dim), False)

    def params(self, token: Tensor) -> CovarianceParams:
        """L and minus the log of its diagonal."""
        part, unit = self.part, torch.tensor(self.part.log_unit).exp()
        log_diag = part.fc_log_diag(token) + part.log_unit
        lower = part.fc_tril(token) / unit
        zero = torch.zeros_like(lower[..., :1])
        entries = torch.cat([lower, torch.exp(-log_diag), zero], -1)
        factor = entries.index_select(-1, self.index)
        return CovarianceParams(
            factor=factor.unflatten(-1, (self.dim, self.dim)), log_diag=log_diag
        )

    def root(self, params: CovarianceParams) -> Tensor:
        """L^-T."""
        identity = torch.eye(self.dim)
        inverse = identity * torch.exp(params.log_diag)[..., None, :]
        for mask in self.below:
            inverse = inverse - inverse @ (params.factor * mask) @ inverse
        return inverse.mT


def blocks_below(size: int) -> Tensor:
    """(K, d, d) masks of the blocks B that join neighbours of 1, 2, 4, ... rows."""
    row = torch.arange(size)
    masks, block = [], 1
    while block < size:
        number = row // block
        pair = number[:, None] // 2 == number // 2
        masks.append(pair & (number[:, None] > number))
        block *= 2
    return torch.stack(masks).float() if masks else torch.zeros(0, size, size)


class IteratedInverse(nn.Module):
    """:class:`PositiveSolve` by Newton's iteration X <- X (2 - A X) (Schulz 1933).

    A is scaled to a diagonal of ones. Below 1 / norm(A) the error of X squares with
    each iteration: ``iterations`` are enough for condition numbers up to about 4000.
    """

    iterations = 16

    def __init__(self, part: PositiveSolve):
        super().__init__()

    def forward(self, matrix: Tensor, right: Tensor) -> Tensor:
        """(B, n, n) symmetric positive definite and (B, n) -> (B, n)."""
        scale = matrix.diagonal(dim1=-2, dim2=-1).rsqrt()
        scaled = matrix * scale[..., None] * scale[..., None, :]
        twice = 2 * torch.eye(matrix.shape[-1])
        largest = scaled.abs().sum(-1).amax(-1)
        inverse = torch.eye(matrix.shape[-1]) / largest[..., None, None]
        for _ in range(self.iterations):
            inverse = inverse @ (twice - scaled @ inverse)
        return scale * (inverse @ (scale * right)[..., None])[..., 0]


STAND_INS = {
    ThreeViewVoxelNeck: ScatteredViews,
    MANOLayer: own_skin,
    NoiseGraphAttention: DenseGraphAttention,
    CorrelatedCovariance: FixedMixing,
    FullCovariance: UnrolledFull,
    PositiveSolve: IteratedInverse,
}


@contextmanager
def exportable(model: nn.Module) -> Iterator[nn.Module]:
    """While open, the model's parts are those that ONNX has operators for."""
    swapped = []
    for parent in list(model.modules()):
        for name, part in list(parent.named_children()):
            if type(part) is CorrelatedCovariance and not part.linear:
                continue  # a diagonal covariance under another name
            if type(part) is MANOLayer and part.backend == OWN:
                continue  # exported as it is
            if type(part) in STAND_INS:
                swapped.append((parent, name, part))
                setattr(parent, name, STAND_INS[type(part)](part).eval())
    try:
        yield model
    finally:
        for parent, name, part in swapped:
            setattr(parent, name, part)
