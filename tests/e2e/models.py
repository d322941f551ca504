"""Two small packages that can be loaded, differ in their weights, and disagree about sequences."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from tests.scoring.packages import edited_manifest, read_weights, saved, write_edited
from tests.scoring.reference import MODEL


def make_model(path: Path, version: str, change: Callable[[dict[str, torch.Tensor]], None] | None = None) -> Path:
    """The reference package under another version, with its weights changed in place."""
    weights = read_weights(MODEL)
    if change is not None:
        change(weights)
    checkpoint = saved({"state_dict": weights})
    manifest = edited_manifest(MODEL, {"model_version": version})
    return write_edited(MODEL, path, {"classifier.ckpt": checkpoint, "manifest.yaml": manifest})


def contrary(weights: dict[str, torch.Tensor]) -> None:
    """Every logit the other way round."""
    for name in _output(weights):
        weights[name].neg_()


def without_output(weights: dict[str, torch.Tensor]) -> None:
    """A checkpoint that its architecture refuses, behind a manifest that reads well."""
    for name in list(_output(weights)):
        del weights[name]


def _output(weights: dict[str, torch.Tensor]) -> Iterator[str]:
    return (name for name in list(weights) if "head.classifier." in name)
