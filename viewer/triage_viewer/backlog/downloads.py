"""The current selection as a file: CSV, Parquet, or a worklist, made piece by piece as it is sent.

What lives here: the form of the three. What does not: which rows are in them (`selection`).

A worklist has the form of the store's review.json and unlabeled.json. A CSV opens in a spreadsheet without being run:
text that would be a formula there begins with an apostrophe, and the file with the mark that makes it UTF-8.
"""

import codecs
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from typing_extensions import override

from triage_assets.worklists.spreadsheet import flatten
from triage_viewer.backlog.load import StoredBacklog
from triage_viewer.backlog.rows import take_rows
from triage_viewer.backlog.table import BacklogTable, Positions

ITEM_COLUMNS = (
    "key", "sequence_id", "triage_score", "model_scores", "n_models_review", "model_version", "score",
    "trigger_frame_index", "n_frames_unusable", "organization_name", "camera_name", "started_at", "group_id",
    "annotation_stage",
)  # fmt: skip

_ROWS_AT_ONCE = 10_000
_PARQUET_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Download:
    """Rows of one version of the backlog, at one threshold, in their order."""

    backlog: StoredBacklog
    positions: Positions
    threshold: float

    @property
    def table(self) -> BacklogTable:
        """The table that they are rows of."""
        return self.backlog.table


def encode_csv(download: Download) -> Iterator[bytes]:
    """Comma-separated text with a head line, in UTF-8; one column per model, several labels with a bar between."""
    yield codecs.BOM_UTF8
    for number, rows in enumerate(_pieces(download, _ROWS_AT_ONCE)):
        buffer = io.BytesIO()
        flat = flatten(rows)
        pyarrow.csv.write_csv(flat, buffer, pyarrow.csv.WriteOptions(include_header=number == 0))
        yield buffer.getvalue()


def encode_parquet(download: Download) -> Iterator[bytes]:
    """A Parquet file with the threshold and the version that it is of in its metadata."""
    drain = _Drain()
    stamp = {"threshold": repr(download.threshold), "version": download.backlog.version}
    writer: pq.ParquetWriter | None = None
    for rows in _pieces(download, _PARQUET_ROWS):
        writer = writer or pq.ParquetWriter(
            pa.PythonFile(drain, "w"), rows.schema.with_metadata(stamp), compression="zstd"
        )
        writer.write_table(rows.replace_schema_metadata(stamp))
        yield drain.take()
    assert writer is not None
    writer.close()
    yield drain.take()


def encode_worklist(download: Download, *, is_unlabel: bool, part: Mapping[str, object]) -> Iterator[bytes]:
    """The JSON of a worklist; ``part``, where it is not empty, says which part of the worklist this is."""
    record = download.backlog.record
    ids = download.table.sequence_ids[download.positions]
    head: dict[str, Any] = {"threshold": download.threshold, "count": len(ids), "sequence_ids": ids}
    if record.caution:
        head["caution"] = record.caution
    if record.split_without:
        head["split_without"] = record.split_without
    if is_unlabel:
        label = {"false_positive_type": "unlabeled", "is_unsure": False, "force": False}
        head["bulk_payload"] = {"sequence_ids": ids, **label}
    if part:
        head["part"] = dict(part)
    yield orjson.dumps(head, option=orjson.OPT_SERIALIZE_NUMPY)[:-1] + b',"items":[\n'
    for number, rows in enumerate(_pieces(download, _ROWS_AT_ONCE)):
        named = [name for name in ITEM_COLUMNS if name in rows.column_names]
        times = pc.strftime(pc.cast(rows["started_at"], pa.timestamp("ms", "UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
        plain = rows.select(named).set_column(named.index("started_at"), "started_at", times)
        lines = b",\n".join(map(orjson.dumps, plain.to_pylist()))
        yield b",\n" + lines if number and lines else lines
    yield b"\n]\n}\n"


class _Drain(io.RawIOBase):
    """A file that what was written is taken out of."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._size

    @override
    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def take(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _pieces(download: Download, n_rows: int) -> Iterator[pa.Table]:
    """The rows, a few at a time; one piece without rows where there are none."""
    for start in range(0, max(len(download.positions), 1), n_rows):
        yield take_rows(download.table, np.asarray(download.positions[start : start + n_rows]), download.threshold)
