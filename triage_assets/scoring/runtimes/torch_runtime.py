"""The backbone on torch: CPU, CUDA, MPS, in float32 or bfloat16.

What lives here: the forward pass over folded weights, and how many patches go through it at once. What does not: where
patches come from (`embedding`), and the choice among runtimes (`choice`).
"""

from dataclasses import fields, replace

import torch
import torch.nn.functional as functional
from torch import Tensor

from triage_assets.scoring.records import BFLOAT16
from triage_assets.scoring.runtimes.folding import Affine, FoldedBlock, FoldedVit

# Patches per pass on a CPU: what so few leave between two layers stays in the cache of the core, and the allocator
# hands the same pages out again. ViT-S/14 on one core: 2 to 4 patches a pass are 5% faster than 10 or 20.
CPU_BATCH = 4
# Accelerators are fed whole waves of work; their memory is what halves it.
_ACCELERATOR_BATCH = 64


class TorchBackbone:
    """Normalised images to embeddings, with layer norms and the sum of all layers in float32 at any precision."""

    def __init__(self, vit: FoldedVit, device: torch.device, precision: str) -> None:
        self.label = f"torch {device} {precision}"
        self.device = device
        self.batch_size = CPU_BATCH if device.type == "cpu" else _ACCELERATOR_BATCH
        self._dtype = torch.bfloat16 if precision == BFLOAT16 else torch.float32
        self._vit = replace(
            vit,
            patches=self._placed(Affine(vit.patches.weight.flatten(1), vit.patches.bias)),
            cls_token=vit.cls_token.to(device),
            pos_embed=vit.pos_embed.to(device),
            norm=self._placed(vit.norm),
            blocks=tuple(self._placed_block(block) for block in vit.blocks),
        )

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Tensor:
        """(n, 3, side, side) float32 on this device to (n, width) float32."""
        vit = self._vit
        # A convolution without overlap; written as one, CUDA would do it in TF32.
        side = (vit.image_px // vit.patch_px, vit.patch_px)
        pixels = images.view(-1, 3, *side, *side).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
        embedded = _linear(pixels, vit.patches)
        tokens = torch.cat([vit.cls_token.expand(len(images), -1, -1), embedded], dim=1)
        tokens += vit.pos_embed
        for number, block in enumerate(vit.blocks):
            tokens = self._run(block, tokens, vit.queries(number))
        if vit.n_pooled == 1:
            return self._norm(tokens[:, 0], vit.norm)
        return self._norm(tokens[:, 1:].mean(dim=1), vit.norm)

    def _run(self, block: FoldedBlock, tokens: Tensor, n_queries: int) -> Tensor:
        """One block, of whose tokens only the first ``n_queries`` go on."""
        seen = self._norm(tokens, block.norm1).to(self._dtype)
        tokens = tokens[:, :n_queries]
        query = self._heads(_linear(seen[:, :n_queries], block.query))
        key, value = map(self._heads, _linear(seen, block.key_value).chunk(2, dim=-1))
        mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        tokens = tokens + _linear(mixed.reshape(tokens.shape), block.projection)
        hidden = functional.gelu(_linear(self._norm(tokens, block.norm2).to(self._dtype), block.fc1))
        tokens += _linear(hidden, block.fc2)
        return tokens

    def _norm(self, tokens: Tensor, norm: Affine) -> Tensor:
        return functional.layer_norm(tokens, tokens.shape[-1:], norm.weight, norm.bias, self._vit.norm_epsilon)

    def _heads(self, tokens: Tensor) -> Tensor:
        return tokens.view(*tokens.shape[:2], self._vit.num_heads, -1).transpose(1, 2)

    def _placed(self, layer: Affine, dtype: torch.dtype = torch.float32) -> Affine:
        return Affine(layer.weight.to(self.device, dtype), layer.bias.to(self.device, dtype))

    def _placed_block(self, block: FoldedBlock) -> FoldedBlock:
        layers = {
            field.name: self._placed(
                getattr(block, field.name), torch.float32 if field.name.startswith("norm") else self._dtype
            )
            for field in fields(block)
        }
        return FoldedBlock(**layers)


def _linear(tokens: Tensor, layer: Affine) -> Tensor:
    return functional.linear(tokens, layer.weight, layer.bias)
