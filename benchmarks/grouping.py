"""What grouping costs: run `python -m benchmarks.grouping [--sequences 1000000] [--postgres URL]`.

What lives here: a made-up backlog in which about half of all clicks could be saved, grouped from nothing and then with
newcomers, on SQLite and, where a URL of an empty database is given, on PostgreSQL; the copy of the groups that those
have who only look; beside it the rule word by word.
What does not: whether the threshold is a good one (`benchmarks.groups`).
"""

import argparse
import io
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triage_assets.annotator.snapshot import (
    DETECTIONS_TYPE,
    ROWS_PER_GROUP,
    SNAPSHOT_SCHEMA,
    snapshot_path,
    stored_keys,
)
from triage_assets.annotator.snapshot import FORMAT_VERSION as SNAPSHOT_VERSION
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup, write_snapshot
from triage_assets.groups.boxes import FIRST_DETECTIONS, is_valid_box
from triage_assets.groups.records import ANNOTATIONS, IOU_THRESHOLD
from triage_assets.groups.snapshot import load_snapshot, store_snapshot
from triage_assets.groups_copy import RESULTS, load_copied, write_copy
from triage_assets.review.database import open_review
from triage_assets.store import Store

ORGANIZATIONS = 30
MOST_ANGLES = 2_000
DETECTIONS = 8
NEW = 500
_START_US = 1_767_225_600_000_000
_T = TypeVar("_T")
Numbers = NDArray[np.float64]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=1_000_000, help="of the whole backlog")
    parser.add_argument("--new", type=int, default=NEW, help="sequences that come on top")
    parser.add_argument("--postgres", help="SQLAlchemy URL of an empty PostgreSQL database, to measure that too")
    parser.add_argument("--literal", type=int, default=21_489, help="of which the rule is also followed word by word")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = FolderStore(folder / "store")
        everything = Backlog(options.sequences + options.new)
        urls = [f"sqlite:///{folder / 'review.sqlite'}", *([options.postgres] if options.postgres else [])]
        for url in urls:
            print(url.partition(":")[0])
            in_another_process(everything.write, store, options.sequences)
            in_another_process(measure, store, url, f"{options.sequences:,} from nothing")
            in_another_process(measure, store, url, "the same again")
            in_another_process(everything.write, store, options.sequences + options.new)
            in_another_process(measure, store, url, f"{options.new:,} on top")
        in_another_process(label_and_score, store)
        in_another_process(measure_copying, store)
        small = FolderStore(folder / "small")
        in_another_process(Backlog(options.literal).write, small, options.literal)
        in_another_process(measure, small, f"sqlite:///{folder / 'small.sqlite'}", f"{options.literal:,} from nothing")
        in_another_process(label_and_score, small)
        in_another_process(measure_copying, small)
        in_another_process(measure_literally, small)


def in_another_process(work: Callable[..., None], *arguments: object) -> None:
    """Do it where peak memory is its own."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


def measure(store: Store, url: str, what: str) -> None:
    """One assignment and the snapshot after it."""
    import pandas  # noqa: F401 (Arrow looks for it once in a process, which takes 0.3 s)

    review = open_review(url)
    before = _megabytes()
    report, grouping = timed(lambda: regroup(store, review))
    peak = _megabytes()
    _, writing = timed(lambda: write_snapshot(store, review))
    print(
        f"  {what:26} regroup {grouping}, write_snapshot {writing}   {before:4.0f} MB before,"
        f" {peak:5.0f} and {_megabytes():5.0f} MB at their peaks\n"
        f"  {'':26} {report.processed:,} processed: {report.new_groups:,} new groups, {report.joined_existing:,} joined"
        f" one, {report.skipped_no_bbox:,} skipped"
    )
    review.close()


def measure_copying(store: Store) -> None:
    """A copy of the groups for whoever only looks, with as many scores as sequences and a label for one in five."""
    import pandas  # noqa: F401 (as above)

    before = _megabytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.sqlite"
        tables, reading = timed(lambda: load_copied(store))
        assert tables is not None
        _, writing = timed(lambda: write_copy(path, tables))
        size_mb = path.stat().st_size / 1e6
    print(
        f"  {len(tables.sequences):,} to look at, {len(tables.annotations):,} labelled: read {reading}, "
        f"write {writing}   {size_mb:.0f} MB; {before:4.0f} MB before, {_megabytes():5.0f} MB at the peak"
    )


def label_and_score(store: Store) -> None:
    """Labels and scores in the store, as decisions and the worklists leave them."""
    snapshot = load_snapshot(store)
    assert snapshot is not None
    ids = snapshot.members["sequence_id"].combine_chunks()
    labelled = ids.take(pa.array(np.arange(0, len(ids), 5)))
    boxes = [{"detection_id": number, "xyxyn": [0.123456, 0.234567, 0.345678, 0.45678]} for number in range(DETECTIONS)]
    cluster = {"is_smoke": False, "smoke_type": None, "false_positive_types": ["antenna"], "bboxes": boxes}
    values = {
        "sequence_id": labelled,
        "stage": "seq_annotation_done",
        "has_smoke": False,
        "has_false_positives": True,
        "smoke_types": pa.scalar([], pa.list_(pa.string())),
        "false_positive_types": pa.scalar(["antenna"]),
        "is_unsure": False,
        "origin": "propagated",
        "annotation": json.dumps([cluster]),
        "updated_at": pa.scalar(_START_US).cast(pa.timestamp("us", "UTC")),
    }
    columns = [value if isinstance(value, pa.Array) else pa.repeat(value, len(labelled)) for value in values.values()]
    store_snapshot(store, replace(snapshot, annotations=pa.table(columns, schema=ANNOTATIONS)))
    scores = np.random.default_rng(5).random(len(ids))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"sequence_id": ids, "triage_score": scores}), sink)
    store.write(RESULTS, sink.getvalue().to_pybytes())


def measure_literally(store: Store) -> None:
    """The rule word by word, on lists of Python numbers, without any database."""
    rows: list[tuple[int, int, int, int, list[list[list[float]]]]] = []
    for key in stored_keys(store):
        table = pq.read_table(io.BytesIO(store.read(snapshot_path(key))))
        for row in table.select(["recorded_at", "sequence_id", "camera_id", "azimuth", "detections"]).to_pylist():
            frames = [[[b["x1"], b["y1"], b["x2"], b["y2"]] for b in item["boxes"]] for item in row["detections"]]
            rows.append((row["recorded_at"], row["sequence_id"], row["camera_id"], row["azimuth"], frames))
    groups, seconds = timed(lambda: group_literally(rows))
    print(f"  {len(rows):,}, word by word without reading or writing anything {seconds}   {groups:,} groups")


def group_literally(rows: list[tuple[int, int, int, int, list[list[list[float]]]]]) -> int:
    """The number of groups that the rule gives."""
    groups: dict[tuple[int, int], list[list[float]]] = {}
    for _, _, camera_id, azimuth, frames in sorted(rows, key=lambda row: row[:2]):
        boxes = [box for frame in frames[:FIRST_DETECTIONS] for box in frame if is_valid_box(*box)]
        if boxes and camera_id is not None and azimuth is not None:
            box = [statistics.median(values) for values in zip(*boxes, strict=True)]
            there = groups.setdefault((camera_id, azimuth), [])
            if max((overlap_literally(group, box) for group in there), default=0.0) <= IOU_THRESHOLD:
                there.append(box)
    return sum(map(len, groups.values()))


def overlap_literally(one: list[float], other: list[float]) -> float:
    """Intersection over union."""
    width = max(min(one[2], other[2]) - max(one[0], other[0]), 0.0)
    height = max(min(one[3], other[3]) - max(one[1], other[1]), 0.0)
    areas = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    union = areas - width * height
    return width * height / union if union > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """Half of the sequences show one of the few things that keep coming back at their camera angle."""

    n_sequences: int

    def write(self, store: Store, n_present: int) -> None:
        """Write the snapshots of all organizations as they are when the first so many sequences have come."""
        random = np.random.default_rng(4)
        n_angles = min(MOST_ANGLES, max(ORGANIZATIONS, self.n_sequences // 100))
        angles = random.integers(0, n_angles, self.n_sequences)
        n_recurring = max(2, self.n_sequences // n_angles // 20)
        things = _random_boxes(random, n_angles * n_recurring).reshape(4, n_angles, n_recurring)
        recurring = things[:, angles, random.integers(0, n_recurring, self.n_sequences)]
        is_recurring = random.random(self.n_sequences) < 0.55
        corners = np.where(is_recurring, recurring, _random_boxes(random, self.n_sequences))
        cameras, azimuths = angles // 4, angles % 4 * 90
        for number in range(ORGANIZATIONS):
            ids = np.flatnonzero(cameras[:n_present] % ORGANIZATIONS == number)
            data = _snapshot(number, ids, cameras[ids], azimuths[ids], corners[:, ids])
            store.write(snapshot_path(f"zone-{number}"), data)


def _random_boxes(random: np.random.Generator, n: int) -> Numbers:
    """Boxes of the sizes that smoke and false alarms have, somewhere in the image."""
    x, y = random.random((2, n)) * 0.9
    width, height = 0.01 + random.random((2, n)) ** 2 * 0.09
    return np.stack([x, y, x + width, y + height])


def _snapshot(
    number: int, ids: NDArray[np.int64], cameras: NDArray[np.int64], azimuths: NDArray[np.int64], corners: Numbers
) -> bytes:
    random = np.random.default_rng(number)
    n = len(ids)
    times = _START_US + ids * 30_000_000
    known = {
        "sequence_id": pa.array(ids + 1),
        "organization_id": pa.repeat(pa.scalar(number), n),
        "organization_name": pa.repeat(f"Zone {number}", n),
        "camera_id": pa.array(cameras),
        "camera_name": pa.array([f"camera-{camera:04d}" for camera in cameras.tolist()]),
        "azimuth": pa.array(azimuths),
        "recorded_at": pa.array(times).cast(pa.timestamp("us", "UTC")),
        "last_seen_at": pa.array(times + 240_000_000).cast(pa.timestamp("us", "UTC")),
        "n_detections": pa.repeat(pa.scalar(DETECTIONS, pa.int32()), n),
        "detections": _detections(random, ids, times, corners),
    }
    columns = [known.get(field.name, pa.nulls(n, field.type)) for field in SNAPSHOT_SCHEMA]
    metadata = {
        "format_version": str(SNAPSHOT_VERSION),
        "organization_key": f"zone-{number}",
        "organization_name": f"Zone {number}",
        "stage": "ready_to_annotate",
    }
    data = io.BytesIO()
    schema = SNAPSHOT_SCHEMA.with_metadata(metadata)
    pq.write_table(pa.table(columns, schema=schema), data, compression="zstd", row_group_size=ROWS_PER_GROUP)
    return data.getvalue()


def _detections(
    random: np.random.Generator, ids: NDArray[np.int64], times: NDArray[np.int64], corners: Numbers
) -> pa.Array:
    """Eight frames a sequence, 30 s apart; one box on each that wanders a little, on every other frame one more."""
    n_frames = len(ids) * DETECTIONS
    n_boxes = np.tile([1, 2], n_frames // 2)
    base = np.repeat(np.repeat(corners, DETECTIONS, axis=1), n_boxes, axis=1)
    boxes = np.round(base + random.normal(0, 0.002, base.shape), 6)
    fields = [
        *map(pa.array, boxes),
        pa.array(np.round(random.random(base.shape[1]), 4)),
        pa.repeat("smoke", base.shape[1]),
    ]
    box_type = DETECTIONS_TYPE.value_type.field("boxes").type
    box_items = pa.StructArray.from_arrays(fields, fields=list(box_type.value_type))
    box_lists = pa.ListArray.from_arrays(pa.array(np.cumsum([0, *n_boxes]), pa.int32()), box_items, type=box_type)
    frame_ids = np.repeat(ids * DETECTIONS, DETECTIONS) + np.tile(np.arange(DETECTIONS), len(ids))
    frame_times = np.repeat(times, DETECTIONS) + np.tile(np.arange(DETECTIONS) * 30_000_000, len(ids))
    frames = pa.StructArray.from_arrays(
        [
            pa.array(frame_ids),
            pa.array(frame_times).cast(pa.timestamp("us", "UTC")),
            pa.array([f"cameras/{one % 997}/frame_{one}.jpg" for one in frame_ids.tolist()]),
            box_lists,
            pa.ListArray.from_arrays(pa.array(np.zeros(n_frames + 1, np.int32)), box_items.slice(0, 0), type=box_type),
        ],
        fields=list(DETECTIONS_TYPE.value_type),
    )
    starts = pa.array(np.arange(len(ids) + 1, dtype=np.int32) * DETECTIONS)
    return pa.ListArray.from_arrays(starts, frames, type=DETECTIONS_TYPE)


def timed(work: Callable[[], _T]) -> tuple[_T, str]:
    """What it gives, and how long it takes; processor time is this process's, without a database server's."""
    started, used = time.perf_counter(), time.process_time()
    result = work()
    return result, f"{time.perf_counter() - started:6.2f} s ({time.process_time() - used:5.2f} s of processor)"


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
