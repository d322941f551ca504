"""The vision transformer as inference wants it: the same function of the same weights, in fewer and larger steps.

What lives here: the rearranged weights, which every runtime builds its own network from. What does not: running them
(`torch_runtime`, `openvino_runtime`), and the plain network under the names of checkpoints (`vit`), which tests hold
against it.
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from triage_assets.scoring.vit import Block, LayerScale, VisionTransformer


@dataclass(frozen=True, slots=True)
class Affine:
    """A weight and a bias: of a linear layer, a convolution, or a layer norm."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class FoldedBlock:
    """One pre-norm block, its layer scales multiplied into the weights that they follow.

    The query stands by itself because the last block asks for the class token alone.
    """

    norm1: Affine
    query: Affine
    key_value: Affine
    projection: Affine
    norm2: Affine
    fc1: Affine
    fc2: Affine


@dataclass(frozen=True, slots=True)
class FoldedVit:
    """Everything that the embedding of a patch depends on.

    ``n_pooled`` is how many tokens of the last block anything reads: with token pooling 1, which spares that block
    five sixths of its work, with mean pooling all of them.
    """

    patches: Affine
    cls_token: Tensor
    pos_embed: Tensor
    blocks: tuple[FoldedBlock, ...]
    norm: Affine
    norm_epsilon: float
    num_heads: int
    patch_px: int
    n_pooled: int

    @property
    def width(self) -> int:
        """The length of a token, and of an embedding."""
        return int(self.cls_token.shape[-1])

    @property
    def n_tokens(self) -> int:
        """The class token and those of the image."""
        return int(self.pos_embed.shape[1])

    @property
    def image_px(self) -> int:
        """The side of the image that the position embedding fits."""
        return math.isqrt(self.n_tokens - 1) * self.patch_px

    def queries(self, block: int) -> int:
        """How many tokens, from the first, are still needed after this block."""
        return self.n_pooled if block == len(self.blocks) - 1 else self.n_tokens


def fold(vit: VisionTransformer) -> FoldedVit:
    """The network's weights, rearranged. Values differ from the plain network's by rounding alone."""
    norm = vit.norm if vit.pooling == "token" else vit.fc_norm
    assert isinstance(norm, nn.LayerNorm)
    blocks = [block for block in vit.blocks if isinstance(block, Block)]
    return FoldedVit(
        patches=_affine(vit.patch_embed.proj),
        cls_token=vit.cls_token.detach(),
        pos_embed=vit.pos_embed.detach(),
        blocks=tuple(_fold_block(block) for block in blocks),
        norm=_affine(norm),
        norm_epsilon=norm.eps,
        num_heads=blocks[0].attn.num_heads,
        patch_px=vit.patch_embed.proj.kernel_size[0],
        n_pooled=1 if vit.pooling == "token" else vit.pos_embed.shape[1],
    )


def _fold_block(block: Block) -> FoldedBlock:
    qkv = _affine(block.attn.qkv)
    width = qkv.weight.shape[1]
    return FoldedBlock(
        norm1=_affine(block.norm1),
        query=Affine(qkv.weight[:width], qkv.bias[:width]),
        key_value=Affine(qkv.weight[width:], qkv.bias[width:]),
        projection=_scaled(block.attn.proj, block.ls1),
        norm2=_affine(block.norm2),
        fc1=_affine(block.mlp.fc1),
        fc2=_scaled(block.mlp.fc2, block.ls2),
    )


def _affine(layer: nn.Linear | nn.Conv2d | nn.LayerNorm) -> Affine:
    assert layer.bias is not None  # checkpoints without biases do not fit the architecture
    return Affine(layer.weight.detach(), layer.bias.detach())


def _scaled(linear: nn.Linear, scale: nn.Module) -> Affine:
    if not isinstance(scale, LayerScale):
        return _affine(linear)
    gamma = scale.gamma.detach()
    return Affine(gamma.unsqueeze(1) * linear.weight.detach(), gamma * linear.bias.detach())
