"""Writes model packages of any known architecture with random weights: the right sizes and no meaning.

What lives here: tensors by name and shape for a backbone and a head, and the package around them. What does not: the
network that reads them, so that a mistake there is not repeated here.
"""

import io
import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from triage_assets.demo.training.package import RELEASED_SETTINGS

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of a classifier; the defaults are those of the released one."""

    backbone: str = "vit_small_patch14_dinov2.lvd142m"
    width: int = 384
    depth: int = 12
    patch_px: int = 14
    image_px: int = 224
    has_layer_scale: bool = True
    pooling: str = "token"
    max_frames: int = 20
    head_layers: int = 2
    head_heads: int = 6
    head_ffn: int = 1536

    def shapes(self) -> Shapes:
        """Every tensor of the checkpoint."""
        return {
            **{f"backbone.backbone.{name}": shape for name, shape in self._backbone().items()},
            **{f"head.{name}": shape for name, shape in self._head().items()},
        }

    def _backbone(self) -> Shapes:
        width, hidden = self.width, 4 * self.width
        shapes: Shapes = {
            "cls_token": (1, 1, width),
            "pos_embed": (1, (self.image_px // self.patch_px) ** 2 + 1, width),
            "patch_embed.proj.weight": (width, 3, self.patch_px, self.patch_px),
            "patch_embed.proj.bias": (width,),
        }
        for block in range(self.depth):
            layers = {
                "norm1": (width,),
                "attn.qkv": (3 * width, width),
                "attn.proj": (width, width),
                "norm2": (width,),
                "mlp.fc1": (hidden, width),
                "mlp.fc2": (width, hidden),
            }
            shapes |= _with_biases({f"blocks.{block}.{name}": shape for name, shape in layers.items()})
            if self.has_layer_scale:
                shapes |= {f"blocks.{block}.ls1.gamma": (width,), f"blocks.{block}.ls2.gamma": (width,)}
        norm = "norm" if self.pooling == "token" else "fc_norm"
        return shapes | _with_biases({norm: (width,)})

    def _head(self) -> Shapes:
        width = self.width
        shapes: Shapes = {"cls_token": (1, 1, width), "pos_embed": (1, self.max_frames + 1, width)}
        for layer in range(self.head_layers):
            prefix = f"encoder.layers.{layer}."
            shapes |= {
                f"{prefix}self_attn.in_proj_weight": (3 * width, width),
                f"{prefix}self_attn.in_proj_bias": (3 * width,),
            }
            layers = {
                "self_attn.out_proj": (width, width),
                "linear1": (self.head_ffn, width),
                "linear2": (width, self.head_ffn),
                "norm1": (width,),
                "norm2": (width,),
            }
            shapes |= _with_biases({f"{prefix}{name}": shape for name, shape in layers.items()})
        return shapes | _with_biases({"classifier": (1, width)})

    def config(self) -> dict[str, object]:
        """The package's configuration, the released settings beside the sizes."""
        return {
            "infer": dict(RELEASED_SETTINGS["infer"]),
            "tubes": dict(RELEASED_SETTINGS["tubes"]),
            "model_input": {**RELEASED_SETTINGS["model_input"], "patch_size": self.image_px},
            "classifier": {
                "backbone": self.backbone,
                "max_frames": self.max_frames,
                "global_pool": self.pooling,
                "transformer_num_heads": self.head_heads,
                "transformer_num_layers": self.head_layers,
            },
            "decision": {"aggregation": "logistic", "logistic_threshold": 0.35, "threshold": 0.0},
        }


@dataclass(frozen=True, slots=True)
class Calibration:
    """Coefficients of a calibrator's features logit, log_len, mean_conf and n_tubes, and its intercept."""

    coefficients: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    intercept: float = 0.0

    def as_file(self) -> dict[str, object]:
        """The calibrator's file, with the example of its output that it must carry."""
        example = (2.0, 1.0, 0.5, 1.0)
        value = self.intercept + sum(a * b for a, b in zip(self.coefficients, example, strict=True))
        return {
            "features": ["logit", "log_len", "mean_conf", "n_tubes"],
            "coefficients": list(self.coefficients),
            "intercept": self.intercept,
            "sanity_checks": [{"features": list(example), "prob": 1 / (1 + math.exp(-value))}],
        }


def write_random_package(
    path: Path, architecture: Architecture, seed: int = 0, calibration: Calibration | None = None
) -> Path:
    """Write a package; the same seed gives the same weights."""
    generator = torch.Generator().manual_seed(seed)
    weights = {name: _random(name, shape, generator) for name, shape in architecture.shapes().items()}
    checkpoint = io.BytesIO()
    torch.save({"state_dict": {f"model.{name}": value for name, value in weights.items()}}, checkpoint)
    manifest = {
        "format_version": 1,
        "variant": "random_weights",
        "classifier_checkpoint": "classifier.ckpt",
        "config": "config.yaml",
        "logistic_calibrator": "logistic_calibrator.json",
        "model_version": f"0.0.0-random-{seed}",
        "provenance": {"backbone": architecture.backbone},
    }
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("manifest.yaml", yaml.safe_dump(manifest))
        package.writestr("config.yaml", yaml.safe_dump(architecture.config()))
        package.writestr("logistic_calibrator.json", json.dumps((calibration or Calibration()).as_file()))
        package.writestr("classifier.ckpt", checkpoint.getvalue())
    return path


def _random(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    values = torch.randn(shape, generator=generator)
    if "norm" in name:
        return 1 + 0.1 * values if name.endswith("weight") else 0.1 * values
    fan_in = math.prod(shape[1:]) if len(shape) > 1 else 1
    return values / math.sqrt(fan_in) if len(shape) > 1 else 0.1 * values


def _with_biases(weights: Shapes) -> Shapes:
    return {
        f"{name}.{kind}": shape if kind == "weight" else shape[:1]
        for name, shape in weights.items()
        for kind in ("weight", "bias")
    }
