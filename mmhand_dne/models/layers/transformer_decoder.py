"""One token that reads a feature map: the decoder of HaMeR's heads."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .positions import with_positions

# Parameters of a CrossAttentionDecoder without effect, and why; which rows of them is
# what CrossAttentionDecoder.dead_parameters() tells.
DEAD_BY_DESIGN = {
    'token_embed.weight': 'the token that it multiplies is zero',
    'layers.*.self_attn.qkv.weight': (
        'queries and keys: the attention of a token to itself alone is 1'
    ),
}


class CrossAttentionDecoder(nn.Module):
    """Pre-norm transformer decoder with one learned query (HaMeR Sec. 3).

    The token passes through self-attention (alone, so a linear map of it), attention to
    the cells of the map, and a two-layer perceptron. No norm at the end. Queries, keys
    and values have no bias; the map is not normalised.

    HaMeR's parameters are all here, also those of ``DEAD_BY_DESIGN``, so that its
    checkpoints load and are written whole.

    Args:
        context_channels: C of the map.
        embed_dims: of the token.
        depth, num_heads, head_dims, ffn_dims: of its layers.
        coordinates: append the NDC of each cell to the map. A backbone with position
            embeddings, as HaMeR's, tells where a cell is; convolutions do not.

    Example:
        >>> decoder = CrossAttentionDecoder(32, embed_dims=64, depth=2)
        >>> decoder(torch.rand(4, 32, 8, 8)).shape
        torch.Size([4, 64])
    """

    def __init__(
        self,
        context_channels: int,
        embed_dims: int = 1024,
        depth: int = 6,
        num_heads: int = 8,
        head_dims: int = 64,
        ffn_dims: int = 1024,
        coordinates: bool = False,
    ) -> None:
        super().__init__()
        self.coordinates = coordinates
        self.token_embed = nn.Linear(1, embed_dims)
        self.pos_embed = nn.Parameter(torch.randn(1, 1, embed_dims))
        channels = context_channels + 2 * coordinates
        self.layers = nn.ModuleList(
            DecoderLayer(embed_dims, channels, num_heads, head_dims, ffn_dims)
            for _ in range(depth)
        )

    def forward(self, context: Tensor) -> Tensor:
        """Feature map (B, C, h, w) -> token (B, embed_dims)."""
        if self.coordinates:
            context = with_positions(context)
        cells = context.flatten(2).mT  # (B, h*w, C), row by row
        zero = cells.new_zeros(cells.shape[0], 1, 1)
        token = self.token_embed(zero) + self.pos_embed
        for layer in self.layers:
            token = layer(token, cells)
        return token[:, 0]

    def dead_parameters(self) -> dict[str, slice]:
        """Rows of parameters without effect, by name; their gradient is zero."""
        dead = {'token_embed.weight': slice(None)}
        for i, layer in enumerate(self.layers):
            rows = slice(0, 2 * layer.self_attn.proj.in_features)
            dead[f'layers.{i}.self_attn.qkv.weight'] = rows
        return dead


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention and perceptron, each added to the token."""

    def __init__(
        self,
        dims: int,
        context_channels: int,
        num_heads: int,
        head_dims: int,
        ffn_dims: int,
    ) -> None:
        super().__init__()
        inner = num_heads * head_dims
        self.norm_self = nn.LayerNorm(dims)
        self.self_attn = LoneSelfAttention(dims, inner)
        self.norm_cross = nn.LayerNorm(dims)
        self.cross_attn = CrossAttention(dims, context_channels, inner, num_heads)
        self.norm_ffn = nn.LayerNorm(dims)
        self.ffn = TokenFeedForward(dims, ffn_dims)

    def forward(self, token: Tensor, cells: Tensor) -> Tensor:
        token = token + self.self_attn(self.norm_self(token))
        token = token + self.cross_attn(self.norm_cross(token), cells)
        return token + self.ffn(self.norm_ffn(token))


class LoneSelfAttention(nn.Module):
    """Self-attention of a single token (B, 1, C): its value, whatever query and key."""

    def __init__(self, dims: int, inner: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(dims, 3 * inner, bias=False)
        self.proj = nn.Linear(inner, dims)

    def forward(self, token: Tensor) -> Tensor:
        inner = self.proj.in_features
        return self.proj(F.linear(token, self.qkv.weight[2 * inner :]))


class CrossAttention(nn.Module):
    """Attention of tokens (B, 1, C) to cells (B, N, K); rows of kv: key, value."""

    def __init__(
        self, dims: int, context_channels: int, inner: int, num_heads: int
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(dims, inner, bias=False)
        self.kv = nn.Linear(context_channels, 2 * inner, bias=False)
        self.proj = nn.Linear(inner, dims)

    def forward(self, tokens: Tensor, cells: Tensor) -> Tensor:
        query, key, value = (
            part.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in (self.q(tokens), *self.kv(cells).chunk(2, -1))
        )
        seen = F.scaled_dot_product_attention(query, key, value)
        return self.proj(seen.transpose(1, 2).flatten(2))


class TokenFeedForward(nn.Module):
    """Two linear layers with exact GELU."""

    def __init__(self, dims: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dims, hidden)
        self.fc2 = nn.Linear(hidden, dims)

    def forward(self, token: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(token)))
