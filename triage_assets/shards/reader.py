"""Reading whole sequences out of shards, by the offsets of their index.

What lives here: turning index rows into bytes. What does not: finding the rows (`catalog`), or walking a shard without
its index (`scan`).
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from triage_assets.errors import ShardError
from triage_assets.shards.catalog import tar_path
from triage_assets.shards.meta import FrameMeta, SequenceMeta, decode_meta
from triage_assets.shards.records import UnusableFrame, UsableFrame
from triage_assets.store import Store

_VERIFY = "Run `triage shards verify`."


@dataclass(frozen=True, slots=True)
class StoredSequence:
    """A sequence as a shard holds it, its frames by (recorded_at, detection_id)."""

    meta: SequenceMeta
    usable: tuple[UsableFrame, ...]
    unusable: tuple[UnusableFrame, ...]


def read_sequence(store: Store, organization_key: str, rows: pa.Table) -> StoredSequence:
    """One sequence, read at once: its members are contiguous.

    ``rows`` are all its rows of `catalog.load_frames`, with every column. Every image is held against its digest.
    Raises `ShardError`, and `StoreError` where the shard is missing or too short.
    """
    path = tar_path(organization_key, rows["shard"][0].as_py())
    records = {row["detection_id"]: row for row in rows.to_pylist() if row["offset"] is not None}
    start, meta_size = rows["meta_offset"][0].as_py(), rows["meta_size"][0].as_py()
    ends = [row["offset"] + row["size"] for row in records.values()]
    data = memoryview(store.read_range(path, start, max(ends, default=start + meta_size) - start))
    try:
        meta = decode_meta(data[:meta_size])
        usable = tuple(_read_image(data, start, frame, records[frame.detection_id]) for frame in meta.frames)
    except (ShardError, KeyError) as error:
        raise ShardError(f"shard {path}, sequence {rows['sequence_id'][0]}: {error}", do=_VERIFY) from None
    unusable = tuple(
        UnusableFrame(frame.detection_id, frame.recorded_at, frame.bucket_key, frame.reason)
        for frame in meta.unusable_frames
    )
    return StoredSequence(meta, usable, unusable)


def read_meta(store: Store, organization_key: str, rows: pa.Table) -> SequenceMeta:
    """What a sequence says of itself; ``rows`` as in `read_sequence`. Raises `ShardError`, `StoreError`."""
    path = tar_path(organization_key, rows["shard"][0].as_py())
    try:
        return decode_meta(store.read_range(path, rows["meta_offset"][0].as_py(), rows["meta_size"][0].as_py()))
    except ShardError as error:
        raise ShardError(f"shard {path}, sequence {rows['sequence_id'][0]}: {error}", do=_VERIFY) from None


def _read_image(data: memoryview, start: int, frame: FrameMeta, row: dict[str, Any]) -> UsableFrame:
    image = data[row["offset"] - start :][: row["size"]]
    digest = hashlib.sha256(image).hexdigest()
    if digest != row["sha256"]:
        raise ShardError(
            f"the bytes of detection {frame.detection_id} have changed",
            found=f"sha256 {digest}",
            expected=row["sha256"],
        )
    return UsableFrame(
        frame.detection_id, frame.recorded_at, frame.bucket_key, image, digest, row["width"], row["height"]
    )
