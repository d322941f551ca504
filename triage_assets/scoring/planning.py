"""What there is to score: the difference between the backlog with its stored frames and what a model already scored.

What lives here: the fingerprint of a sequence's frames, who is dropped and why, and the work that remains, ordered by
shard. What does not: scoring it, or any file. Work is done on columns; Python objects are made per sequence to score.
"""

import hashlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from triage_assets.scoring.identity import ENGINE_VERSION
from triage_assets.scoring.records import (
    DETECTOR_ANNOTATOR,
    DETECTOR_IMPORTED,
    INCOMPLETE,
    NO_IMAGES,
    ScoringBox,
    box_from_corners,
)

BACKLOG_COLUMNS = (
    "sequence_id", "organization_name", "camera_name", "recorded_at", "last_seen_at", "n_detections", "detections",
)  # fmt: skip
FRAME_COLUMNS = ("sequence_id", "detection_id", "offset", "size", "sha256", "unusable_reason", "shard")

PLAN_SCHEMA = pa.schema(
    [
        ("sequence_id", pa.int64()),
        ("frames_fingerprint", pa.string()),
        ("n_frames", pa.int32()),
        ("n_frames_unusable", pa.int32()),
        ("last_seen_at", pa.timestamp("us", "UTC")),
        ("n_detections", pa.int32()),
        ("dropped_reason", pa.string()),
        ("dropped_error", pa.string()),
    ]
)

# Sequences whose boxes are gathered at once to be hashed.
_BATCH = 2000


@dataclass(frozen=True, slots=True)
class FrameRef:
    """Where one frame's image is, what its bytes hash to, and its boxes."""

    detection_id: int
    shard: str
    offset: int
    size: int
    sha256: str
    boxes: tuple[ScoringBox, ...]


@dataclass(frozen=True, slots=True)
class SequenceTask:
    """One sequence to score, of which every frame is stored or known to be unusable.

    ``frames`` are the usable ones in time order; small enough to send to another process.
    """

    organization_key: str
    sequence_id: int
    organization_name: str
    camera_name: str
    started_at: datetime
    frames_fingerprint: str
    n_frames_unusable: int
    n_boxes_skipped: int
    frames: tuple[FrameRef, ...]


@dataclass(frozen=True, slots=True)
class WaitingSequence:
    """One sequence to score, by name: the shard of its first frame, and the fingerprint of all of them."""

    sequence_id: int
    shard: str
    frames_fingerprint: str


class ScoringPlan:
    """The plan of one organization: ``rows`` (`PLAN_SCHEMA`, one per sequence of the backlog) and the `tasks` left."""

    def __init__(self, organization_key: str, rows: pa.Table, todo: NDArray[np.int64], frames: "_Frames") -> None:
        self.organization_key = organization_key
        self.rows = rows
        self._todo = todo
        self._frames = frames

    @property
    def n_tasks(self) -> int:
        """How many sequences are to be scored."""
        return len(self._todo)

    def waiting(self) -> Iterator[WaitingSequence]:
        """The sequences to score, shard by shard, without what scoring them needs."""
        waiting = self.rows.take(pa.array(self._todo))
        columns = (waiting["sequence_id"].to_pylist(), self._frames.shards(self._todo), waiting["frames_fingerprint"])
        for sequence_id, shard, fingerprint in zip(*columns, strict=True):
            yield WaitingSequence(sequence_id, shard, fingerprint.as_py())

    def tasks(self) -> Iterator[SequenceTask]:
        """The sequences to score, shard by shard, made one at a time."""
        for row in self._todo.tolist():
            yield self._frames.task(self.organization_key, self.rows.slice(row, 1).to_pylist()[0], row)


def plan_scoring(
    organization_key: str,
    backlog: pa.Table,
    frames: pa.Table,
    scored: Container[str],
    *,
    detector: str = DETECTOR_ANNOTATOR,
) -> ScoringPlan:
    """Compare one organization's backlog and stored frames with the fingerprints that are ``scored`` already.

    ``backlog`` has `BACKLOG_COLUMNS` of the snapshot, ``frames`` has `FRAME_COLUMNS` of the live shards' index. A
    sequence of which any frame is in no shard yet is dropped as ``incomplete``, whatever it scored before: a score is
    of all frames. So is one whose boxes are not known, where the detector is the annotator: it would score 0.0, which
    nobody has found. One whose frames are all known to be unusable is dropped as ``no_images``.
    """
    table = _Frames(backlog.select(list(BACKLOG_COLUMNS)), frames.select(list(FRAME_COLUMNS)), detector)
    fingerprints = table.fingerprints(detector)
    reasons, errors = table.dropped()
    rows = pa.table(
        [
            pa.array(table.sequence_ids),
            pa.array(fingerprints, pa.string()),
            pa.array(table.n_usable.astype(np.int32)),
            pa.array(table.n_unusable.astype(np.int32)),
            _array(backlog["last_seen_at"]).cast(pa.timestamp("us", "UTC")),
            _array(backlog["n_detections"]).cast(pa.int32()),
            pa.array(reasons, pa.string()),
            pa.array(errors, pa.string()),
        ],
        schema=PLAN_SCHEMA,
    )
    is_todo = np.array([fingerprint is not None and fingerprint not in scored for fingerprint in fingerprints], bool)
    return ScoringPlan(organization_key, rows, table.by_shard(np.flatnonzero(is_todo)), table)


class _Frames:
    """The backlog's detections beside their stored frames, as columns ordered by (sequence, recorded_at, id)."""

    def __init__(self, backlog: pa.Table, frames: pa.Table, detector: str) -> None:
        self._backlog = backlog
        self._stored = frames
        self.sequence_ids: NDArray[np.int64] = _int64(backlog["sequence_id"])
        lists = _array(backlog["detections"])
        lengths = _int64(pc.fill_null(pc.list_value_length(lists), 0))
        detections = _children(pc.list_flatten(lists))
        owner = np.repeat(np.arange(len(lengths)), lengths)
        ids = _int64(detections["detection_id"])
        times = _int64(detections["recorded_at"].cast(pa.int64()))
        match = _match(self.sequence_ids[owner], ids, _int64(frames["sequence_id"]), _int64(frames["detection_id"]))
        self.n_missing = self._count(owner[match < 0])
        order = np.lexsort((ids, times, owner))
        order = order[match[order] >= 0]
        # One entry per stored frame from here on.
        self._detection = order
        self._frame = match[order]
        self._ids = ids[order]
        self._boxes = detections["boxes"]
        owner = owner[order]
        self._is_usable = pc.is_null(_array(frames["unusable_reason"])).to_numpy(zero_copy_only=False)[self._frame]
        self.n_usable = self._count(owner[self._is_usable])
        self.n_unusable = self._count(owner[~self._is_usable])
        is_unknown = pc.is_null(self._boxes).to_numpy(zero_copy_only=False)[order] & self._is_usable
        self.n_boxless = self._count(owner[is_unknown & (detector == DETECTOR_ANNOTATOR)])
        self.is_scorable = (self.n_usable > 0) & (self.n_missing == 0) & (self.n_boxless == 0)
        self._ends = np.cumsum(self._count(owner))
        self._starts = self._ends - self._count(owner)

    def _count(self, owners: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(owners, minlength=len(self.sequence_ids))

    def fingerprints(self, detector: str) -> list[str | None]:
        """SHA-256 over engine, detector, sequence, and its frames' ids, images and boxes; None where it is dropped.

        A detector of our own depends on the images alone, so its fingerprints leave the annotator's boxes out.
        """
        results: list[str | None] = [None] * len(self.sequence_ids)
        # What was imported was not made by this engine, and stays what it is with another.
        engine = "no engine" if detector == DETECTOR_IMPORTED else f"engine {ENGINE_VERSION}"
        salt = hashlib.sha256(f"{engine} frames 1 {detector}".encode()).digest()
        hashes = _array(pc.fill_null(self._stored["sha256"], "unusable"))
        for first in range(0, len(results), _BATCH):
            last = min(first + _BATCH, len(results))
            base, end = int(self._starts[first]), int(self._ends[last - 1])
            images = _Joined(hashes.take(pa.array(self._frame[base:end])))
            boxes = _BoxBytes(self._boxes.take(pa.array(self._detection[base:end]))) if end > base else None
            for row in np.flatnonzero(self.is_scorable[first:last]) + first:
                start, stop = int(self._starts[row]), int(self._ends[row])
                digest = hashlib.sha256(salt)
                digest.update(self.sequence_ids[row].tobytes())
                digest.update(self._ids[start:stop].tobytes())
                digest.update(images.between(start - base, stop - base))
                if detector == DETECTOR_ANNOTATOR and boxes is not None:
                    digest.update(boxes.between(start - base, stop - base))
                results[row] = digest.hexdigest()
        return results

    def dropped(self) -> tuple[list[str | None], list[str | None]]:
        """Reason and text of every sequence that cannot be scored now."""
        reasons: list[str | None] = [None] * len(self.sequence_ids)
        errors: list[str | None] = [None] * len(self.sequence_ids)
        for row in np.flatnonzero(~self.is_scorable).tolist():
            missing, unusable = int(self.n_missing[row]), int(self.n_unusable[row])
            if missing:
                total = missing + unusable + int(self.n_usable[row])
                reasons[row] = INCOMPLETE
                errors[row] = f"{missing} of {total} frames are in no shard yet: run frame_shards again"
            elif self.n_boxless[row]:
                reasons[row] = INCOMPLETE
                errors[row] = (
                    f"it was imported, and the boxes of {self.n_boxless[row]} frames are not known: pull it, or score "
                    "with the detector `bundled`"
                )
            else:
                reasons[row] = NO_IMAGES
                errors[row] = self._why_unusable(row) if unusable else "the sequence has no detections"
        return reasons, errors

    def _why_unusable(self, row: int) -> str:
        frames = self._frame[int(self._starts[row]) : int(self._ends[row])]
        reasons = _array(self._stored["unusable_reason"]).take(pa.array(frames)).to_pylist()
        distinct = list(dict.fromkeys(reasons))
        more = f" and {len(distinct) - 3} other reasons" if len(distinct) > 3 else ""
        return f"none of {len(frames)} frames is usable: {'; '.join(distinct[:3])}{more}"

    def by_shard(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows in order of (shard of the first frame, sequence id)."""
        if not len(rows):
            return rows
        codes = _array(self._stored["shard"]).dictionary_encode()
        names = np.asarray(codes.dictionary.to_pylist(), dtype=object)
        rank = np.argsort(np.argsort(names))
        shard = rank[codes.indices.to_numpy()[self._frame[self._starts[rows]]]]
        return rows[np.lexsort((self.sequence_ids[rows], shard))]

    def shards(self, rows: NDArray[np.int64]) -> list[str]:
        """The shard that holds the first frame of each row's sequence."""
        first = self._frame[self._starts[rows]] if len(rows) else np.empty(0, np.int64)
        names: list[str] = _array(self._stored["shard"]).take(pa.array(first)).to_pylist()
        return names

    def task(self, organization_key: str, planned: dict[str, object], row: int) -> SequenceTask:
        """Everything that scoring one sequence needs."""
        span = np.arange(self._starts[row], self._ends[row])
        span = span[self._is_usable[span]]
        stored = self._stored.take(pa.array(self._frame[span])).to_pylist()
        boxes = self._boxes.take(pa.array(self._detection[span])).to_pylist()
        usable = [[_scoring_box(box) for box in frame or ()] for frame in boxes]
        sequence = self._backlog.slice(row, 1).drop_columns(["detections"]).to_pylist()[0]
        return SequenceTask(
            organization_key=organization_key,
            sequence_id=int(self.sequence_ids[row]),
            organization_name=sequence["organization_name"],
            camera_name=sequence["camera_name"],
            started_at=sequence["recorded_at"],
            frames_fingerprint=str(planned["frames_fingerprint"]),
            n_frames_unusable=int(self.n_unusable[row]),
            n_boxes_skipped=sum(box is None for frame in usable for box in frame),
            frames=tuple(
                FrameRef(
                    frame["detection_id"],
                    frame["shard"],
                    frame["offset"],
                    frame["size"],
                    frame["sha256"],
                    tuple(box for box in found if box is not None),
                )
                for frame, found in zip(stored, usable, strict=True)
            ),
        )


class _Joined:
    """Strings of a column as slices of one buffer, each ended by a newline so that no two lists read alike."""

    def __init__(self, strings: pa.Array) -> None:
        values = [f"{value}\n".encode() for value in strings.to_pylist()]
        self._ends = np.concatenate([[0], np.cumsum([len(value) for value in values], dtype=np.int64)])
        self._data = b"".join(values)

    def between(self, start: int, stop: int) -> bytes:
        return self._data[int(self._ends[start]) : int(self._ends[stop])]


class _BoxBytes:
    """Lists of boxes as bytes: how many, their numbers as served, and their class names."""

    def __init__(self, lists: pa.ListArray) -> None:
        lengths = _int64(pc.fill_null(pc.list_value_length(lists), 0))
        fields = _children(pc.list_flatten(lists))
        numbers = [
            pc.fill_null(fields[name], float("nan")).to_numpy(zero_copy_only=False)
            for name in ("x1", "y1", "x2", "y2", "confidence")
        ]
        self._lengths = lengths
        self._ends = np.concatenate([[0], np.cumsum(lengths)])
        self._numbers = np.column_stack(numbers).astype("<f8")
        self._names = _Joined(pc.fill_null(fields["class_name"], ""))

    def between(self, start: int, stop: int) -> bytes:
        first, last = int(self._ends[start]), int(self._ends[stop])
        counts = self._lengths[start:stop].astype("<i8").tobytes()
        return counts + self._numbers[first:last].tobytes() + self._names.between(first, last)


def _scoring_box(box: dict[str, float]) -> ScoringBox | None:
    numbers = [box[name] for name in ("x1", "y1", "x2", "y2", "confidence")]
    return None if None in numbers else box_from_corners(*numbers)


def _match(
    sequences: NDArray[np.int64],
    detections: NDArray[np.int64],
    stored_sequences: NDArray[np.int64],
    stored_detections: NDArray[np.int64],
) -> NDArray[np.int64]:
    """For each (sequence, detection) the row of the stored frame, -1 where there is none."""
    if not len(stored_sequences) or not len(sequences):
        return np.full(len(sequences), -1, np.int64)
    sequence_names, detection_names = np.unique(stored_sequences), np.unique(stored_detections)
    sequence_codes = np.searchsorted(sequence_names, sequences).clip(max=len(sequence_names) - 1)
    detection_codes = np.searchsorted(detection_names, detections).clip(max=len(detection_names) - 1)
    stored = np.searchsorted(sequence_names, stored_sequences) * len(detection_names)
    stored = stored + np.searchsorted(detection_names, stored_detections)
    order = np.argsort(stored, kind="stable")
    wanted = sequence_codes * len(detection_names) + detection_codes
    position = np.searchsorted(stored, wanted, sorter=order, side="right") - 1
    row = order[position.clip(min=0)]
    is_same = (stored_sequences[row] == sequences) & (stored_detections[row] == detections)
    return np.where(is_same, row, -1)


def _children(structs: pa.StructArray) -> dict[str, pa.Array]:
    return dict(zip([field.name for field in structs.type], structs.flatten(), strict=True))


def _array(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _int64(column: pa.ChunkedArray | pa.Array) -> NDArray[np.int64]:
    values: NDArray[np.int64] = _array(column).to_numpy(zero_copy_only=False).astype(np.int64)
    return values
