"""Training of the network: fresh weights in, weights that tell smoke from other things out, the same for one seed.

What lives here: initialisation, augmentation and the schedule. What does not: where samples come from (`samples`), and
turning logits into probabilities (`calibrate`).
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from triage_assets.demo.training.package import BACKBONE, HEAD_HEADS, HEAD_LAYERS, MAX_FRAMES, PATCH_PX
from triage_assets.demo.training.samples import UNCLEAR, Samples
from triage_assets.scoring.classifier import HeadSizes, TemporalHead, TubeClassifier
from triage_assets.scoring.config import Normalization
from triage_assets.scoring.vit import BACKBONES, VisionTransformer, VitSizes

_WIDTH, _DEPTH, _MLP_WIDTH, _TOKEN_PX = 64, 6, 192, 16
_HEAD_FFN = 128
_EMBED_BATCH = 256
_JUDGE_BATCH = 512


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn. ``threads`` belongs to it: sums split otherwise round otherwise."""

    epochs: int = 18
    batch_tubes: int = 32
    peak_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.1
    most_frames: int = 4
    kind_weight: float = 0.5
    threads: int = 1


def train_classifier(
    samples: Samples,
    normalization: Normalization,
    schedule: Schedule,
    seed: int,
    report: Callable[[int, float], None],
) -> TubeClassifier:
    """A classifier fitted to the labelled tubes; ``report`` hears the number and mean loss of each epoch."""
    with _reproducible(schedule.threads), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = new_classifier()
        _learn(classifier, samples, normalization, schedule, np.random.default_rng(seed), report)
    return classifier.eval().requires_grad_(False)


@contextmanager
def _reproducible(threads: int) -> Iterator[None]:
    """Torch with a fixed number of threads and deterministic algorithms, as it was before afterwards."""
    known = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(known[0])
        torch.use_deterministic_algorithms(known[1])


def new_classifier() -> TubeClassifier:
    """The architecture with fresh weights, drawn from torch's current random state."""
    sizes = VitSizes(_WIDTH, _DEPTH, _MLP_WIDTH, _TOKEN_PX, PATCH_PX // _TOKEN_PX)
    vit = VisionTransformer(sizes, BACKBONES[BACKBONE], "token")
    head = TemporalHead(HeadSizes(_WIDTH, MAX_FRAMES, HEAD_LAYERS, HEAD_HEADS, _HEAD_FFN))
    classifier = TubeClassifier(vit, head, sizes.image_px, MAX_FRAMES)
    for module in classifier.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight.view(len(module.weight), -1))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for token in (vit.cls_token, vit.pos_embed, head.cls_token, head.pos_embed):
        nn.init.trunc_normal_(token, std=0.02)
    return classifier


def tube_logits(classifier: TubeClassifier, samples: Samples, normalization: Normalization, threads: int) -> Tensor:
    """One logit per tube, as scoring computes them. The calibrator is fitted to them, so ``threads`` is fixed too."""
    with _reproducible(threads), torch.inference_mode():
        embeddings = torch.cat(
            [torch.zeros(0, _WIDTH)]
            + [
                classifier.embed(
                    _normalize(torch.from_numpy(samples.patches[start : start + _EMBED_BATCH]), normalization)
                )
                for start in range(0, len(samples.patches), _EMBED_BATCH)
            ]
        )
        logits = [torch.zeros(0)]
        for start in range(0, len(samples.slots), _JUDGE_BATCH):
            slots = torch.from_numpy(samples.slots[start : start + _JUDGE_BATCH]).long()
            is_there = slots >= 0
            logits.append(classifier.judge(embeddings[slots.clamp(min=0)] * is_there.unsqueeze(-1), is_there))
        return torch.cat(logits)


@dataclass(frozen=True)
class _Batch:
    images: Tensor
    owners: Tensor
    slots: Tensor
    labels: Tensor
    kinds: Tensor


def _learn(
    classifier: TubeClassifier,
    samples: Samples,
    normalization: Normalization,
    schedule: Schedule,
    random: np.random.Generator,
    report: Callable[[int, float], None],
) -> None:
    """Two losses: smoke or not per tube, and which kind of thing per patch.

    The second one is thrown away with its layer: it gives fresh weights more to learn from a scene than one bit.
    """
    usable = np.flatnonzero(samples.labels != UNCLEAR)
    names, kinds = np.unique(samples.kinds, return_inverse=True)
    namer = nn.Linear(_WIDTH, len(names))
    smoke_share = float(samples.labels[usable].mean())
    smoke_weight = torch.tensor((1 - smoke_share) / smoke_share)
    weights = [*classifier.named_parameters(), *namer.named_parameters()]
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [value for _, value in weights if value.ndim == 2 or value.ndim == 4],
                "weight_decay": schedule.weight_decay,
            },
            {"params": [value for _, value in weights if value.ndim not in (2, 4)], "weight_decay": 0.0},
        ],
        lr=schedule.peak_rate,
        betas=(0.9, 0.98),
    )
    steps_per_epoch = math.ceil(len(usable) / schedule.batch_tubes)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate(schedule, steps_per_epoch * schedule.epochs))
    classifier.train()
    for epoch in range(schedule.epochs):
        losses = []
        for batch in _batches(samples, kinds, random.permutation(usable), schedule, normalization, random):
            embeddings = classifier.embed(batch.images)
            is_there = batch.slots >= 0
            logits = classifier.judge(embeddings[batch.slots.clamp(min=0)] * is_there.unsqueeze(-1), is_there)
            loss = functional.binary_cross_entropy_with_logits(logits, batch.labels, pos_weight=smoke_weight)
            loss = loss + schedule.kind_weight * functional.cross_entropy(namer(embeddings), batch.kinds[batch.owners])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_([value for _, value in weights], 1.0)
            optimizer.step()
            rates.step()
            losses.append(float(loss.detach()))
        report(epoch, sum(losses) / len(losses))


def _rate(schedule: Schedule, n_steps: int) -> Callable[[int], float]:
    warmup = max(1, round(schedule.warmup_share * n_steps))

    def rate(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, n_steps - warmup)))

    return rate


def _batches(
    samples: Samples,
    kinds: np.ndarray,
    order: np.ndarray,
    schedule: Schedule,
    normalization: Normalization,
    random: np.random.Generator,
) -> Iterator[_Batch]:
    """Tubes in the given order, each cut to a random beginning and thinned to a few distinct frames."""
    lengths = samples.lengths
    for start in range(0, len(order), schedule.batch_tubes):
        rows = order[start : start + schedule.batch_tubes]
        slots = np.full((len(rows), MAX_FRAMES), -1, np.int64)
        chosen: list[int] = []
        owners: list[int] = []
        for line, row in enumerate(rows):
            entries = samples.slots[row][: _prefix_length(int(lengths[row]), random)]
            distinct = np.unique(entries)
            kept = random.permutation(distinct)[: schedule.most_frames]
            place = {int(patch): len(chosen) + number for number, patch in enumerate(kept)}
            slots[line, : len(entries)] = [place.get(int(patch), -1) for patch in entries]
            chosen += place
            owners += [line] * len(place)
        images = _augment(torch.from_numpy(samples.patches[chosen]), torch.tensor(owners), len(rows), random)
        yield _Batch(
            images=_normalize(images, normalization),
            owners=torch.tensor(owners),
            slots=torch.from_numpy(slots),
            labels=torch.from_numpy(samples.labels[rows].astype(np.float32)),
            kinds=torch.from_numpy(kinds[rows]),
        )


def _prefix_length(length: int, random: np.random.Generator) -> int:
    """Half of the time the whole tube, else a beginning of it: the search for the trigger asks for those too."""
    return length if random.random() < 0.5 else int(random.integers(2, length + 1))


def _augment(patches: Tensor, owners: Tensor, n_tubes: int, random: np.random.Generator) -> Tensor:
    """Mirror, shift, zoom and re-light, the same for all patches of a tube: what changes in time is the evidence.

    (n, side, side, 3) uint8 in and out; ``owners`` names the tube of each patch.
    """
    mirrored = np.where(random.random(n_tubes) < 0.5, -1.0, 1.0)
    zoom = random.uniform(0.88, 1.08, n_tubes)
    shift = random.uniform(-0.08, 0.08, (n_tubes, 2))
    gain = 1.0 + random.uniform(-0.15, 0.15, (n_tubes, 1)) + random.uniform(-0.05, 0.05, (n_tubes, 3))
    offset = random.uniform(-14.0, 14.0, (n_tubes, 1))
    affine = np.zeros((n_tubes, 2, 3), np.float32)
    affine[:, 0, 0], affine[:, 1, 1], affine[:, :, 2] = mirrored * zoom, zoom, shift
    images = patches.permute(0, 3, 1, 2).float()
    grid = functional.affine_grid(torch.from_numpy(affine)[owners], list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    gains = torch.from_numpy(gain.astype(np.float32))[owners][:, :, None, None]
    offsets = torch.from_numpy(offset.astype(np.float32))[owners][:, :, None, None]
    return (moved * gains + offsets).clamp(0.0, 255.0).permute(0, 2, 3, 1)


def _normalize(patches: Tensor, normalization: Normalization) -> Tensor:
    mean = torch.tensor(normalization.mean).view(1, 3, 1, 1)
    std = torch.tensor(normalization.std).view(1, 3, 1, 1)
    return (patches.permute(0, 3, 1, 2).float() / 255.0 - mean) / std
