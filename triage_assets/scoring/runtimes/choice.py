"""What the network runs on: the runtimes there are, the choice among them, and opening one.

What lives here: everything that depends on a `RuntimeChoice`. What does not: the runtimes' own code, each in a module
of its own that is imported only when it is used.
"""

import importlib.util
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from triage_assets.errors import SettingsError
from triage_assets.scoring.package import ModelPackage
from triage_assets.scoring.records import AUTO, BFLOAT16, FLOAT32, OPENVINO, TORCH, RuntimeChoice
from triage_assets.scoring.runtimes.device import CPU, choose_device, fitting, open_device
from triage_assets.scoring.runtimes.folding import fold

logger = logging.getLogger(__name__)

RUNTIMES = (TORCH, OPENVINO)
PRECISIONS = (FLOAT32, BFLOAT16)

# Measuring goes through every candidate this many times, and the best of each counts: what disturbs only slows down.
_ROUNDS = 3
# OpenVINO must be this much faster. Below it, noise would make the choice (between 1.0 and 1.2 were measured on one
# machine, 2.2 on another), and scores change in their last digits with the runtime.
_WORTH_CHANGING = 1.3


class Backbone(Protocol):
    """A backbone on one runtime. ``label`` names runtime, device and precision, as predictions record it.

    ``batch_size`` is how many images a pass is best made of.
    """

    label: str
    device: torch.device
    batch_size: int

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images (n, 3, side, side), float32 on ``device``, to embeddings (n, width), the same."""


def is_installed(runtime: str) -> bool:
    """Whether the runtime can be imported."""
    return runtime == TORCH or importlib.util.find_spec(runtime) is not None


def resolve_runtime(package: ModelPackage, choice: RuntimeChoice) -> RuntimeChoice:
    """The choice with every ``auto`` replaced: the device by what is there, the runtime by what measures fastest.

    Raises `SettingsError` for what is not known, not installed, or does not go together.
    """
    _refuse_unknown(choice)
    if choice.runtime == OPENVINO and choice.device not in (AUTO, CPU):
        raise SettingsError(
            "OpenVINO is used on the CPU only",
            found=f"device {choice.device!r}",
            expected=f"{CPU!r} or {AUTO!r}",
            do=f"Choose the runtime {TORCH!r} for this device.",
        )
    device = CPU if choice.runtime == OPENVINO else choose_device(choice.device)
    resolved = replace(choice, device=device)
    if choice.runtime != AUTO:
        return resolved
    if device != CPU or not is_installed(OPENVINO):
        return replace(resolved, runtime=TORCH)
    return _fastest(package, [replace(resolved, runtime=runtime) for runtime in RUNTIMES])


def open_backbone(package: ModelPackage, choice: RuntimeChoice, lanes: int = 1) -> Backbone:
    """The package's backbone on the runtime of a resolved choice, for as many threads as ``lanes`` to call at once.

    Raises `SettingsError`.
    """
    vit = fold(package.classifier.backbone.backbone)
    if choice.runtime == OPENVINO:
        from triage_assets.scoring.runtimes.openvino_runtime import OpenVinoBackbone

        return OpenVinoBackbone(vit, choice.precision, lanes)
    from triage_assets.scoring.runtimes.torch_runtime import TorchBackbone

    device = open_device(choice.device)
    with fitting(device):
        return TorchBackbone(vit, device, choice.precision)


def available_choices() -> list[RuntimeChoice]:
    """Every runtime, device and precision of this machine, torch in float32 on the CPU first."""
    places = [(TORCH, CPU)]
    places += [(OPENVINO, CPU)] if is_installed(OPENVINO) else []
    places += [(TORCH, device)] if (device := choose_device(AUTO)) != CPU else []
    return [RuntimeChoice(runtime, device, precision) for runtime, device in places for precision in PRECISIONS]


def _fastest(package: ModelPackage, candidates: Sequence[RuntimeChoice]) -> RuntimeChoice:
    """The first candidate, unless another one is clearly faster on one thread, which is what a lane has."""
    backbones = [open_backbone(package, choice) for choice in candidates]
    side = package.classifier.image_px
    images = torch.zeros(max(backbone.batch_size for backbone in backbones), 3, side, side)
    best = [float("inf")] * len(backbones)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(_ROUNDS):
            for number, backbone in enumerate(backbones):
                started = time.perf_counter()
                backbone.embed(images)
                best[number] = min(best[number], time.perf_counter() - started)
    finally:
        torch.set_num_threads(n_threads)
    speeds = [len(images) / seconds for seconds in best]
    fastest = max(range(len(speeds)), key=speeds.__getitem__)
    chosen = fastest if speeds[fastest] >= _WORTH_CHANGING * speeds[0] else 0
    logger.info(
        "Scoring on %s: %s",
        backbones[chosen].label,
        ", ".join(f"{backbone.label} {speed:.1f} crops/s" for backbone, speed in zip(backbones, speeds, strict=True)),
    )
    return candidates[chosen]


def _refuse_unknown(choice: RuntimeChoice) -> None:
    for what, value, known in (
        ("runtime", choice.runtime, (AUTO, *RUNTIMES)),
        ("precision", choice.precision, PRECISIONS),
    ):
        if value not in known:
            raise SettingsError(
                f"There is no such {what} for scoring",
                found=repr(value),
                expected=f"one of {', '.join(known)}",
                do=f"Choose another `{what}`.",
            )
    if choice.runtime != AUTO and not is_installed(choice.runtime):
        raise SettingsError(
            f"The runtime {choice.runtime} is not installed",
            do=f"Run `pip install 'triage-assets[{choice.runtime}]'`, or choose the runtime {TORCH!r}.",
        )
