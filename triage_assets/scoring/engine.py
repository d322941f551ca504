"""The scoring engine: sequences of frames with boxes in, scores out, one network pass per distinct patch.

What lives here: the order of the steps, and what runs beside what: frames are decoded and cropped in threads while the
network works on the sequence before. What does not: each step's own arithmetic, stores, and batches of a backlog.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triage_assets.errors import ImageError, ScoringError
from triage_assets.images import decode_rgb
from triage_assets.scoring.calibrator import TubeFeatures, sigmoid
from triage_assets.scoring.crops import PixelBox, crop_box, cut_patch
from triage_assets.scoring.device import open_device
from triage_assets.scoring.failures import failing_alone
from triage_assets.scoring.package import ModelPackage
from triage_assets.scoring.records import (
    FrameInput,
    Preprocessing,
    Roi,
    ScoredTube,
    SequenceDetails,
    SequenceInput,
    SequenceScore,
    TubeEntry,
    Window,
)
from triage_assets.scoring.slots import SlotPlan, plan_slots
from triage_assets.scoring.trigger import Trigger, earliest, first_crossing, mean_confidence, prefix_lengths
from triage_assets.scoring.tubes import Tube, TubeSet, find_tubes, union_window

# Patches per network pass: memory stays bounded however many tubes a sequence has, and larger is no faster on a CPU.
_EMBED_BATCH = 32
# Tubes or prefixes per pass of the small head.
_JUDGE_BATCH = 256
# Sequences that are decoded ahead of the network.
_AHEAD = 2
# A device without memory and an engine that is being closed say nothing of the sequence they met.
_NOT_OF_THE_SEQUENCE = (torch.OutOfMemoryError, CancelledError)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one sequence: a score, or the reason why there is none."""

    name: str
    score: SequenceScore | None
    error: ScoringError | None


@dataclass(frozen=True, slots=True)
class PatchPlan:
    """Distinct patches of a sequence, and where they belong.

    ``patches`` is (n, side, side, 3) uint8. ``slots[tube][i]`` is the patch of a tube's entry i, None where the
    entry has no box, for the entries that the network sees. ``boxes[tube][i]`` is the pixel box it was cut from.
    """

    patches: NDArray[np.uint8]
    slots: tuple[tuple[int | None, ...], ...]
    boxes: tuple[tuple[PixelBox | None, ...], ...]


@dataclass(frozen=True, slots=True)
class PreparedSequence:
    """A sequence with everything done that needs no network."""

    name: str
    n_frames_unusable: int
    preprocessing: Preprocessing
    tubes: TubeSet
    windows: tuple[Window | None, ...]
    plan: PatchPlan


class ScoringEngine:
    """Scores sequences with one model on one device. A context manager; closing it ends its threads."""

    def __init__(self, package: ModelPackage, device: str = "cpu", *, decode_threads: int = 2) -> None:
        self.package = package
        self._settings = package.settings
        self._device = open_device(device)
        self._classifier = package.classifier.to(self._device)
        normalization = package.settings.model_input.normalization
        self._mean = torch.tensor(normalization.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(normalization.std, device=self._device).view(1, 3, 1, 1)
        self._is_logistic = package.calibrator is not None and package.settings.decision.aggregation == "logistic"
        self._pool = ThreadPoolExecutor(decode_threads, thread_name_prefix="decode")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decoding threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def score(
        self, sequences: Iterable[SequenceInput], *, compute_trigger: bool = True, roi: Roi | None = None
    ) -> Iterator[Outcome]:
        """Score sequences in order, reading ``sequences`` no further than a few ahead.

        Whatever goes wrong with one sequence is its own outcome; running out of memory alone ends the iteration.
        """
        waiting: deque[tuple[str, Future[PreparedSequence]]] = deque()
        source = iter(sequences)
        is_open = True
        try:
            while is_open or waiting:
                while is_open and len(waiting) <= _AHEAD:
                    sequence = next(source, None)
                    if sequence is None:
                        is_open = False
                    else:
                        waiting.append((sequence.name, self._pool.submit(self.prepare, sequence, roi=roi)))
                if waiting:
                    name, prepared = waiting.popleft()
                    yield self._outcome(name, prepared, compute_trigger=compute_trigger)
        finally:
            for _, prepared in waiting:
                prepared.cancel()

    def score_one(
        self, sequence: SequenceInput, *, compute_trigger: bool = True, roi: Roi | None = None
    ) -> SequenceScore:
        """Score one sequence. Raises `ScoringError`."""
        with failing_alone(sequence.name, *_NOT_OF_THE_SEQUENCE):
            return self._decide(self.prepare(sequence, roi=roi), compute_trigger=compute_trigger)

    def prepare(self, sequence: SequenceInput, *, roi: Roi | None = None) -> PreparedSequence:
        """Find the tubes and cut their patches.

        A frame that cannot be decoded is left out as if it had never been recorded, and counted. Raises `ScoringError`
        where no frame is left.
        """
        frames = list(sequence.frames)
        unusable: list[ImageError] = []
        while frames:
            plan = plan_slots(
                len(frames),
                self._classifier.max_frames,
                self._settings.infer.pad_to_min_frames,
                self._settings.infer.pad_strategy,
            )
            tubes = find_tubes([frames[index].boxes for index in plan.frames], self._settings.tubes, roi)
            windows = tuple(
                union_window(tube) if self._settings.model_input.stabilize else None for tube in tubes.tubes
            )
            try:
                patches = self._cut_patches(frames, plan, tubes.tubes, windows)
            except _UndecodableFrameError as fault:
                unusable.append(fault.error)
                del frames[fault.index]
                continue
            return PreparedSequence(sequence.name, len(unusable), plan.preprocessing, tubes, windows, patches)
        raise ScoringError(
            f"{sequence.name} has no frame that can be decoded",
            found=f"{len(unusable)} unreadable frames, the first: {unusable[0]}" if unusable else "no frames",
            expected="at least one image",
            do="Open its images; if they are damaged at the source, nothing can be done.",
        )

    def _cut_patches(
        self,
        frames: Sequence[FrameInput],
        plan: SlotPlan,
        tubes: Sequence[Tube],
        windows: Sequence[Window | None],
    ) -> PatchPlan:
        """Decode each frame once, in order, and cut every distinct patch of it before the next: one frame in memory.

        Frames that no tube touches are decoded too: whether a frame counts must not depend on its boxes.
        """
        input_config = self._settings.model_input
        seen = [tube.entries[: self._classifier.max_frames] for tube in tubes]
        slots: list[list[int | None]] = [[None] * len(entries) for entries in seen]
        boxes: list[list[PixelBox | None]] = [[None] * len(entries) for entries in seen]
        patches: list[NDArray[np.uint8]] = []
        for index in dict.fromkeys(plan.frames):
            try:
                pixels = decode_rgb(frames[index].image)
            except ImageError as error:
                raise _UndecodableFrameError(index, error) from None
            height, width = pixels.shape[:2]
            cut: dict[PixelBox, int] = {}
            for tube, (entries, window) in enumerate(zip(seen, windows, strict=True)):
                for position, entry in enumerate(entries):
                    if plan.frames[entry.frame_idx] != index or entry.box is None:
                        continue
                    region = window or Window(entry.box.cx, entry.box.cy, entry.box.w, entry.box.h)
                    box = crop_box(region, input_config.context_factor, width, height)
                    if box not in cut:
                        cut[box] = len(patches)
                        patches.append(cut_patch(pixels, box, input_config.patch_size))
                    slots[tube][position], boxes[tube][position] = cut[box], box
        side = input_config.patch_size
        return PatchPlan(
            np.stack(patches) if patches else np.zeros((0, side, side, 3), np.uint8),
            tuple(map(tuple, slots)),
            tuple(map(tuple, boxes)),
        )

    def _outcome(self, name: str, prepared: Future[PreparedSequence], *, compute_trigger: bool) -> Outcome:
        try:
            with failing_alone(name, *_NOT_OF_THE_SEQUENCE):
                return Outcome(name, self._decide(prepared.result(), compute_trigger=compute_trigger), None)
        except ScoringError as error:
            return Outcome(name, None, error)

    def _decide(self, prepared: PreparedSequence, *, compute_trigger: bool) -> SequenceScore:
        tubes = prepared.tubes.tubes
        embeddings = self._embed(prepared.plan.patches)
        logits = self._judge(embeddings, list(prepared.plan.slots), prepared.name)
        probabilities = [
            self._probability(logit, tube.entries, len(tubes)) for tube, logit in zip(tubes, logits, strict=True)
        ]
        is_positive = [
            self._is_positive(logit, probability) for logit, probability in zip(logits, probabilities, strict=True)
        ]
        crossings: list[int | None] = [None] * len(tubes)
        if compute_trigger and any(is_positive):
            crossings = self._crossings(prepared, embeddings, logits, is_positive)
        trigger = earliest(
            [
                Trigger(tube.tube_id, crossing)
                for tube, crossing in zip(tubes, crossings, strict=True)
                if crossing is not None
            ]
        )
        kept = tuple(
            ScoredTube(tube.tube_id, tube.entries, logit, probability, crossing, window)
            for tube, logit, probability, crossing, window in zip(
                tubes, logits, probabilities, crossings, prepared.windows, strict=True
            )
        )
        details = SequenceDetails(
            preprocessing=prepared.preprocessing,
            num_candidates=prepared.tubes.num_candidates,
            num_outside_roi=prepared.tubes.num_outside_roi,
            kept=kept,
            aggregation="logistic" if self._is_logistic else "max_logit",
            threshold=self._threshold,
            trigger_tube_id=trigger.tube_id if trigger else None,
        )
        return SequenceScore(
            is_positive=any(is_positive),
            trigger_frame_index=trigger.frame_index if trigger else None,
            n_frames=prepared.preprocessing.num_frames_input,
            n_frames_unusable=prepared.n_frames_unusable,
            details=details,
        )

    def _crossings(
        self, prepared: PreparedSequence, embeddings: Tensor, logits: Sequence[float], is_positive: Sequence[bool]
    ) -> list[int | None]:
        """Where each positive tube first crosses, all its prefixes judged in one pass."""
        tubes = prepared.tubes.tubes
        min_length = self._settings.tubes.infer_min_tube_length
        asked = [
            (index, length)
            for index, tube in enumerate(tubes)
            if is_positive[index]
            for length in prefix_lengths(len(tube.entries), min_length, self._classifier.max_frames)
        ]
        prefix_logits = self._judge(
            embeddings, [prepared.plan.slots[index][:length] for index, length in asked], prepared.name
        )
        known = dict(zip(asked, prefix_logits, strict=True))

        def crossing(index: int) -> int | None:
            return first_crossing(
                tubes[index].entries,
                min_length,
                lambda length: known.get((index, length), logits[index]),
                lambda logit, entries: self._is_positive(logit, self._probability(logit, entries, len(tubes))),
            )

        return [crossing(index) if is_positive[index] else None for index in range(len(tubes))]

    @property
    def _threshold(self) -> float:
        decision = self._settings.decision
        threshold = decision.logistic_threshold if self._is_logistic else decision.threshold
        assert threshold is not None  # proven when the package was loaded
        return threshold

    def _probability(self, logit: float, entries: Sequence[TubeEntry], n_tubes: int) -> float:
        if self.package.calibrator is None:
            return sigmoid(logit)
        features = TubeFeatures(logit, len(entries), mean_confidence(entries), n_tubes)
        return self.package.calibrator.probability(features)

    def _is_positive(self, logit: float, probability: float) -> bool:
        return (probability if self._is_logistic else logit) >= self._threshold

    @torch.inference_mode()
    def _embed(self, patches: NDArray[np.uint8]) -> Tensor:
        """(n, side, side, 3) uint8 to (n, width) float32."""
        batches = [
            self._classifier.embed(self._normalize(patches[start : start + _EMBED_BATCH]))
            for start in range(0, len(patches), _EMBED_BATCH)
        ]
        return torch.cat(batches) if batches else torch.zeros(0, 0, device=self._device)

    def _normalize(self, patches: NDArray[np.uint8]) -> Tensor:
        images = torch.from_numpy(patches).to(self._device).permute(0, 3, 1, 2).to(torch.float32)
        # Dividing by 255 and multiplying by its reciprocal round differently; the model was trained on the former.
        return (images / 255.0 - self._mean) / self._std

    @torch.inference_mode()
    def _judge(self, embeddings: Tensor, slots: Sequence[Sequence[int | None]], name: str) -> list[float]:
        """One logit per list of slots. Raises `ScoringError` where the network gives something that is no number."""
        logits: list[float] = []
        for start in range(0, len(slots), _JUDGE_BATCH):
            batch = slots[start : start + _JUDGE_BATCH]
            index = torch.zeros(len(batch), self._classifier.max_frames, dtype=torch.int64)
            is_there = torch.zeros(len(batch), self._classifier.max_frames, dtype=torch.bool)
            for row, patches in enumerate(batch):
                for position, patch in enumerate(patches):
                    if patch is not None:
                        index[row, position], is_there[row, position] = patch, True
            is_there = is_there.to(self._device)
            gathered = embeddings[index.to(self._device)] * is_there.unsqueeze(-1)
            logits += self._classifier.judge(gathered, is_there).tolist()
        if not all(math.isfinite(logit) for logit in logits):
            raise ScoringError(
                f"The model gives no number for {name}",
                found="a logit that is infinite or not a number",
                do="The model package may be damaged; try another one.",
            )
        return logits


class _UndecodableFrameError(Exception):
    """Raised inside `ScoringEngine.prepare` alone."""

    def __init__(self, index: int, error: ImageError) -> None:
        super().__init__(index)
        self.index = index
        self.error = error
