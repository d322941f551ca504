"""What each runtime of this machine makes of a model: how fast it is, and how far its logits are from exact ones.

What lives here: measuring both on made-up sequences. What does not: choosing a runtime (`choice`), and printing.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from triage_assets.scoring.embedding import Embedder, Judge, Patch
from triage_assets.scoring.package import ModelPackage
from triage_assets.scoring.runtimes.choice import available_choices, open_backbone
from triage_assets.scoring.runtimes.device import CPU

# Enough for a largest difference that means something; a runtime takes some 5 seconds for them on one core.
_N_SEQUENCES = 5
_N_FRAMES = 8
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class RuntimeComparison:
    """One runtime beside torch in float32 on the CPU, whose own differences are 0.0 by definition."""

    runtime: str
    crops_per_second: float
    largest_difference: float
    mean_difference: float


def compare_runtimes(package: ModelPackage, lanes: int) -> Iterator[RuntimeComparison]:
    """Measure every runtime and precision that this machine has, torch in float32 on the CPU first, on ``lanes`` there.

    The speed is the better of two rounds, without decoding and cropping.
    """
    sequences = [_made_up_patches(seed, package.classifier.image_px) for seed in range(_N_SEQUENCES)]
    patches = [patch for sequence in sequences for patch in sequence]
    n_seen = min(_N_FRAMES, package.classifier.max_frames)
    tubes = [tuple(range(start, start + n_seen)) for start in range(0, len(patches), _N_FRAMES)]
    exact: list[float] | None = None
    for choice in available_choices():
        side_by_side = lanes if choice.device == CPU else 1
        backbone = open_backbone(package, choice, side_by_side)
        embedder = Embedder(backbone, package.settings.model_input.normalization, side_by_side)
        embedder.embed(patches[: embedder.appetite])
        seconds = []
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            embeddings = embedder.embed(patches)
            seconds.append(time.perf_counter() - started)
        embedder.close()
        logits = Judge(package.classifier.head, backbone.device).logits(embeddings, tubes)
        exact = exact or logits
        differences = [abs(logit - own) for logit, own in zip(logits, exact, strict=True)]
        yield RuntimeComparison(
            backbone.label, len(patches) / min(seconds), max(differences), statistics.fmean(differences)
        )


def _made_up_patches(seed: int, side: int) -> list[Patch]:
    """What a tube looks like from far: a soft background that stays, and a bright haze that grows."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 200, (7, 7, 3), np.uint8)
    background = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC), np.float64)
    row, column = np.mgrid[0:side, 0:side] / side
    x, y, growth = random.uniform(0.3, 0.7, 3)
    patches = []
    for number in range(_N_FRAMES):
        radius = 0.05 + 0.3 * growth * number / _N_FRAMES
        haze = np.exp(-((column - x) ** 2 + (row - y) ** 2) / radius**2)[..., None]
        noise = random.normal(0, 3, (side, side, 3))
        patches.append(np.clip(background * (1 - 0.8 * haze) + 170 * haze + noise, 0, 255).astype(np.uint8))
    return patches
