"""HaMeR's vision transformer, as a backbone."""

import numpy as np
import torch
import torch.nn.functional as F
from mmcv.cnn.bricks.drop import DropPath
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmhand_dne.errors import UserError


@MODELS.register_module()
class HaMeRViT(BaseModule):
    """A plain pre-norm vision transformer; the defaults are HaMeR's ViT-H/16.

    Square crops keep the plug-in's conventions of cameras and NDC; the network reads
    their middle columns, as HaMeR does: 256 x 256 becomes 256 x 192. No class token, no
    layer scale. Names of parameters are those of the usual ViT of OpenMMLab, with the
    position embedding of the class token folded into the others.

    The positions belong to one image size; another one is refused, not interpolated.

    Args:
        img_size: (H, W) of what the network reads, after the columns are cut.
        crop_columns: columns to cut on each side of the input.
        patch_size, patch_padding: of the patch convolution, pixels.
        embed_dims, depth, num_heads, mlp_ratio: of the transformer.
        drop_path_rate: of the last layer; it grows linearly from 0.
        with_cp: recompute each layer in the backward pass instead of keeping what it
            needs: far less memory for about a third more time.

    Example:
        >>> vit = HaMeRViT(img_size=(64, 48), crop_columns=8, patch_size=8,
        ...                patch_padding=0, embed_dims=32, depth=2, num_heads=4)
        >>> vit(torch.rand(1, 3, 64, 64))[0].shape
        torch.Size([1, 32, 8, 6])
    """

    def __init__(
        self,
        img_size: tuple[int, int] = (256, 192),
        crop_columns: int = 32,
        patch_size: int = 16,
        patch_padding: int = 2,
        embed_dims: int = 1280,
        depth: int = 32,
        num_heads: int = 16,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.55,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if embed_dims % num_heads or depth < 1:
            raise UserError(
                f'HaMeRViT: embed_dims={embed_dims} is no multiple of num_heads='
                f'{num_heads}, or depth={depth} is not positive'
            )
        self.img_size, self.crop_columns = tuple(img_size), crop_columns
        self.with_cp = with_cp
        self.grid = tuple(
            (side + 2 * patch_padding - patch_size) // patch_size + 1
            for side in self.img_size
        )
        self.patch_embed = PatchEmbed(embed_dims, patch_size, patch_padding)
        self.pos_embed = nn.Parameter(
            torch.zeros(1, self.grid[0] * self.grid[1], embed_dims)
        )
        rates = np.linspace(0, drop_path_rate, depth).tolist()
        self.layers = nn.ModuleList(
            TransformerLayer(embed_dims, num_heads, mlp_ratio, rate) for rate in rates
        )
        self.ln1 = nn.LayerNorm(embed_dims, eps=1e-6)
        for parameter in (
            self.pos_embed,
            *(m.weight for m in self.modules() if isinstance(m, nn.Linear)),
        ):
            nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        """Normalised crops (B, 3, H, W) -> ((B, embed_dims, h, w),)."""
        cut = self.crop_columns
        images = inputs[..., cut : inputs.shape[-1] - cut]
        if images.shape[-2:] != self.img_size:
            raise UserError(
                f'HaMeRViT got images of {tuple(inputs.shape[-2:])}, expected '
                f'{(self.img_size[0], self.img_size[1] + 2 * cut)}: its positions are '
                'for one size; crop to it, or train with img_size of your crops'
            )
        tokens = self.patch_embed(images) + self.pos_embed  # (B, h*w, C)
        for layer in self.layers:
            if self.with_cp and self.training:
                tokens = checkpoint(layer, tokens, use_reentrant=False)
            else:
                tokens = layer(tokens)
        return (self.ln1(tokens).mT.unflatten(-1, self.grid),)

    def dead_parameters(self) -> dict[str, slice]:
        """Rows of parameters without effect, by name: the biases of the keys.

        They shift all logits of a query alike, which softmax ignores. Kept so that
        checkpoints of other programs load; their gradient is zero.
        """
        dims = self.ln1.normalized_shape[0]
        return {
            f'layers.{i}.attn.qkv.bias': slice(dims, 2 * dims)
            for i in range(len(self.layers))
        }


class PatchEmbed(nn.Module):
    """Patches to tokens: (B, 3, H, W) -> (B, h*w, C), row by row."""

    def __init__(self, embed_dims: int, patch_size: int, padding: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, embed_dims, patch_size, patch_size, padding)

    def forward(self, images: Tensor) -> Tensor:
        return self.projection(images).flatten(2).mT


class TransformerLayer(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), each dropped at random."""

    def __init__(
        self, dims: int, heads: int, mlp_ratio: float, drop_path: float
    ) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(dims, eps=1e-6)
        self.attn = SelfAttention(dims, heads)
        self.ln2 = nn.LayerNorm(dims, eps=1e-6)
        self.ffn = FeedForward(dims, round(mlp_ratio * dims))
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.drop_path(self.attn(self.ln1(tokens)))
        return tokens + self.drop_path(self.ffn(self.ln2(tokens)))


class SelfAttention(nn.Module):
    """Multi-head attention among tokens (B, N, C); rows of qkv: query, key, value."""

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dims, 3 * dims)
        self.proj = nn.Linear(dims, dims)

    def forward(self, tokens: Tensor) -> Tensor:
        # See HaMeRViT.dead_parameters: left out, or rounding would train it.
        query_bias, key_bias, value_bias = self.qkv.bias.chunk(3)
        bias = torch.cat([query_bias, torch.zeros_like(key_bias), value_bias])
        qkv = F.linear(tokens, self.qkv.weight, bias)
        qkv = qkv.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(*qkv)  # (B, heads, N, c)
        return self.proj(seen.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers with exact GELU; nested as OpenMMLab's checkpoints name it."""

    def __init__(self, dims: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(nn.Linear(dims, hidden), nn.GELU()), nn.Linear(hidden, dims)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        return self.layers(tokens)
