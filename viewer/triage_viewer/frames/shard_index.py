"""Indexes of single shards in memory: the last ones that were asked for, up to a number of bytes.

What lives here: finding the rows of one sequence or detection in one shard. What does not: which shard that is
(`directory`).
"""

import threading
from collections import OrderedDict
from datetime import UTC
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triage_assets.shards.catalog import ShardEntry, load_index
from triage_assets.store import Store
from triage_viewer.frames.records import ImagePlace, LiveFrame, LiveSequence, MetaPlace

# Everything but the member's name, which takes a third of the room and which nobody asks for.
_COLUMNS = (
    "sequence_id", "detection_id", "offset", "size", "sha256", "width", "height", "recorded_at", "unusable_reason",
    "meta_offset", "meta_size",
)  # fmt: skip


class ShardIndex:
    """One shard's rows as columns: about 150 bytes a frame, and 50 microseconds to find some."""

    def __init__(self, organization_key: str, shard: str, table: pa.Table) -> None:
        self._key = organization_key
        self._shard = shard
        self._table = table.combine_chunks()
        self._sequence_ids: NDArray[np.int64] = self._table["sequence_id"].to_numpy()
        self._detection_ids: NDArray[np.int64] = self._table["detection_id"].to_numpy()
        self.nbytes = int(table.nbytes)

    def sequence(self, sequence_id: int) -> LiveSequence | None:
        """All frames of a sequence, None where the shard has none."""
        rows = self._rows(self._sequence_ids == sequence_id)
        if not rows:
            return None
        meta = MetaPlace(self._key, self._shard, rows[0]["meta_offset"], rows[0]["meta_size"])
        frames = sorted(map(self._frame, rows), key=lambda frame: (frame.recorded_at, frame.detection_id))
        return LiveSequence(meta, tuple(frames))

    def frames(self, detection_id: int) -> list[LiveFrame]:
        """The detection in every sequence that has it."""
        return [self._frame(row) for row in self._rows(self._detection_ids == detection_id)]

    def _rows(self, chosen: NDArray[np.bool_]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._table.take(pa.array(np.flatnonzero(chosen))).to_pylist()
        return rows

    def _frame(self, row: dict[str, Any]) -> LiveFrame:
        image = None
        if row["offset"] is not None:
            image = ImagePlace(row["offset"], row["size"], row["sha256"], row["width"], row["height"])
        moment = row["recorded_at"].replace(tzinfo=UTC)
        ids = row["sequence_id"], row["detection_id"]
        return LiveFrame(self._key, self._shard, *ids, moment, image, row["unusable_reason"])


class ShardIndexes:
    """The indexes that were asked for last."""

    def __init__(self, store: Store, most_bytes: int) -> None:
        self._store = store
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, str, str], ShardIndex] = OrderedDict()
        self._lock = threading.Lock()
        self.nbytes = 0

    def load(self, organization_key: str, shard: ShardEntry) -> ShardIndex:
        """The index that the catalog names. Raises `ShardError`, and `NewerFormat`."""
        name = (organization_key, shard.name, shard.index_sha256)
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        index = ShardIndex(organization_key, shard.name, load_index(self._store, organization_key, shard, _COLUMNS))
        with self._lock:
            if name not in self._kept:
                self._kept[name] = index
                self.nbytes += index.nbytes
            while self.nbytes > self._most_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self.nbytes -= dropped.nbytes
        return index
