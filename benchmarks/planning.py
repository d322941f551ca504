"""How long planning takes when there is nothing to score: run `python -m benchmarks.planning`.

What lives here: planning of a large made-up backlog that is wholly scored already. What does not: scoring (`score`).
"""

import argparse
import resource
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from triage_assets.scoring.planning import plan_scoring


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backlog", type=int, default=21_489)
    _measure_planning(parser.parse_args().backlog)


def _measure_planning(n_sequences: int) -> None:
    backlog, frames = _backlog(n_sequences)
    done = set(plan_scoring("bench-1", backlog, frames, set()).rows["frames_fingerprint"].to_pylist())
    started = time.perf_counter()
    plan = plan_scoring("bench-1", backlog, frames, done)
    print(
        f"plan {n_sequences:,} sequences, nothing to do {time.perf_counter() - started:5.2f} s ({plan.n_tasks} tasks)"
    )
    print(f"peak memory of all of this       {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB")


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
