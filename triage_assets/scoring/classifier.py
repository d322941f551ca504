"""The whole classifier, a backbone per patch and a transformer over time, built from a checkpoint's own shapes.

What lives here: reading a checkpoint safely, checking that it fits the architecture, and the two halves as functions
on tensors. What does not: the package around the checkpoint (`package`), and what is fed to the network (`engine`).
"""

import io
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from triage_assets.errors import PackageError
from triage_assets.scoring.config import ClassifierConfig
from triage_assets.scoring.vit import BACKBONES, POOLINGS, VisionTransformer, VitSizes

_PREFIX = "model."
_AS_PUBLISHED = "Use the model.zip as it was published."


@dataclass(frozen=True, slots=True)
class HeadSizes:
    """Sizes of the transformer over time, read from a checkpoint except for the number of heads."""

    width: int
    max_frames: int
    num_layers: int
    num_heads: int
    ffn_width: int


class TemporalHead(nn.Module):
    """Embeddings of a tube's slots to one logit: (n, slots, width) and a mask of what is there, to (n,).

    There are at most ``max_frames`` slots. Leaving out those after the last that is there changes nothing.
    """

    def __init__(self, sizes: HeadSizes) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.empty(1, 1, sizes.width))
        self.pos_embed = nn.Parameter(torch.empty(1, sizes.max_frames + 1, sizes.width))
        layer = nn.TransformerEncoderLayer(
            sizes.width, sizes.num_heads, sizes.ffn_width, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, sizes.num_layers, enable_nested_tensor=False)
        self.classifier = nn.Linear(sizes.width, 1)

    def forward(self, embeddings: Tensor, is_there: Tensor) -> Tensor:
        """Logits. Slots where ``is_there`` (n, slots, bool) is false are left out of attention."""
        batch, slots = is_there.shape
        tokens = torch.cat([self.cls_token.expand(batch, -1, -1), embeddings], dim=1) + self.pos_embed[:, : slots + 1]
        ignored = torch.cat([torch.zeros(batch, 1, dtype=torch.bool, device=is_there.device), ~is_there], dim=1)
        logits: Tensor = self.classifier(self.encoder(tokens, src_key_padding_mask=ignored)[:, 0])
        return logits[:, 0]


class _Backbone(nn.Module):
    """One level of nesting that released checkpoints have in their parameter names."""

    def __init__(self, vit: VisionTransformer) -> None:
        super().__init__()
        self.backbone = vit


class TubeClassifier(nn.Module):
    """Backbone and head under the parameter names of released checkpoints; use its two halves, not itself."""

    def __init__(self, vit: VisionTransformer, head: TemporalHead, image_px: int, max_frames: int) -> None:
        super().__init__()
        self.backbone = _Backbone(vit)
        self.head = head
        self.image_px = image_px
        self.max_frames = max_frames

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings of normalised patches: (n, 3, image_px, image_px) to (n, width)."""
        embeddings: Tensor = self.backbone.backbone(images)
        return embeddings

    def judge(self, embeddings: Tensor, is_there: Tensor) -> Tensor:
        """Logits of tubes, as `TemporalHead.forward`."""
        logits: Tensor = self.head(embeddings, is_there)
        return logits


def read_state_dict(data: bytes, source: str, *, allow_unsafe_load: bool) -> dict[str, Tensor]:
    """The weights of a checkpoint, named as in the architecture. ``source`` names the file in messages.

    Raises `PackageError` for a checkpoint that is none, and for one that needs code of its own to be loaded unless
    ``allow_unsafe_load``: loading such a file runs whatever its author put in it.
    """
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=not allow_unsafe_load)
    except pickle.UnpicklingError as error:
        raise PackageError(
            f"{source} cannot be loaded as plain weights",
            found=_first_line(error),
            expected="a checkpoint that holds tensors and plain values only",
            do="Use the model.zip as it was published; allow unsafe loading only if you trust its author.",
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, AttributeError, ImportError) as error:
        raise PackageError(
            f"{source} is no checkpoint",
            found=_first_line(error),
            do=_AS_PUBLISHED,
        ) from None
    weights = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(weights, Mapping) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise PackageError(
            f"{source} is no checkpoint",
            found=type(weights).__name__,
            expected="a mapping of names to tensors",
            do=_AS_PUBLISHED,
        )
    named = {str(name): value.detach().to(torch.float32) for name, value in weights.items()}
    is_wrapped = any(name.startswith(_PREFIX) for name in named)
    return {name.removeprefix(_PREFIX) if is_wrapped else name: value for name, value in named.items()}


def build_classifier(weights: Mapping[str, Tensor], config: ClassifierConfig, source: str) -> TubeClassifier:
    """The network with these weights, ready for inference.

    Raises `PackageError` for a backbone or pooling that is not known, and for weights whose names or shapes are not
    those of the architecture, naming the first missing and unexpected ones.
    """
    variant = BACKBONES.get(config.backbone.partition(".")[0])
    if variant is None:
        raise PackageError(
            f"{source} has a backbone that this version does not know",
            found=config.backbone,
            expected=f"one of {', '.join(sorted(BACKBONES))}",
            do="Update triage-assets, or use another model.zip.",
        )
    if config.global_pool not in POOLINGS:
        raise PackageError(
            f"{source} pools in a way that this version does not know",
            found=config.global_pool,
            expected=f"one of {', '.join(POOLINGS)}",
            do="Update triage-assets, or use another model.zip.",
        )
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    vit_sizes = _vit_sizes(shapes, source)
    head_sizes = _head_sizes(shapes, config, source)
    for what, width, heads in (
        ("backbone", vit_sizes.width, variant.num_heads),
        ("head", head_sizes.width, head_sizes.num_heads),
    ):
        if width % heads:
            raise PackageError(
                f"{source}: the width of its {what} does not divide into attention heads",
                found=f"width {width}, {heads} heads",
                do=_AS_PUBLISHED,
            )
    with torch.device("meta"):
        classifier = TubeClassifier(
            VisionTransformer(vit_sizes, variant, config.global_pool),
            TemporalHead(head_sizes),
            vit_sizes.image_px,
            head_sizes.max_frames,
        )
    _refuse_misfits(shapes, {name: tuple(value.shape) for name, value in classifier.state_dict().items()}, source)
    classifier.load_state_dict(dict(weights), assign=True)
    return classifier.eval().requires_grad_(False)


Shapes = Mapping[str, tuple[int, ...]]


def _vit_sizes(shapes: Shapes, source: str) -> VitSizes:
    prefix = "backbone.backbone."
    width = _shape(shapes, f"{prefix}cls_token", 3, source)[2]
    patches = _shape(shapes, f"{prefix}pos_embed", 3, source)[1] - 1
    grid = round(max(patches, 0) ** 0.5)
    if grid < 1 or grid * grid != patches:
        raise PackageError(
            f"{source}: its position embedding is of no square image", found=f"{patches} patches", do=_AS_PUBLISHED
        )
    return VitSizes(
        width=width,
        depth=_count_layers(shapes, rf"{re.escape(prefix)}blocks\.(\d+)\."),
        mlp_width=_shape(shapes, f"{prefix}blocks.0.mlp.fc1.weight", 2, source)[0],
        patch_px=_shape(shapes, f"{prefix}patch_embed.proj.weight", 4, source)[2],
        grid=grid,
    )


def _head_sizes(shapes: Shapes, config: ClassifierConfig, source: str) -> HeadSizes:
    positions = _shape(shapes, "head.pos_embed", 3, source)
    layers = _count_layers(shapes, r"head\.encoder\.layers\.(\d+)\.")
    for what, found, configured in (
        ("max_frames", positions[1] - 1, config.max_frames),
        ("transformer_num_layers", layers, config.transformer_num_layers),
    ):
        if configured is not None and found != configured:
            raise PackageError(
                f"{source} and config.yaml disagree on classifier.{what}",
                found=f"{found} in the weights",
                expected=configured,
                do=_AS_PUBLISHED,
            )
    return HeadSizes(
        width=positions[2],
        max_frames=positions[1] - 1,
        num_layers=layers,
        num_heads=config.transformer_num_heads,
        ffn_width=_shape(shapes, "head.encoder.layers.0.linear1.weight", 2, source)[0],
    )


def _shape(shapes: Shapes, name: str, dimensions: int, source: str) -> tuple[int, ...]:
    shape = shapes.get(name)
    if shape is None or len(shape) != dimensions or 0 in shape:
        raise PackageError(
            f"{source} does not match the architecture",
            found=f"{name} {'is missing' if shape is None else f'of shape {shape}'}; {_first(shapes)}",
            expected=f"{name} with {dimensions} dimensions",
            do=_AS_PUBLISHED,
        )
    return shape


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _first(shapes: Shapes) -> str:
    return f"{len(shapes)} tensors, the first {next(iter(shapes))}" if shapes else "no tensors"


def _count_layers(shapes: Shapes, pattern: str) -> int:
    numbers = [int(match[1]) for name in shapes if (match := re.match(pattern, name))]
    return max(numbers, default=-1) + 1


def _refuse_misfits(found: Shapes, expected: Shapes, source: str) -> None:
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    misshapen = [name for name in expected if name in found and found[name] != expected[name]]
    if not (missing or unexpected or misshapen):
        return
    parts = [
        f"{len(names)} {what}, first {', '.join(names[:3])}"
        for what, names in (("missing", missing), ("unexpected", unexpected))
        if names
    ]
    parts += [f"{name} of shape {found[name]} instead of {expected[name]}" for name in misshapen[:3]]
    raise PackageError(f"{source} does not match the architecture", found="; ".join(parts), do=_AS_PUBLISHED)
