"""How fast scoring is, beside the reference's way on the same frames and threads: run `python -m benchmarks.score`.

What lives here: the released architecture with random weights on made-up sequences, and the reference's order of steps,
written plainly. What does not: any claim; it prints what it measures, in CPU seconds, which a busy machine moves less
than elapsed ones.
"""

import argparse
import io
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from benchmarks.random_package import Architecture, Calibration, write_random_package
from triage_assets.images import decode_rgb
from triage_assets.scoring.calibrator import TubeFeatures
from triage_assets.scoring.crops import crop_box, cut_patch
from triage_assets.scoring.engine import ScoringEngine
from triage_assets.scoring.package import ModelPackage, load_package
from triage_assets.scoring.records import FrameInput, RuntimeChoice, ScoringBox, SequenceInput, SequenceScore
from triage_assets.scoring.runtimes.choice import RUNTIMES, is_installed
from triage_assets.scoring.sequence_plan import SequencePlan, SequencePlanner
from triage_assets.scoring.stages import StageClock, describe_shares
from triage_assets.scoring.trigger import mean_confidence

# With random weights a logit says nothing, so length and confidence alone decide: a tube of confidence c crosses with
# its slot number n where 50 log(1 + n) + SLOPE c >= 50 log(20.5). The boxes' confidence makes that 0.6 of a tube's
# slots. The reference then takes about 9 times as long with the trigger search as without; on real sequences it was 8.8
# times, 38.6 and 4.4 CPU seconds.
CROSSING = 0.6
SLOPE = 50 * math.log(20.5 / 2.5)
CALIBRATION = Calibration((0.0, 50.0, SLOPE, 0.0), intercept=-50 * math.log(20.5))
# Side by side, far enough apart that their boxes never meet.
_CENTRES = ((0.2, 0.3), (0.5, 0.6), (0.8, 0.4))
T = TypeVar("T")


@dataclass
class Found:
    """What the reference's way found in one sequence, and how many patches went through the backbone for it."""

    logits: list[float] = field(default_factory=list)
    crossings: list[int | None] = field(default_factory=list)
    n_passes: int = 0


@dataclass
class Measured:
    """CPU seconds on one sequence: the reference's way by whether it searched the trigger, ours by runtime too."""

    plain: dict[bool, float]
    passes: dict[bool, int]
    ours: dict[tuple[str, bool], float]
    differences: dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=10, help="scored in one call, for the stage times")
    parser.add_argument("--compared", type=int, default=3, help="of those, scored in the reference's way too")
    parser.add_argument("--frames", type=int, default=14)
    parser.add_argument("--whole", action="store_true", help="all tubes, not only the first, last the whole sequence")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sequences = [_sequence(seed, arguments.frames, arguments.whole) for seed in range(arguments.sequences)]
    with tempfile.TemporaryDirectory() as folder:
        path = write_random_package(Path(folder) / "model.zip", Architecture(), calibration=CALIBRATION)
        package = load_package(path)
    runtimes = [runtime for runtime in RUNTIMES if is_installed(runtime)]
    _compare(package, sequences[: arguments.compared], runtimes)
    for runtime in runtimes:
        _measure_call(package, sequences, runtime)


def _compare(package: ModelPackage, sequences: Sequence[SequenceInput], runtimes: Sequence[str]) -> None:
    engines = {runtime: ScoringEngine(package, RuntimeChoice(runtime, "cpu")) for runtime in runtimes}
    rows = [_measure(package, engines, sequence) for sequence in sequences]
    print(f"{len(rows)} sequences; CPU seconds per sequence, crops through the backbone for all of them, 1 thread")
    print(f"{'':26s}{'without trigger':>26s}{'with trigger':>26s}")
    cells = []
    for trigger in (False, True):
        seconds, passes = (sum(getattr(row, name)[trigger] for row in rows) for name in ("plain", "passes"))
        cells.append(f"{seconds / len(rows):.2f} s {passes:5d} crops")
    print(f"{'the reference way':26s}{cells[0]:>26s}{cells[1]:>26s}")
    distinct = sum(_n_distinct(package, sequence) for sequence in sequences)
    for runtime, engine in engines.items():
        cells = []
        for trigger in (False, True):
            seconds = sum(row.ours[runtime, trigger] for row in rows)
            ratio = sum(row.plain[trigger] for row in rows) / seconds
            cells.append(f"{ratio:.1f}x  {seconds / len(rows):.2f} s {distinct:5d} crops")
        largest = max(row.differences[runtime] for row in rows)
        print(f"{engine.runtime:26s}{cells[0]:>26s}{cells[1]:>26s}   logits differ by at most {largest:.1e}")
        engine.close()


def _measure(package: ModelPackage, engines: Mapping[str, ScoringEngine], sequence: SequenceInput) -> Measured:
    """Both ways in turn, the median of ours around theirs: the machine drifts, the ratio of neighbours less."""
    found: dict[bool, Found] = {}
    plain: dict[bool, float] = {}
    ours: dict[tuple[str, bool], list[float]] = {(name, trigger): [] for name in engines for trigger in (False, True)}
    scores: dict[str, SequenceScore] = {}
    for engine in engines.values():
        engine.score_one(sequence)
    for trigger_of_plain in (False, True, None):
        for (runtime, trigger), seconds in ours.items():
            scores[runtime], taken = _timed(partial(engines[runtime].score_one, sequence, compute_trigger=trigger))
            seconds.append(taken)
        if trigger_of_plain is not None:
            work = partial(_reference_way, package, sequence, compute_trigger=trigger_of_plain)
            found[trigger_of_plain], plain[trigger_of_plain] = _timed(work)
    return Measured(
        plain,
        {trigger: one.n_passes for trigger, one in found.items()},
        {key: statistics.median(seconds) for key, seconds in ours.items()},
        {runtime: _difference(score, found[True]) for runtime, score in scores.items()},
    )


def _measure_call(package: ModelPackage, sequences: Sequence[SequenceInput], runtime: str) -> None:
    clock = StageClock()
    with ScoringEngine(package, RuntimeChoice(runtime, "cpu"), clock=clock) as engine:
        _, taken = _timed(lambda: list(engine.score(sequences)))
    stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in clock.seconds().items() if seconds)
    print(
        f"\n{len(sequences)} sequences in one call on {engine.runtime}: {taken / len(sequences):.2f} CPU s a sequence"
    )
    print(f"  elapsed seconds in the threads of each stage: {stages} ({describe_shares(clock.seconds())})")


def _reference_way(package: ModelPackage, sequence: SequenceInput, *, compute_trigger: bool) -> Found:
    """Tube by tube: decode and crop each slot, embed all 20, and all 20 again for every prefix until one crosses.

    The reference's network takes a tube as 20 images and a mask of which are there: blank ones pass the backbone too.
    """
    settings, max_frames = package.settings, package.classifier.max_frames
    plan = SequencePlanner(settings, max_frames).plan(sequence)
    found = Found()
    for index, tube in enumerate(plan.tubes.tubes):
        images = _images(package, plan, index)
        logit = _logit(package, images, found)

        def is_positive(logit: float, length: int) -> bool:
            entries = tube.entries[:length]  # noqa: B023
            features = TubeFeatures(logit, length, mean_confidence(entries), len(plan.tubes.tubes))
            assert package.calibrator is not None and settings.decision.logistic_threshold is not None
            return package.calibrator.probability(features) >= settings.decision.logistic_threshold

        crossing = None
        if compute_trigger and is_positive(logit, len(images)):
            lengths: Iterable[int] = range(settings.tubes.infer_min_tube_length, len(images) + 1)
            crossing = next(
                tube.entries[length - 1].frame_idx
                for length in lengths
                if is_positive(_logit(package, images[:length], found), length)
            )
        found.logits.append(logit)
        found.crossings.append(crossing)
    return found


def _images(package: ModelPackage, plan: SequencePlan, tube: int) -> torch.Tensor:
    config = package.settings.model_input
    patches = []
    for cut in plan.cuts[tube]:
        assert cut is not None
        pixels = decode_rgb(plan.frames[cut.frame].image)
        height, width = pixels.shape[:2]
        patches.append(cut_patch(pixels, crop_box(cut.window, config.context_factor, width, height), config.patch_size))
    images = torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).float() / 255.0
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1) for values in (config.normalization.mean, config.normalization.std)
    )
    return (images - mean) / std


@torch.inference_mode()
def _logit(package: ModelPackage, images: torch.Tensor, found: Found) -> float:
    classifier = package.classifier
    padded = torch.zeros(classifier.max_frames, *images.shape[1:])
    padded[: len(images)] = images
    found.n_passes += len(padded)
    is_there = torch.arange(len(padded)).unsqueeze(0) < len(images)
    return float(classifier.judge(classifier.embed(padded).unsqueeze(0), is_there))


def _difference(score: SequenceScore, found: Found) -> float:
    assert [tube.first_crossing_frame for tube in score.details.kept] == found.crossings
    return max(abs(tube.logit - logit) for tube, logit in zip(score.details.kept, found.logits, strict=True))


def _n_distinct(package: ModelPackage, sequence: SequenceInput) -> int:
    plan = SequencePlanner(package.settings, package.classifier.max_frames).plan(sequence)
    return len({cut for cuts in plan.cuts for cut in cuts})


def _sequence(seed: int, n_frames: int, is_whole: bool) -> SequenceInput:
    """A sequence of 720p JPEGs with 1, 2 or 3 tubes, by turns; the first is always there, the others come and go."""
    random = np.random.default_rng(seed)
    spans = [(0, n_frames)]  # first frame and the one after the last
    for _ in range(seed % len(_CENTRES)):
        length = n_frames if is_whole else int(random.integers(n_frames // 3, n_frames))
        start = int(random.integers(0, n_frames - length + 1))
        spans.append((start, start + length))
    confidences = [_confidence(start, stop, n_frames) for start, stop in spans]
    frames = []
    for number in range(n_frames):
        small = random.integers(0, 255, (90, 160, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(small).resize((1280, 720), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
        boxes = [
            ScoringBox(x + float(random.normal(0, 0.002)), y, 0.08, 0.1, confidence)
            for (start, stop), confidence, (x, y) in zip(spans, confidences, _CENTRES, strict=False)
            if start <= number < stop
        ]
        frames.append(FrameInput(buffer.getvalue(), tuple(boxes)))
    return SequenceInput(f"made up {seed}", tuple(frames))


def _confidence(start: int, stop: int, n_frames: int, n_slots: int = 20) -> float:
    """What makes a tube over these frames cross where it should; padding makes it longer at the sequence's ends."""
    missing = max(n_slots - n_frames, 0)
    length = stop - start + (missing + 1) // 2 * (start == 0) + missing // 2 * (stop == n_frames)
    crossing = max(2, round(CROSSING * length))
    return math.log(20.5 / (crossing + 0.5)) * 50 / SLOPE


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


if __name__ == "__main__":
    main()
