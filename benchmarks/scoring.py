"""How fast scoring is, beside the plain way of doing the same: run `python -m benchmarks.scoring`.

What lives here: the released architecture with random weights on made-up sequences, and planning of a large backlog in
which nothing is to be done. What does not: any claim; it prints what it measures.
"""

import argparse
import io
import resource
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from benchmarks.random_package import Architecture, write_random_package
from triage_assets.scoring.engine import ScoringEngine
from triage_assets.scoring.package import load_package
from triage_assets.scoring.planning import plan_scoring
from triage_assets.scoring.records import FrameInput, ScoringBox, SequenceInput


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=3)
    parser.add_argument("--frames", type=int, default=14)
    parser.add_argument("--backlog", type=int, default=21_489)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    _measure_scoring([_sequence(seed, arguments.frames) for seed in range(arguments.sequences)])
    _measure_planning(arguments.backlog)


def _measure_scoring(sequences: Sequence[SequenceInput]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_random_package(Path(folder) / "model.zip", Architecture())
        started = time.perf_counter()
        package = load_package(path)
        print(f"load the released architecture   {time.perf_counter() - started:8.2f} s")
    with ScoringEngine(package) as engine:
        engine.score_one(sequences[0])
        started = time.perf_counter()
        scores = [outcome.score for outcome in engine.score(sequences)]
        fast = (time.perf_counter() - started) / len(sequences)
        plain, passes = _plain_seconds(engine, sequences[0])
        assert scores[0] is not None
    print(f"score a sequence                 {fast:8.2f} s")
    print(f"the plain way, {passes:4d} patches      {plain:8.2f} s   {plain / fast:.1f}x as long")


def _plain_seconds(engine: ScoringEngine, sequence: SequenceInput) -> tuple[float, int]:
    """The network's work on one tube when every slot of every prefix is embedded by itself."""
    prepared = engine.prepare(sequence)
    classifier = engine.package.classifier
    (slots,) = prepared.plan.slots
    started, passes = time.perf_counter(), 0
    with torch.inference_mode():
        for length in range(2, len(slots) + 1):
            index = [slot for slot in slots[:length] if slot is not None]
            embeddings = classifier.embed(engine._normalize(prepared.plan.patches[index]))
            padded = torch.zeros(1, classifier.max_frames, embeddings.shape[1])
            padded[0, : len(index)] = embeddings
            classifier.judge(padded, torch.arange(classifier.max_frames).unsqueeze(0) < len(index))
            passes += len(index)
    return time.perf_counter() - started, passes


def _measure_planning(n_sequences: int) -> None:
    backlog, frames = _backlog(n_sequences)
    done = set(plan_scoring("bench-1", backlog, frames, set()).rows["frames_fingerprint"].to_pylist())
    started = time.perf_counter()
    plan = plan_scoring("bench-1", backlog, frames, done)
    print(
        f"plan {n_sequences:,} sequences, nothing to do {time.perf_counter() - started:5.2f} s ({plan.n_tasks} tasks)"
    )
    print(f"peak memory of all of this       {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")


def _sequence(seed: int, n_frames: int) -> SequenceInput:
    random = np.random.default_rng(seed)
    frames = []
    for _ in range(n_frames):
        small = random.integers(0, 255, (90, 160, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(small).resize((1280, 720), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
        jitter = float(random.normal(0, 0.002))
        frames.append(FrameInput(buffer.getvalue(), (ScoringBox(0.5 + jitter, 0.5, 0.08, 0.1, 0.5),)))
    return SequenceInput(f"made up {seed}", tuple(frames))


def _backlog(n_sequences: int, n_frames: int = 12) -> tuple[pa.Table, pa.Table]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    box = {"x1": 0.4, "y1": 0.4, "x2": 0.5, "y2": 0.5, "confidence": 0.5, "class_name": "smoke"}
    detections = [
        [
            {
                "detection_id": sequence * n_frames + frame,
                "recorded_at": start + timedelta(seconds=30 * frame),
                "boxes": [box],
            }
            for frame in range(n_frames)
        ]
        for sequence in range(n_sequences)
    ]
    backlog = pa.table(
        {
            "sequence_id": pa.array(range(n_sequences), pa.int64()),
            "organization_name": pa.array(["bench"] * n_sequences),
            "camera_name": pa.array(["camera"] * n_sequences),
            "recorded_at": pa.array([start] * n_sequences, pa.timestamp("us", "UTC")),
            "last_seen_at": pa.array([start] * n_sequences, pa.timestamp("us", "UTC")),
            "n_detections": pa.array([n_frames] * n_sequences, pa.int32()),
            "detections": pa.array(detections),
        }
    )
    ids = np.arange(n_sequences * n_frames)
    frames = pa.table(
        {
            "sequence_id": pa.array(ids // n_frames),
            "detection_id": pa.array(ids),
            "offset": pa.array(ids * 100_000),
            "size": pa.array(np.full(len(ids), 90_000)),
            "sha256": pa.array([f"{number:064x}" for number in ids.tolist()]),
            "unusable_reason": pa.nulls(len(ids), pa.string()),
            "shard": pa.array(["000001-00000000"] * len(ids)),
        }
    )
    return backlog, frames


if __name__ == "__main__":
    main()
