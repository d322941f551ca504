"""What a large backlog costs besides scoring: run `python -m benchmarks.scale [--sequences 21489] [--organizations 1]`.

What lives here: planning, units and their descriptions, committing and merging predictions, on made-up tables. What
does not: scoring itself (`benchmarks.score`); docs/scale.md calculates with both.
"""

import argparse
import pickle
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from triage_assets.demo import DEMO_MODEL
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.cluster.worker import ClusterJob, Landmark
from triage_assets.scoring.files.current import CURRENT_SCHEMA, encode_current, lay_out
from triage_assets.scoring.files.merging import merge_parts
from triage_assets.scoring.files.parts import PartsFolder, load_index, write_part
from triage_assets.scoring.files.tables import TaskOutcome, rows_to_table
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.model_use import ModelUse, Permissions
from triage_assets.scoring.planning import plan_scoring
from triage_assets.scoring.records import (
    DETECTOR_ANNOTATOR,
    Preprocessing,
    RuntimeChoice,
    ScoredTube,
    ScoringBox,
    SequenceDetails,
    SequenceScore,
    TubeEntry,
    Window,
)
from triage_assets.scoring.runs import BacklogPlans
from triage_assets.scoring.units import UNIT_SEQUENCES, LoadBacklog, UnitPlanner

FRAMES = 14
TUBES = 2
SLOTS = 20
SHARD_SEQUENCES = 800  # 1 GB at 91 KB a frame


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=21_489, help="of the whole backlog")
    parser.add_argument("--organizations", type=int, default=1, help="over which they are spread")
    parser.add_argument("--commit", type=int, default=21_489, help="of which predictions are written and merged")
    options = parser.parse_args()
    each = options.sequences // options.organizations
    loaders = {f"zone-{number}": partial(_tables, each, number) for number in range(options.organizations)}
    before = _megabytes()
    planned = _measure_planning(loaders)
    print(f"memory, before and at its peak  {before:8.0f} MB {_megabytes():8.0f} MB")
    _measure_layout(planned)
    with tempfile.TemporaryDirectory() as folder:
        _measure_keeping(FolderStore(Path(folder)), loaders, planned, options.commit)
    print(f"peak memory of everything       {_megabytes():8.0f} MB")


def _measure_planning(loaders: Mapping[str, LoadBacklog]) -> BacklogPlans:
    made = 0.0

    def make(load: LoadBacklog) -> tuple[pa.Table, pa.Table]:
        nonlocal made
        began = time.perf_counter()
        tables = load()
        made += time.perf_counter() - began
        return tables

    started = time.perf_counter()
    plans = BacklogPlans(
        {key: partial(make, load) for key, load in loaders.items()}, frozenset(), DETECTOR_ANNOTATOR, UNIT_SEQUENCES
    )
    seconds = time.perf_counter() - started - made
    kept = sum(rows.nbytes for rows in plans.rows.values()) / plans.n_backlog
    sent = [len(pickle.dumps((_job(), loaders[unit.organization_key], unit))) for unit in plans.units[:200]]
    print(f"plan and cut {plans.n_tasks:9,} to do   {seconds:8.2f} s   {len(plans.units):,} units")
    print(f"kept of a plan, per sequence    {kept:8.0f} bytes")
    print(f"a unit's description            {np.mean(sent):8.0f} bytes")
    key, load = next(iter(loaders.items()))
    backlog, frames = load()
    done = frozenset(plan_scoring(key, backlog, frames, frozenset()).rows["frames_fingerprint"].to_pylist())
    started = time.perf_counter()
    plan_scoring(key, backlog, frames, done)
    print(f"plan {len(backlog):9,}, nothing to do  {time.perf_counter() - started:8.2f} s")
    return plans


def _job() -> ClusterJob:
    """What all units of a run have in common, which travels with each."""
    use = ModelUse(read_identity(DEMO_MODEL), DETECTOR_ANNOTATOR, RuntimeChoice(), Permissions())
    landmark = Landmark("shards/organization=zone-0/000001-00000000.tar", 10**9)
    return ClusterJob("0" * 32, FolderStore(Path("/srv/triage/data")), use, landmark)


def _measure_layout(plans: BacklogPlans) -> None:
    """The table of the whole backlog once everything in it is scored, which is what a run's end has in memory."""
    planned = pa.concat_tables(plans.rows.values())
    numbers = pa.array(np.random.default_rng(1).random(len(planned)))
    known = {
        "frames_fingerprint": planned["frames_fingerprint"],
        "triage_score": numbers,
        "best_logit": numbers,
        "part": pa.array(["part-0123456789abcdef.parquet"] * len(planned)),
        "runtime": pa.array(["torch cpu float32"] * len(planned)),
    }
    index = pa.table(
        [known.get(field.name, pa.nulls(len(planned), field.type)) for field in CURRENT_SCHEMA], schema=CURRENT_SCHEMA
    )
    started = time.perf_counter()
    current = lay_out(plans.rows, index, {}, DETECTOR_ANNOTATOR)
    data = encode_current(current, read_identity(DEMO_MODEL), DETECTOR_ANNOTATOR)
    print(f"lay out the whole backlog       {time.perf_counter() - started:8.2f} s")
    print(f"current.arrow, per sequence     {len(data) / len(current):8.0f} bytes")
    print(f"peak memory until here          {_megabytes():8.0f} MB")


def _measure_keeping(
    store: FolderStore, loaders: Mapping[str, LoadBacklog], plans: BacklogPlans, n_commit: int
) -> None:
    identity = read_identity(DEMO_MODEL)
    folder = PartsFolder(store, "bench")
    planner = UnitPlanner(loaders, DETECTOR_ANNOTATOR)
    random = np.random.default_rng(0)
    n_rows = n_units = sent = 0
    planning = writing = 0.0
    for unit in plans.units:
        started = time.perf_counter()
        tasks = planner.tasks(unit)
        planning += time.perf_counter() - started if n_units else 0.0  # the first reads the tables
        rows = rows_to_table(
            [TaskOutcome(task, _score(random)) for task in tasks], identity, DETECTOR_ANNOTATOR, "torch cpu float32"
        )
        sent += len(pickle.dumps(rows)) if n_units < 50 else 0
        started = time.perf_counter()
        write_part(folder, rows, identity, DETECTOR_ANNOTATOR)
        writing += time.perf_counter() - started
        n_rows += len(rows)
        n_units += 1
        if n_rows >= n_commit:
            break
    print(f"plan one unit                   {1000 * planning / n_units:8.1f} ms")
    print(f"commit one unit                 {1000 * writing / n_units:8.1f} ms")
    print(f"rows sent for one unit          {sent / min(n_units, 50) / 1000:8.1f} kB")
    started = time.perf_counter()
    index = load_index(folder)
    indexed = time.perf_counter() - started
    started = time.perf_counter()
    merged = merge_parts(folder, index, identity, DETECTOR_ANNOTATOR)
    merging = time.perf_counter() - started
    for name in merged.replaced:
        store.delete(folder.path(name))
    sizes = folder.part_sizes()
    print(f"index {n_units:6,} small parts       {indexed:8.2f} s")
    print(f"merge them                      {merging:8.2f} s   {len(sizes)} parts")
    print(f"stored, per sequence            {sum(sizes.values()) / n_rows:8.0f} bytes in parts")
    print(f"                                {(store.size(folder.path('index.arrow')) or 0) / n_rows:8.0f} in the index")


def _score(random: np.random.Generator) -> SequenceScore:
    kept = []
    for number in range(TUBES):
        boxes = [ScoringBox(*values) for values in (random.random((SLOTS, 5)) / 2 + 0.01).tolist()]
        entries = tuple(TubeEntry(slot, box) for slot, box in enumerate(boxes))
        logit, probability = random.random(2).tolist()
        kept.append(ScoredTube(number, entries, logit, probability, 3, Window(0.5, 0.5, logit, probability)))
    details = SequenceDetails(Preprocessing(FRAMES, 0, (0, 1, 2, 17, 18, 19)), 3, 0, tuple(kept), "logistic", 0.4, 0)
    return SequenceScore(True, 3, FRAMES, 0, details)


def _tables(n_sequences: int, number: int) -> tuple[pa.Table, pa.Table]:
    """An organization's backlog and frames: one box a frame, every frame stored."""
    n_frames = n_sequences * FRAMES
    ids = np.arange(n_frames) + number * n_frames
    sequence_ids = np.arange(n_sequences) + number * n_sequences
    times = pa.array(1_767_225_600_000_000 + 30_000_000 * np.arange(n_frames)).cast(pa.timestamp("us", "UTC"))
    numbers = np.random.default_rng(number).random((5, n_frames))
    names = ["x1", "y1", "x2", "y2", "confidence", "class_name"]
    boxes = pa.StructArray.from_arrays([*map(pa.array, numbers), pa.array(["smoke"] * n_frames)], names)
    lists = pa.ListArray.from_arrays(pa.array(np.arange(n_frames + 1, dtype=np.int32)), boxes)
    detections = pa.StructArray.from_arrays([pa.array(ids), times, lists], ["detection_id", "recorded_at", "boxes"])
    starts = pa.array(np.arange(n_sequences + 1, dtype=np.int32) * FRAMES)
    seen = times.take(pa.array(np.arange(n_sequences) * FRAMES))
    backlog = pa.table(
        {
            "sequence_id": sequence_ids,
            "organization_name": pa.array(["bench"] * n_sequences),
            "camera_name": pa.array(["camera"] * n_sequences),
            "recorded_at": seen,
            "last_seen_at": seen,
            "n_detections": pa.array(np.full(n_sequences, FRAMES, np.int32)),
            "detections": pa.ListArray.from_arrays(starts, detections),
        }
    )
    shards = [f"{1 + which // SHARD_SEQUENCES:06d}-00000000" for which in range(n_sequences)]
    frames = pa.table(
        {
            "sequence_id": np.repeat(sequence_ids, FRAMES),
            "detection_id": ids,
            "offset": ids * 100_000,
            "size": np.full(n_frames, 91_000),
            "sha256": pa.array(list(_hashes(ids))),
            "unusable_reason": pa.nulls(n_frames, pa.string()),
            "shard": pa.array(np.repeat(np.asarray(shards, object), FRAMES)),
        }
    )
    return backlog, frames


def _hashes(ids: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Iterator[str]:
    return (f"{number:064x}" for number in ids.tolist())


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
