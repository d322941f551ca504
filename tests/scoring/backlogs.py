"""Backlogs for tests: a few small sequences as the tables that scoring reads, and their images in a shard."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pyarrow as pa

from triage_assets.scoring.units import LoadBacklog
from triage_assets.store import Store

from .pictures import picture

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
BOXES = pa.list_(
    pa.struct([(name, pa.float64()) for name in ("x1", "y1", "x2", "y2", "confidence")] + [("class_name", pa.string())])
)
DETECTION = pa.struct(
    [
        ("detection_id", pa.int64()),
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("bucket_key", pa.string()),
        ("boxes", BOXES),
        ("other_boxes", BOXES),
    ]
)
BACKLOG = pa.schema(
    [
        ("sequence_id", pa.int64()),
        ("organization_name", pa.string()),
        ("camera_name", pa.string()),
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("last_seen_at", pa.timestamp("us", "UTC")),
        ("n_detections", pa.int32()),
        ("detections", pa.list_(DETECTION)),
    ]
)
FRAMES = pa.schema(
    [
        ("sequence_id", pa.int64()),
        ("detection_id", pa.int64()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("sha256", pa.string()),
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("unusable_reason", pa.string()),
        ("shard", pa.string()),
    ]
)
TABLES = ("backlog", "frames")
BOX = {"x1": 0.4, "y1": 0.4, "x2": 0.6, "y2": 0.6, "confidence": 0.6, "class_name": "smoke"}


@dataclass(frozen=True)
class Frame:
    """A frame and what became of it: stored, unusable for a reason, or ``missing`` from every shard."""

    detection_id: int
    image: bytes
    second: int = 0
    boxes: tuple[dict, ...] = (BOX,)
    reason: str | None = None
    missing: bool = False

    def changed(self, **values) -> "Frame":
        return replace(self, **values)


@dataclass(frozen=True)
class Backlog:
    """One organization's sequences, by id, and the shard that each is in."""

    key: str
    sequences: dict[int, tuple[Frame, ...]]
    shards: dict[int, str] = field(default_factory=dict)

    def tables(self) -> tuple[pa.Table, pa.Table]:
        backlog, frames, offsets = [], [], {}
        for sequence_id, members in self.sequences.items():
            shard = self.shards.get(sequence_id, "000001-aaaaaaaa")
            for frame in members:
                if frame.missing:
                    continue
                start = offsets.get(shard, 0) + 512
                if frame.reason is None:
                    offsets[shard] = start + len(frame.image)
                frames.append(
                    {
                        "sequence_id": sequence_id,
                        "detection_id": frame.detection_id,
                        "offset": None if frame.reason else start,
                        "size": None if frame.reason else len(frame.image),
                        "sha256": None if frame.reason else hashlib.sha256(frame.image).hexdigest(),
                        "recorded_at": START + timedelta(seconds=frame.second),
                        "unusable_reason": frame.reason,
                        "shard": shard,
                    }
                )
            detections = [
                {
                    "detection_id": frame.detection_id,
                    "recorded_at": START + timedelta(seconds=frame.second),
                    "bucket_key": f"bucket/{frame.detection_id}",
                    "boxes": list(frame.boxes),
                    "other_boxes": [],
                }
                for frame in members
            ]
            backlog.append(
                {
                    "sequence_id": sequence_id,
                    "organization_name": "Sdis 07",
                    "camera_name": "Brison",
                    "recorded_at": START,
                    "last_seen_at": START + timedelta(seconds=max((frame.second for frame in members), default=0)),
                    "n_detections": len(detections),
                    "detections": detections,
                }
            )
        return pa.Table.from_pylist(backlog, schema=BACKLOG), pa.Table.from_pylist(frames, schema=FRAMES)

    def save(self, store: Store) -> LoadBacklog:
        """Write the tables beside the shards; returns what reads them, in any process."""
        for name, table in zip(TABLES, self.tables(), strict=True):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
            store.write(f"tables/{self.key}/{name}.arrow", sink.getvalue().to_pybytes())
        return partial(read_tables, store, self.key)

    def pack(self, store: Store) -> None:
        """Write the shards that the tables describe."""
        shards: dict[str, bytes] = {}
        for sequence_id, members in self.sequences.items():
            shard = self.shards.get(sequence_id, "000001-aaaaaaaa")
            for frame in members:
                if not frame.missing and frame.reason is None:
                    shards[shard] = shards.get(shard, b"") + bytes(512) + frame.image
        for shard, data in shards.items():
            store.write(f"shards/organization={self.key}/{shard}.tar", data)


def read_tables(store: Store, key: str) -> tuple[pa.Table, pa.Table]:
    backlog, frames = (
        pa.ipc.open_file(pa.BufferReader(store.read(f"tables/{key}/{name}.arrow"))).read_all() for name in TABLES
    )
    return backlog, frames


def frames_of(sequence_id: int, count: int = 2) -> tuple[Frame, ...]:
    return tuple(
        Frame(sequence_id * 100 + number, picture(sequence_id * 7 + number), second=30 * number)
        for number in range(count)
    )


def backlog_of(*sequence_ids: int, key: str = "sdis-07-1", count: int = 2) -> Backlog:
    return Backlog(key, {sequence_id: frames_of(sequence_id, count) for sequence_id in sequence_ids})
