"""What frames and pages of single sequences cost: run `python -m benchmarks.frames [--frames 14000000]`.

What lives here: a store of as many frames as asked, and the time of each kind of request over HTTP on loopback, with
the memory of the server and the CPU time that it takes for one. The same process serves the triage table and the run
page: the last line is the most memory that all of it ever took. What does not: a cold disk, and the page in a browser.

Every shard is the same archive under another name (a hard link) with an index of its own, so the room on disk is that
of one, and its pages are warm.
"""

import argparse
import hashlib
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.shards import answer, make_backlog, make_frames
from benchmarks.triage_page import generate
from triage_assets.annotator.records import Box, Detection, Sequence, SequenceRow
from triage_assets.annotator.snapshot import DETECTIONS_TYPE, SnapshotWriter, detections_array, snapshot_path
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.files.current import CURRENT, CURRENT_SCHEMA, FORMAT_VERSION
from triage_assets.scoring.files.parts import PartsFolder, to_ipc
from triage_assets.scoring.files.tables import PART_SCHEMA
from triage_assets.shards.catalog import (
    Catalog,
    ShardEntry,
    encode_catalog,
    index_path,
    load_catalog,
    load_index,
    tar_path,
)
from triage_assets.shards.catalog import catalog_path as path_of_catalog
from triage_assets.shards.index import encode_index
from triage_assets.shards.packing import pack_frames

FRAMES_PER_SEQUENCE = 10
FRAMES_PER_SHARD = 11_000
SEQUENCES_PER_SHARD = FRAMES_PER_SHARD // FRAMES_PER_SEQUENCE
ORGANIZATIONS = 30
PART_ROWS = 2000
N_PARTS_WRITTEN = 5
MODEL = "1.0.0-benchmark"
TEMPLATE = "template-0"


def main() -> None:
    """Make a store where none is given, serve it from another process, ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=14_000_000)
    parser.add_argument("--requests", type=int, default=1000, help="of each kind")
    parser.add_argument("--folder", type=Path, help="of a new or an already filled store; a temporary one if not given")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        _serve(options.serve)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        n_shards = max(1, options.frames // FRAMES_PER_SHARD)
        if not (folder / "worklists").exists():
            _fill(FolderStore(folder), n_shards)
        _measure(folder, n_shards, options.requests)


@dataclass(frozen=True, slots=True)
class Asked:
    """One sequence and one frame of it."""

    sequence_id: int
    detection_id: int


def _measure(folder: Path, n_shards: int, n_requests: int) -> None:
    n_sequences = n_shards * SEQUENCES_PER_SHARD
    print(f"{n_sequences:,} sequences, {n_shards * FRAMES_PER_SHARD:,} frames, {n_shards:,} shards")
    random = Random(0)

    def anywhere() -> Asked:
        return _frame_of(random.randrange(n_sequences), random.randrange(FRAMES_PER_SEQUENCE))

    near = random.randrange(n_shards) * SEQUENCES_PER_SHARD

    def nearby() -> Asked:
        return _frame_of(near + random.randrange(50), random.randrange(FRAMES_PER_SEQUENCE))

    def scored() -> Asked:
        return _frame_of(random.randrange(min(n_sequences, N_PARTS_WRITTEN * PART_ROWS)), 0)

    with _server(folder) as (port, process):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        ask = partial(_ask, connection)
        frame = "/api/v1/frames/{0.detection_id}?sequence_id={0.sequence_id}"
        print(f"{'':44s}{'p50 ms':>9s}{'p95 ms':>9s}{'max ms':>9s}{'CPU ms':>9s}{'server MB':>11s}")
        rows = "/api/v1/triage/rows?threshold=0.{0.detection_id}&sort=camera_name&offset={0.sequence_id}"
        summary = "/api/v1/triage/summary?threshold=0.{0.detection_id}"
        kinds: list[tuple[str, str, Callable[[], Asked], int]] = [
            ("the first page of the triage table", rows, anywhere, 1),
            ("page of the triage table, any threshold", rows, anywhere, n_requests // 5),
            ("summary of the triage table, any threshold", summary, anywhere, n_requests // 5),
            ("the first frame, no organization known", frame, anywhere, 1),
            ("the first frame without its sequence", "/api/v1/frames/{0.detection_id}", anywhere, 1),
            ("the first sequence's page", "/api/v1/sequences/{0.sequence_id}", scored, 1),
            ("frame, of a few neighbours", frame, nearby, n_requests),
            ("frame, of any shard", frame, anywhere, n_requests),
            ("frame without its sequence, of any shard", "/api/v1/frames/{0.detection_id}", anywhere, n_requests),
            ("thumbnail of 320, of any shard, made", frame + "&width=320", anywhere, n_requests),
            ("thumbnail of 320, of neighbours, made once", frame + "&width=320", nearby, n_requests),
            ("thumbnail of 320, of neighbours, kept", frame + "&width=320", nearby, n_requests),
            ("crop of 640, of any shard, made", frame + "&width=640&crop=0.2,0.3,0.6,0.7", anywhere, n_requests),
            ("a sequence's page", "/api/v1/sequences/{0.sequence_id}", scored, n_requests // 5),
            ("a sequence that is not there", "/api/v1/sequences/999999999", anywhere, n_requests // 5),
            ("the first run page", "/api/v1/run", anywhere, 1),
            ("the run page", "/api/v1/run", anywhere, n_requests // 5),
            ("page of the triage table once more", rows, anywhere, n_requests // 5),
        ]
        for name, path, choose, count in kinds:
            before = sum(process.cpu_times()[:2])
            times = [ask(path.format(choose())) for _ in range(max(1, count))]
            cpu_ms = 1000 * (sum(process.cpu_times()[:2]) - before) / len(times)
            p50, p95, most = (1000 * float(value) for value in np.percentile(times, [50, 95, 100]))
            megabytes = process.memory_info().rss / 1e6
            print(f"{name:44s}{p50:9.1f}{p95:9.1f}{most:9.1f}{cpu_ms:9.1f}{megabytes:11,.0f}", flush=True)
        connection.close()
        print(f"the most memory that the server ever took: {_most_megabytes(process.pid):,.0f} MB")


def _most_megabytes(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines() if line[:6] == "VmHWM:"]
    return int(line.split()[1]) * 1024 / 1e6


def _ask(connection: http.client.HTTPConnection, path: str) -> float:
    begun = time.perf_counter()
    connection.request("GET", path)
    answered = connection.getresponse()
    answered.read()
    assert answered.status in (200, 404), (path, answered.status)
    return time.perf_counter() - begun


def _frame_of(sequence: int, frame: int) -> Asked:
    return Asked(1 + sequence, 1 + sequence * FRAMES_PER_SEQUENCE + frame)


@contextmanager
def _server(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    command = [sys.executable, "-m", "benchmarks.frames", "--serve", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        yield port, psutil.Process(process.pid)
        process.terminate()


def _serve(folder: Path) -> None:
    import socket

    import uvicorn
    from triage_viewer.app import create_app
    from triage_viewer.context import Context

    from triage_assets.review.database import open_review

    with (
        closing(open_review(f"sqlite:///{folder / 'review.sqlite'}")) as review,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        print(listening.getsockname()[1], flush=True)
        app = create_app(Context(FolderStore(folder), review, "benchmark"))
        uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listening])


def _fill(store: FolderStore, n_shards: int) -> None:
    begun = time.perf_counter()
    pictures = make_frames()
    pack_frames(
        store, TEMPLATE, list(make_backlog(SEQUENCES_PER_SHARD)), partial(answer, pictures), seal_bytes=2 * 10**9
    )
    template = load_catalog(store, TEMPLATE)
    assert template is not None
    [shard] = template.shards
    rows = load_index(store, TEMPLATE, shard)
    catalogs: dict[str, list[ShardEntry]] = {}
    for number in range(n_shards):
        key = _organization(number)
        name = f"{number + 1:06d}-{number:08x}"
        first = number * SEQUENCES_PER_SHARD
        sequence_ids = pa.array(rows["sequence_id"].to_numpy() + first + 1)
        detection_ids = pa.array(rows["detection_id"].to_numpy() + first * FRAMES_PER_SEQUENCE + 1)
        index = encode_index(
            rows.set_column(0, "sequence_id", sequence_ids).set_column(1, "detection_id", detection_ids), key, name
        )
        store.write(index_path(key, name), index)
        (store.root / tar_path(key, name)).hardlink_to(store.root / tar_path(TEMPLATE, shard.name))
        digest = hashlib.sha256(index).hexdigest()
        catalogs.setdefault(key, []).append(shard.model_copy(update={"name": name, "index_sha256": digest}))
    for key, shards in catalogs.items():
        store.write(path_of_catalog(key), encode_catalog(Catalog(organization_key=key, shards=tuple(shards))))
        _write_backlog(store, key, [int(entry.name[:6]) - 1 for entry in shards])
    for found in list(store.list(f"shards/organization={TEMPLATE}")):
        store.delete(found.path)
    _write_scores(store, n_shards * SEQUENCES_PER_SHARD)
    generate(store, n_shards * SEQUENCES_PER_SHARD, ids=1 + np.arange(n_shards * SEQUENCES_PER_SHARD))
    print(f"filled in {time.perf_counter() - begun:.0f} s", flush=True)


def _organization(shard: int) -> str:
    """Every second shard is of one large organization."""
    return f"organization-{0 if shard % 2 == 0 else 1 + shard // 2 % (ORGANIZATIONS - 1)}"


def _write_backlog(store: FolderStore, key: str, shards: list[int]) -> None:
    some = list(make_backlog(500))
    box = Box(0.41234, 0.38765, 0.51234, 0.45678, 0.61234)
    detections = detections_array([_with_boxes(one, box) for one in some])
    writer = SnapshotWriter(key, key, "ready_to_annotate")
    ids = np.concatenate([shard * SEQUENCES_PER_SHARD + 1 + np.arange(SEQUENCES_PER_SHARD) for shard in shards])
    for start in range(0, len(ids), 500):
        mine = ids[start : start + 500].tolist()
        rows = [_row(some[place].row, sequence_id) for place, sequence_id in enumerate(mine)]
        writer.write(rows, _numbered(detections, mine))
    store.write(snapshot_path(key), writer.finish())


def _with_boxes(one: Sequence, box: Box) -> tuple[Detection, ...]:
    return tuple(
        Detection(each.id, each.sequence_id, each.recorded_at, f"bucket/{each.id}.jpg", (box,))
        for each in one.detections
    )


def _row(row: SequenceRow, sequence_id: int) -> SequenceRow:
    times = row.recorded_at, row.last_seen_at, None
    return SequenceRow(sequence_id, 1, "Benchmark", 7, "Camera", 90, *times, None, None, None, None, None, None)


def _numbered(detections: pa.Array, sequence_ids: list[int]) -> pa.Array:
    """The detections under the numbers that they have in these sequences."""
    some = detections.slice(0, len(sequence_ids))
    first = (np.array(sequence_ids) - 1) * FRAMES_PER_SEQUENCE + 1
    ids = (first[:, None] + np.arange(FRAMES_PER_SEQUENCE)).ravel()
    flat = some.flatten()
    fields = [pa.array(ids), *flat.flatten()[1:]]
    offsets = pa.array(np.arange(len(sequence_ids) + 1) * FRAMES_PER_SEQUENCE, pa.int32())
    items = pa.StructArray.from_arrays(fields, fields=list(DETECTIONS_TYPE.value_type))
    return pa.ListArray.from_arrays(offsets, items, type=DETECTIONS_TYPE)


def _write_scores(store: FolderStore, n_sequences: int) -> None:
    ids = np.arange(1, n_sequences + 1)
    scores = np.random.default_rng(0).random(n_sequences)
    parts = [f"part-{number:016x}.parquet" for number in range(-(-n_sequences // PART_ROWS))]
    fingerprints = [f"{each:064x}"[::-1] for each in ids.tolist()]
    n = len(ids)
    columns = {
        "sequence_id": ids,
        "organization_key": pa.array(["organization-0"] * n),
        "key": pa.array([f"pyro-annotator_{each}" for each in ids.tolist()]),
        "frames_fingerprint": pa.array(fingerprints),
        "triage_score": scores,
        "best_logit": scores,
        "part": pa.array([parts[each // PART_ROWS] for each in range(n)]),
        "detector": pa.array(["annotator"] * n),
    }
    arrays = [
        pa.array(columns[field.name]) if field.name in columns else pa.nulls(n, field.type) for field in CURRENT_SCHEMA
    ]
    table = pa.table(arrays, schema=CURRENT_SCHEMA).replace_schema_metadata({"format_version": str(FORMAT_VERSION)})
    folder = PartsFolder(store, MODEL)
    store.write(folder.path(CURRENT), to_ipc(table))
    for number in range(min(N_PARTS_WRITTEN, len(parts))):
        mine = ids[number * PART_ROWS : (number + 1) * PART_ROWS].tolist()
        rows = pa.Table.from_pylist([_part_row(each, fingerprints[each - 1]) for each in mine], schema=PART_SCHEMA)
        sink = pa.BufferOutputStream()
        stamped = rows.replace_schema_metadata({"format_version": "1"})
        pq.write_table(stamped, sink, row_group_size=100, compression="zstd")
        store.write(folder.path(parts[number]), sink.getvalue().to_pybytes())


def _part_row(sequence_id: int, fingerprint: str) -> dict[str, object]:
    random = Random(sequence_id)

    def window() -> dict[str, float]:
        return {name: random.random() for name in ("cx", "cy", "w", "h")}

    entries = [
        {"frame_idx": slot, "bbox": window(), "is_gap": False, "confidence": random.random()} for slot in range(20)
    ]
    tube = {
        "tube_id": 0, "start_frame": 0, "end_frame": 19, "logit": random.random(), "probability": random.random(),
        "first_crossing_frame": None, "stabilized_window": window(), "entries": entries,
    }  # fmt: skip
    padding = {"num_frames_input": 10, "num_truncated": 0, "padded_frame_indices": [*range(5), *range(15, 20)]}
    return {
        "sequence_id": sequence_id, "frames_fingerprint": fingerprint, "triage_score": 0.5, "best_logit": 0.1,
        "is_positive": False, "n_frames": 10, "preprocessing": padding,
        "tubes": {"num_candidates": 2, "kept": [tube, tube]},
        "decision": {"aggregation": "logistic", "threshold": 0.5, "trigger_tube_id": None},
    }  # fmt: skip


if __name__ == "__main__":
    main()
