"""The frames of an organization that its shards held before anything was imported.

What lives here: what they hold of a sequence, and which frames of other shards are new beside them. What does not: what
becomes of a frame that is held with other bytes (`importing`).
"""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from triage_assets.shards.catalog import index_path, load_frames
from triage_assets.shards.index import decode_index
from triage_assets.store import Store


class HeldFrames:
    """What the live shards of an organization hold of each sequence. Raises `ShardError`, `StoreError`."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        columns = ["sequence_id", "detection_id", "sha256", "unusable_reason"]
        self._frames = load_frames(store, key, columns).sort_by("sequence_id").combine_chunks()
        self._ids = self._frames["sequence_id"].to_numpy()

    def digests(self, sequence_id: int) -> dict[int, str]:
        """The digest of each image by detection id."""
        return self._column(sequence_id, "sha256")

    def reasons(self, sequence_id: int) -> dict[int, str]:
        """Why each of the others is unusable, by detection id."""
        return self._column(sequence_id, "unusable_reason")

    def count_new(self, shards: Iterable[str]) -> int:
        """How many of the images in shards that were written since are not among them.

        Of their own indexes: another run may have sealed what this one has read too, or have merged them already.
        """
        usable = self._frames.filter(self._frames["sha256"].is_valid())
        n_new = 0
        for shard in shards:
            path = index_path(self._key, shard)
            rows = decode_index(self._store, path, self._store.read(path), ["detection_id", "sha256"])
            rows = rows.filter(rows["sha256"].is_valid())
            n_new += int((~np.isin(rows["detection_id"].to_numpy(), usable["detection_id"].to_numpy())).sum())
        return n_new

    def _column(self, sequence_id: int, name: str) -> dict[int, str]:
        start, end = np.searchsorted(self._ids, [sequence_id, sequence_id + 1]).tolist()
        rows: pa.Table = self._frames.slice(start, end - start)
        pairs = zip(rows["detection_id"].to_pylist(), rows[name].to_pylist(), strict=True)
        return {which: value for which, value in pairs if value is not None}
