"""The vision transformer that turns a patch into an embedding, with the parameter names of released checkpoints.

What lives here: the network, its sizes, and what must be known beside them for each backbone by name. What does not:
loading weights and what happens over time (`classifier`).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

# Layer norm of every known backbone; it is in no checkpoint.
_NORM_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class BackboneVariant:
    """What the shapes of a checkpoint do not say."""

    num_heads: int
    has_layer_scale: bool


# By architecture name; what follows the dot in a full name says where weights come from and changes nothing here.
BACKBONES = {
    "vit_small_patch14_dinov2": BackboneVariant(num_heads=6, has_layer_scale=True),
    "vit_base_patch14_dinov2": BackboneVariant(num_heads=12, has_layer_scale=True),
    "vit_tiny_patch16_224": BackboneVariant(num_heads=3, has_layer_scale=False),
    "vit_small_patch16_224": BackboneVariant(num_heads=6, has_layer_scale=False),
    "test_vit": BackboneVariant(num_heads=2, has_layer_scale=False),
}
POOLINGS = ("token", "avg")


@dataclass(frozen=True, slots=True)
class VitSizes:
    """Sizes read from a checkpoint; ``grid`` is the number of patches along one side."""

    width: int
    depth: int
    mlp_width: int
    patch_px: int
    grid: int

    @property
    def image_px(self) -> int:
        """The side of the image that the position embedding fits."""
        return self.grid * self.patch_px


class VisionTransformer(nn.Module):
    """Pre-norm ViT without a classification layer: (n, 3, side, side) float to (n, width)."""

    def __init__(self, sizes: VitSizes, variant: BackboneVariant, pooling: str) -> None:
        super().__init__()
        width = sizes.width
        self.pooling = pooling
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, sizes.grid**2 + 1, width))
        self.patch_embed = _PatchEmbedding(width, sizes.patch_px)
        self.blocks = nn.Sequential(*(Block(sizes, variant) for _ in range(sizes.depth)))
        # Mean pooling normalises after the mean, and its checkpoints name the layer so.
        self.norm = nn.LayerNorm(width, _NORM_EPSILON) if pooling == "token" else nn.Identity()
        self.fc_norm = nn.LayerNorm(width, _NORM_EPSILON) if pooling == "avg" else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings of normalised images."""
        patches = self.patch_embed(images)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        tokens = self.norm(self.blocks(tokens))
        pooled: Tensor = tokens[:, 0] if self.pooling == "token" else tokens[:, 1:].mean(dim=1)
        embedding: Tensor = self.fc_norm(pooled)
        return embedding


class _PatchEmbedding(nn.Module):
    def __init__(self, width: int, patch_px: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch_px, stride=patch_px)

    def forward(self, images: Tensor) -> Tensor:
        patches: Tensor = self.proj(images)
        return patches.flatten(2).transpose(1, 2)


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, sizes: VitSizes, variant: BackboneVariant) -> None:
        super().__init__()
        width = sizes.width
        self.norm1 = nn.LayerNorm(width, _NORM_EPSILON)
        self.attn = _Attention(width, variant.num_heads)
        self.ls1: nn.Module = LayerScale(width) if variant.has_layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(width, _NORM_EPSILON)
        self.mlp = _Mlp(width, sizes.mlp_width)
        self.ls2: nn.Module = LayerScale(width) if variant.has_layer_scale else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens to tokens."""
        tokens = tokens + self.ls1(self.attn(self.norm1(tokens)))
        result: Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens)))
        return result


class _Attention(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        stacked = self.qkv(tokens).view(batch, count, 3, self.num_heads, width // self.num_heads)
        query, key, value = stacked.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return result


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return result


class LayerScale(nn.Module):
    """A factor per channel of a branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens, scaled."""
        return tokens * self.gamma
