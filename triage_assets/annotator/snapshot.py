"""The snapshot of one organization's backlog: a Parquet file of sequences with their detections nested inside.

What lives here: the file's schema, its writer and its readers, side by side. What does not: deciding what is in it
(`pull`).

Rows are ordered by sequence_id, in row groups of at most 500; the same rows give the same bytes.
"""

import io
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceOf
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triage_assets.annotator.records import Box, Detection, Organization, Sequence, SequenceRow, TrackedBoxes
from triage_assets.annotator.tracked import TRACKED_LEAVES, list_tracked_boxes
from triage_assets.errors import StoreError
from triage_assets.store import Store, check_format_version

FORMAT_VERSION = 1
ROWS_PER_GROUP = 500

_PREFIX = "organization="
_FILE = "sequences.parquet"
_MOMENT = pa.timestamp("us", tz="UTC")
_CORNERS = ("x1", "y1", "x2", "y2", "confidence")
_BOX = pa.struct([*((name, pa.float64()) for name in _CORNERS), ("class_name", pa.string())])
_DETECTION = pa.struct(
    [
        ("detection_id", pa.int64()),
        ("recorded_at", _MOMENT),
        ("bucket_key", pa.string()),
        ("boxes", pa.list_(_BOX)),
        ("other_boxes", pa.list_(_BOX)),
    ]
)
DETECTIONS_TYPE = pa.list_(_DETECTION)
SNAPSHOT_SCHEMA = pa.schema(
    [
        ("sequence_id", pa.int64()),
        ("organization_id", pa.int64()),
        ("organization_name", pa.string()),
        ("camera_id", pa.int64()),
        ("camera_name", pa.string()),
        ("azimuth", pa.int64()),
        ("lat", pa.float64()),
        ("lon", pa.float64()),
        ("recorded_at", _MOMENT),
        ("last_seen_at", _MOMENT),
        ("created_at", _MOMENT),
        ("source_api", pa.string()),
        ("alert_api_id", pa.int64()),
        ("is_wildfire_alertapi", pa.string()),
        ("annotator_group_id", pa.int64()),
        ("platform_alert_id", pa.int64()),
        ("temporal_model_score", pa.float64()),
        ("temporal_model_version", pa.string()),
        ("temporal_api_version", pa.string()),
        ("is_manual", pa.bool_()),
        ("n_detections", pa.int32()),
        ("detections", DETECTIONS_TYPE),
    ]
)
_ROW_COLUMNS = SNAPSHOT_SCHEMA.names[:-2]
_MOMENT_COLUMNS = ("recorded_at", "last_seen_at", "created_at")


def snapshot_path(key: str) -> str:
    """Where the snapshot of an organization's partition key is in the store."""
    return f"sequences/{_PREFIX}{key}/{_FILE}"


def stored_keys(store: Store) -> tuple[str, ...]:
    """The partition keys that have a snapshot, in order."""
    folders = (found.path.split("/")[1] for found in store.list("sequences") if found.path.endswith(f"/{_FILE}"))
    return tuple(sorted(folder.removeprefix(_PREFIX) for folder in folders))


def read_snapshot(store: Store, key: str, columns: SequenceOf[str] | None = None) -> pa.Table | None:
    """The whole snapshot, or the named columns of it; None where there is none. Raises `StoreError`, `NewerFormat`."""
    stored = StoredSnapshot.open(store, key)
    return None if stored is None else stored.read(columns)


@dataclass(frozen=True, slots=True)
class StoredSequences:
    """What `iter_sequences` gives, as often as it is iterated over."""

    store: Store
    key: str

    def __iter__(self) -> Iterator[Sequence]:
        return iter_sequences(self.store, self.key)


def iter_sequences(store: Store, key: str) -> Iterator[Sequence]:
    """Every sequence in order of its id, one row group in memory at a time; nothing where there is no snapshot.

    Raises `StoreError`, perhaps in the middle, and `NewerFormat`.
    """
    stored = StoredSnapshot.open(store, key)
    if stored is not None:
        for group in range(stored.file.num_row_groups):
            for record in stored.records(group):
                row = _row_of(record)
                yield Sequence(row, tuple(_detection_of(row.id, item) for item in record["detections"]))


@dataclass(frozen=True, slots=True)
class SnapshotFooter:
    """Where a snapshot's row groups are, and the first id in each: enough to fetch one sequence out of a million."""

    metadata: pq.FileMetaData
    first_ids: NDArray[np.int64]


def read_footer(store: Store, key: str, source: io.RawIOBase) -> SnapshotFooter:
    """The footer of the snapshot that ``source`` reads in pieces. Raises `StoreError`, `NewerFormat`."""
    metadata = _open_parquet(store, snapshot_path(key), source).metadata
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    firsts = [group.column(0).statistics.min for group in groups if group.num_rows]
    return SnapshotFooter(metadata, np.array(firsts, np.int64))


def read_sequence(footer: SnapshotFooter, source: io.RawIOBase, sequence_id: int) -> Sequence | None:
    """One sequence, None where the snapshot does not have it; one row group is fetched."""
    group = int(footer.first_ids.searchsorted(sequence_id, "right")) - 1
    if group < 0:
        return None
    file = pq.ParquetFile(source, metadata=footer.metadata)
    ids = file.read_row_group(group, columns=["sequence_id"], use_threads=False)["sequence_id"].to_numpy()
    places = np.flatnonzero(ids == sequence_id)
    if not len(places):
        return None
    [record] = file.read_row_group(group, use_threads=False).slice(int(places[0]), 1).to_pylist()
    return Sequence(_row_of(record), tuple(_detection_of(sequence_id, item) for item in record["detections"]))


@contextmanager
def _as_sentence(location: str) -> Iterator[None]:
    """Say of a file that Arrow cannot read what it is: a number or a text that is none is damage too."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise StoreError(
            f"{location} cannot be read",
            found=str(error).splitlines()[0][:200],
            expected="a Parquet file",
            do="Delete it and run `triage pull`: it is made anew from the annotator.",
        ) from None


def _open_parquet(store: Store, path: str, source: io.RawIOBase | pa.BufferReader) -> pq.ParquetFile:
    with _as_sentence(f"{store.location}/{path}"):
        file = pq.ParquetFile(source)
        metadata = file.schema_arrow.metadata or {}
    version = metadata.get(b"format_version", b"")
    check_format_version(store, path, int(version) if version.isdigit() else None, FORMAT_VERSION)
    return file


class StoredSnapshot:
    """Random access to a stored snapshot by sequence id, keeping one row group in memory."""

    def __init__(self, file: pq.ParquetFile, data: bytes, location: str) -> None:
        self.file = file
        self.data = data
        self._location = location
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        self._starts = np.cumsum([0, *sizes])
        self._cached: tuple[int, pa.Table] | None = None

    @classmethod
    def open(cls, store: Store, key: str) -> "StoredSnapshot | None":
        """The snapshot of a key, None where there is none. Raises `StoreError`, `NewerFormat`."""
        data = store.read_or_none(snapshot_path(key))
        return None if data is None else cls.from_bytes(store, key, data)

    @classmethod
    def from_bytes(cls, store: Store, key: str, data: bytes) -> "StoredSnapshot":
        """The snapshot that these bytes of the store are. Raises `StoreError`, `NewerFormat`."""
        path = snapshot_path(key)
        return cls(_open_parquet(store, path, pa.BufferReader(data)), data, f"{store.location}/{path}")

    def read(self, columns: SequenceOf[str] | None = None) -> pa.Table:
        """All of it, or the named columns. Raises `StoreError`."""
        with _as_sentence(self._location):
            return self.file.read(columns=None if columns is None else list(columns))

    def records(self, group: int) -> list[dict[str, Any]]:
        """The rows of one row group. Raises `StoreError`."""
        with _as_sentence(self._location):
            rows: list[dict[str, Any]] = self.file.read_row_group(group).to_pylist()
            return rows

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """The ids of all sequences, in ascending order. Raises `StoreError`."""
        ids: NDArray[np.int64] = self.read(["sequence_id"])["sequence_id"].to_numpy()
        return ids

    @property
    def organization(self) -> Organization:
        """The organization that the snapshot is of, under the name that it had."""
        metadata = self.file.schema_arrow.metadata
        key = metadata[b"organization_key"].decode()
        return Organization(int(key.rpartition("-")[2]), metadata[b"organization_name"].decode())

    @property
    def stage(self) -> str:
        """The processing stage that the backlog is of."""
        stage: bytes = self.file.schema_arrow.metadata.get(b"stage", b"")
        return stage.decode()

    def last_seen(self) -> dict[int, datetime]:
        """When each stored sequence was last seen, by id."""
        seen_us = self.read(["last_seen_at"])["last_seen_at"].cast(pa.int64()).to_pylist()
        moments = (datetime.fromtimestamp(0, UTC) + np.timedelta64(us, "us").item() for us in seen_us)
        return dict(zip(self.ids.tolist(), moments, strict=True))

    def row(self, sequence_id: int) -> SequenceRow:
        """The listing fields as they were stored. Raises `StoreError`."""
        group, place = self._locate(sequence_id)
        with _as_sentence(self._location):
            return _row_of(self._group(group).slice(place, 1).select(_ROW_COLUMNS).to_pylist()[0])

    def detections(self, sequence_ids: list[int]) -> pa.Array:
        """The detections of these sequences, which are in ascending order, as an array of `DETECTIONS_TYPE`."""
        places: dict[int, list[int]] = {}
        for sequence_id in sequence_ids:
            group, place = self._locate(sequence_id)
            places.setdefault(group, []).append(place)
        parts = [
            self._group(group)["detections"].combine_chunks().take(pa.array(taken)) for group, taken in places.items()
        ]
        return pa.concat_arrays(parts) if parts else pa.array([], DETECTIONS_TYPE)

    def boxes_of(self, sequence_ids: Iterable[int]) -> dict[int, TrackedBoxes]:
        """The tracked boxes of these sequences by id; those that the snapshot does not have are absent."""
        wanted = np.unique(np.fromiter(sequence_ids, np.int64))
        positions = np.searchsorted(self.ids, wanted)
        is_present = positions < len(self.ids)
        is_present[is_present] = self.ids[positions[is_present]] == wanted[is_present]
        present, positions = wanted[is_present], positions[is_present]
        groups = np.searchsorted(self._starts, positions, side="right") - 1
        found: dict[int, TrackedBoxes] = {}
        for group in np.unique(groups).tolist():
            mine = groups == group
            with _as_sentence(self._location):
                lists = self.file.read_row_group(group, columns=list(TRACKED_LEAVES))["detections"].combine_chunks()
            tracked = list_tracked_boxes(lists.take(pa.array(positions[mine] - self._starts[group])))
            found.update(zip(present[mine].tolist(), tracked, strict=True))
        return found

    def _locate(self, sequence_id: int) -> tuple[int, int]:
        position = int(np.searchsorted(self.ids, sequence_id))
        group = int(np.searchsorted(self._starts, position, side="right")) - 1
        return group, position - int(self._starts[group])

    def _group(self, group: int) -> pa.Table:
        if self._cached is None or self._cached[0] != group:
            with _as_sentence(self._location):
                self._cached = group, self.file.read_row_group(group)
        return self._cached[1]


class SnapshotWriter:
    """Builds the bytes of a snapshot, one row group at a time."""

    def __init__(self, key: str, organization_name: str, stage: str) -> None:
        metadata = {
            "format_version": str(FORMAT_VERSION),
            "organization_key": key,
            "organization_name": organization_name,
            "stage": stage,
        }
        self._schema = SNAPSHOT_SCHEMA.with_metadata(metadata)
        self._buffer = io.BytesIO()
        self._writer = pq.ParquetWriter(self._buffer, self._schema, compression="zstd")

    def write(self, rows: SequenceOf[SequenceRow], detections: pa.Array) -> None:
        """Append one row group: rows in ascending order of id, and the detections of each."""
        columns: list[pa.Array] = []
        for name in _ROW_COLUMNS:
            attribute = "id" if name == "sequence_id" else name
            columns.append(pa.array([getattr(row, attribute) for row in rows], self._schema.field(name).type))
        counts = detections.value_lengths().cast(pa.int32())
        table = pa.Table.from_arrays([*columns, counts, detections], schema=self._schema)
        self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)

    def finish(self) -> bytes:
        """The file."""
        self._writer.close()
        return self._buffer.getvalue()


def detections_array(sequences: SequenceOf[SequenceOf[Detection]]) -> pa.Array:
    """The detections of several sequences as an array of `DETECTIONS_TYPE`."""
    flat = [detection for detections in sequences for detection in detections]
    items = pa.StructArray.from_arrays(
        [
            pa.array([detection.id for detection in flat], pa.int64()),
            pa.array([detection.recorded_at for detection in flat], _MOMENT),
            pa.array([detection.bucket_key for detection in flat], pa.string()),
            _boxes_array([detection.boxes if detection.has_known_boxes else None for detection in flat]),
            _boxes_array([detection.other_boxes for detection in flat]),
        ],
        fields=list(_DETECTION),
    )
    return pa.ListArray.from_arrays(_offsets(sequences), items, type=DETECTIONS_TYPE)


def _boxes_array(boxes: SequenceOf[SequenceOf[Box] | None]) -> pa.Array:
    """Lists of boxes; None, which says nothing, is null, and not an empty list, which says that there are none."""
    known = [some or () for some in boxes]
    flat = [box for some in known for box in some]
    corners = [pa.array([getattr(box, name) for box in flat], pa.float64()) for name in _CORNERS]
    names = pa.array([box.class_name for box in flat], pa.string())
    items = pa.StructArray.from_arrays([*corners, names], fields=list(_BOX))
    unknown = pa.array([some is None for some in boxes], pa.bool_())
    return pa.ListArray.from_arrays(_offsets(known), items, type=pa.list_(_BOX), mask=unknown)


def _offsets(lists: SequenceOf[SequenceOf[object]]) -> pa.Array:
    return pa.array(np.cumsum([0, *map(len, lists)]), pa.int32())


def _row_of(record: dict[str, Any]) -> SequenceRow:
    values = {name: record[name] for name in _ROW_COLUMNS}
    for name in _MOMENT_COLUMNS:
        values[name] = _utc(values[name])
    return SequenceRow(id=values.pop("sequence_id"), **values)


def _detection_of(sequence_id: int, record: dict[str, Any]) -> Detection:
    return Detection(
        id=record["detection_id"],
        sequence_id=sequence_id,
        recorded_at=record["recorded_at"].replace(tzinfo=UTC),
        bucket_key=record["bucket_key"],
        boxes=tuple(Box(**box) for box in record["boxes"] or ()),
        other_boxes=tuple(Box(**box) for box in record["other_boxes"]),
        has_known_boxes=record["boxes"] is not None,
    )


def _utc(moment: datetime | None) -> datetime | None:
    # Arrow gives its own zone object for UTC; one zone everywhere keeps records comparable and picklable.
    return moment and moment.replace(tzinfo=UTC)
