"""Writing shards: sequences go in whole, a full shard is sealed, and the catalog is told last.

What lives here: the rule by which of two runs one has a sequence. What does not: which sequences to write (`packing`),
and how a shard's files come to be (`new_shard`).
"""

from collections.abc import Collection
from types import TracebackType
from typing import Self

import pyarrow as pa

from triage_assets.errors import ObjectExists
from triage_assets.shards.catalog import Catalog, ShardEntry, load_catalog
from triage_assets.shards.format import END_OF_ARCHIVE
from triage_assets.shards.meta import describe_sequence, encode_meta, in_order, index_rows, sequence_folder
from triage_assets.shards.new_shard import NewShard, Overtaken, encode_members, open_shard, shares_sequences
from triage_assets.shards.records import PackedSequence, StoredImage
from triage_assets.store import Store

SEAL_BYTES = 1_000_000_000


class ShardWriter:
    """Writes one organization's sequences into as few shards as ``seal_bytes`` allows.

    A shard is sealed before the sequence that would carry it over ``seal_bytes``; a sequence larger than that has a
    shard of its own. The organization must have a catalog. ``known`` are the shards that were live when it was decided
    what to write: where another run has sealed any of the same sequences since, the whole shard is dropped and its
    sequences are counted in ``n_overtaken``. Every method may raise `StoreUnwritable`.
    """

    def __init__(
        self, store: Store, organization_key: str, known: Collection[str] = (), *, seal_bytes: int = SEAL_BYTES
    ) -> None:
        self.sealed: list[str] = []
        self.n_overtaken = 0
        self._known = known
        self._store = store
        self._key = organization_key
        self._seal_bytes = seal_bytes
        self._open: NewShard | None = None

    def add(self, sequence: PackedSequence) -> None:
        """Append a sequence."""
        meta = describe_sequence(sequence)
        meta_bytes = encode_meta(meta)
        usable = in_order(sequence.usable)
        folder = sequence_folder(sequence.row)
        names = [described.file for described in meta.frames]
        images = zip(names, (frame.image for frame in usable), strict=True)
        members = encode_members(folder, meta_bytes, images)

        if self._open is not None and self._open.size + members.size + len(END_OF_ARCHIVE) > self._seal_bytes:
            self.seal()
        shard = self._open = self._open or self._start(meta_bytes)
        stored = {
            frame.detection_id: StoredImage(
                f"{folder}/{name}", shard.size + offset, len(frame.image), frame.sha256, frame.width_px, frame.height_px
            )
            for frame, name, offset in zip(usable, names, members.offsets[1:], strict=True)
        }
        shard.append(members, meta_bytes, index_rows(meta, shard.size + members.offsets[0], len(meta_bytes), stored))

    def seal(self) -> None:
        """Make the sequences so far a live shard; nothing happens where there are none."""
        shard, self._open = self._open, None
        if shard is None:
            return
        try:
            shard.seal(self._with_entry)
        except (ObjectExists, Overtaken):
            self.n_overtaken += shard.n_sequences
        else:
            self.sealed.append(shard.name)

    def seal_if_whole(self) -> None:
        """Seal what is finished after a failure elsewhere; drop it where the failure cut a sequence in two."""
        if self._open is not None and self._open.torn:
            self.close()
        self.seal()

    def close(self) -> None:
        """Drop what is not sealed."""
        shard, self._open = self._open, None
        if shard is not None:
            shard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, first_meta: bytes) -> NewShard:
        catalog = load_catalog(self._store, self._key)
        assert catalog is not None
        return open_shard(self._store, self._key, catalog.next_number, first_meta)

    def _with_entry(self, now: Catalog, entry: ShardEntry, rows: pa.Table) -> Catalog:
        """The catalog with a shard of ours. Raises `Overtaken`."""
        known = {*self._known, *self.sealed}
        for shard in now.shards:
            if not now.is_made_of(shard.name, known) and shares_sequences(self._store, self._key, shard, rows):
                raise Overtaken
        return now.with_shards([*now.shards, entry], now.dropped)
