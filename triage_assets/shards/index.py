"""A shard's index: one Parquet row per frame, usable or not, in the order in which the shard holds them.

What lives here: its schema, encoding and decoding. What does not: which shards there are, and whether an index agrees
with what the catalog says of it (`catalog`).
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from triage_assets.errors import ShardError
from triage_assets.shards.records import FrameRow
from triage_assets.store import Store, check_format_version

FORMAT_VERSION = 1

INDEX_SCHEMA = pa.schema(
    [
        pa.field("sequence_id", pa.int64(), nullable=False),
        pa.field("detection_id", pa.int64(), nullable=False),
        pa.field("member", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("sha256", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("recorded_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("unusable_reason", pa.string()),
        pa.field("meta_offset", pa.int64(), nullable=False),
        pa.field("meta_size", pa.int64(), nullable=False),
    ]
)


class IndexBuilder:
    """Collects a shard's rows, most of them as Arrow columns, which take a fifth of the room of objects."""

    def __init__(self) -> None:
        self._parts: list[pa.Table] = []
        self._rows: list[FrameRow] = []

    def append(self, rows: Sequence[FrameRow]) -> None:
        """Add rows in the order of the index."""
        self._rows += rows
        if len(self._rows) >= 1000:
            self._parts.append(_table(self._rows))
            self._rows = []

    def table(self) -> pa.Table:
        """All rows so far, as one piece of `INDEX_SCHEMA`."""
        return pa.concat_tables([*self._parts, _table(self._rows)]).combine_chunks()


def _table(rows: Sequence[FrameRow]) -> pa.Table:
    images = [row.image for row in rows]
    values = {
        "sequence_id": [row.sequence_id for row in rows],
        "detection_id": [row.detection_id for row in rows],
        "member": [image and image.member for image in images],
        "offset": [image and image.offset for image in images],
        "size": [image and image.size for image in images],
        "sha256": [image and image.sha256 for image in images],
        "width": [image and image.width_px for image in images],
        "height": [image and image.height_px for image in images],
        "recorded_at": [row.recorded_at for row in rows],
        "unusable_reason": [row.unusable_reason for row in rows],
        "meta_offset": [row.meta_offset for row in rows],
        "meta_size": [row.meta_size for row in rows],
    }
    return pa.Table.from_pydict(values, schema=INDEX_SCHEMA)


def encode_index(table: pa.Table, organization_key: str, shard: str) -> bytes:
    """The index as Parquet, the same bytes for the same rows in one piece."""
    stamp = {"format_version": str(FORMAT_VERSION), "organization_key": organization_key, "shard": shard}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(stamp),
        sink,
        compression="zstd",
        use_dictionary=["sequence_id", "width", "height", "unusable_reason", "meta_offset", "meta_size"],
    )
    return bytes(sink.getvalue())


def decode_index(store: Store, path: str, data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """What `encode_index` wrote, or those columns of it. Raises `ShardError`, and `NewerFormat`."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        stamp = file.schema_arrow.metadata or {}
        version = stamp.get(b"format_version", b"").decode("ascii", "replace")
        check_format_version(store, path, int(version) if version.isdigit() else None, FORMAT_VERSION)
        table = file.read(columns=list(columns) if columns is not None else None, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ShardError(f"{path} is no Parquet file", found=str(error), do="Run `triage shards reindex`.") from None
    return table.replace_schema_metadata(None)
