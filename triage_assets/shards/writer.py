"""Writing shards: sequences go in whole, a full shard is sealed, and the catalog is told last.

What lives here: the order in which a shard's archive, index and catalog entry come to be, so that a run killed at any
instant leaves either all of a shard or nothing that counts, and of two runs one has a sequence. What does not: which
sequences to write (`packing`).
"""

import hashlib
from collections.abc import Container
from itertools import count
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.errors import ObjectExists
from triage_assets.shards.catalog import (
    Catalog,
    ShardEntry,
    change_catalog,
    index_path,
    load_catalog,
    load_index,
    tar_path,
)
from triage_assets.shards.format import END_OF_ARCHIVE, encode_header, padded, padding
from triage_assets.shards.index import IndexBuilder, encode_index
from triage_assets.shards.meta import META_NAME, describe_sequence, encode_meta, in_order, index_rows, sequence_folder
from triage_assets.shards.records import FrameRow, PackedSequence, StoredImage
from triage_assets.store import NewObject, Store

SEAL_BYTES = 1_000_000_000
_HEADER_BYTES = len(encode_header("x", 0))


class ShardWriter:
    """Writes one organization's sequences into as few shards as ``seal_bytes`` allows.

    A shard is sealed before the sequence that would carry it over ``seal_bytes``; a sequence larger than that has a
    shard of its own. The organization must have a catalog. ``known`` are the shards that were live when it was decided
    what to write: where another run has sealed any of the same sequences since, the whole shard is dropped and its
    sequences are counted in ``n_overtaken``. Every method may raise `StoreUnwritable`.
    """

    def __init__(
        self, store: Store, organization_key: str, known: Container[str] = (), *, seal_bytes: int = SEAL_BYTES
    ) -> None:
        self.sealed: list[str] = []
        self.n_overtaken = 0
        self._known = known
        self._store = store
        self._key = organization_key
        self._seal_bytes = seal_bytes
        self._open: _OpenShard | None = None

    def add(self, sequence: PackedSequence) -> None:
        """Append a sequence."""
        meta = describe_sequence(sequence)
        meta_bytes = encode_meta(meta)
        usable = in_order(sequence.usable)
        folder = sequence_folder(sequence.row)
        buffers: list[bytes | memoryview] = []
        offsets = []
        size = 0
        members: list[tuple[str, bytes | memoryview]] = [(f"{folder}/{META_NAME}", meta_bytes)]
        members += [
            (f"{folder}/{described.file}", frame.image) for described, frame in zip(meta.frames, usable, strict=True)
        ]
        for name, content in members:
            buffers += (encode_header(name, len(content)), content, padding(len(content)))
            offsets.append(size + _HEADER_BYTES)
            size += _HEADER_BYTES + padded(len(content))

        if self._open is not None and self._open.size + size + len(END_OF_ARCHIVE) > self._seal_bytes:
            self.seal()
        shard = self._open = self._open or self._start(meta_bytes)
        images = {
            frame.detection_id: StoredImage(
                name, shard.size + offset, len(content), frame.sha256, frame.width_px, frame.height_px
            )
            for frame, (name, content), offset in zip(usable, members[1:], offsets[1:], strict=True)
        }
        rows = index_rows(meta, shard.size + offsets[0], len(meta_bytes), images)
        shard.append(buffers, size, meta_bytes, rows)

    def seal(self) -> None:
        """Make the sequences so far a live shard; nothing happens where there are none."""
        shard, self._open = self._open, None
        if shard is None:
            return
        tar, index = tar_path(self._key, shard.name), index_path(self._key, shard.name)
        try:
            # Both files stay open, and so safe from a sweep, until the catalog names them.
            with shard.tar, self._store.new_object(index) as new_index:
                shard.tar.write([END_OF_ARCHIVE])
                shard.tar.commit()
                rows = shard.rows.table()
                data = encode_index(rows, self._key, shard.name)
                new_index.write([data])
                new_index.commit()
                entry = shard.entry(rows, data)
                change_catalog(self._store, self._key, lambda now: self._with_entry(now, entry, rows))
        except ObjectExists:
            self.n_overtaken += shard.n_sequences
        except _Overtaken:
            self._store.delete(index)
            self._store.delete(tar)
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
            shard.tar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, first_meta: bytes) -> "_OpenShard":
        catalog = load_catalog(self._store, self._key)
        assert catalog is not None
        # The name follows from the content: a run that is killed and repeated writes the same shard again. Only where
        # another run is about to seal it, or died so lately that nobody knows, it is the next name.
        for attempt in count():
            content = self._key.encode() + b"\0" + first_meta + b"\0" * attempt
            name = f"{catalog.next_number:06d}-{hashlib.sha256(content).hexdigest()[:8]}"
            tar = tar_path(self._key, name)
            if self._store.size(tar) is None and self._store.size(index_path(self._key, name)) is None:
                return _OpenShard(name, self._store.new_object(tar))
        raise AssertionError

    def _with_entry(self, now: Catalog, entry: ShardEntry, rows: pa.Table) -> Catalog:
        """The catalog with a shard of ours. Raises `_Overtaken`."""
        ours = rows["sequence_id"]
        for shard in now.shards:
            if shard.name not in self._known and shard.name not in self.sealed:
                theirs = load_index(self._store, self._key, shard, ["sequence_id"])["sequence_id"]
                if pc.any(pc.is_in(ours, value_set=theirs)).as_py():
                    raise _Overtaken
        return now.with_shards([*now.shards, entry], now.dropped)


class _Overtaken(Exception):  # noqa: N818
    """Another run has sealed a sequence that is in this shard too."""


class _OpenShard:
    """An archive that is being written, and what its index and catalog entry will say."""

    def __init__(self, name: str, tar: NewObject) -> None:
        self.name = name
        self.tar = tar
        self.size = 0
        self.rows = IndexBuilder()
        self.torn = False
        self.n_sequences = 0
        self._meta_digest = hashlib.sha256()

    def append(self, buffers: list[bytes | memoryview], size: int, meta: bytes, rows: list[FrameRow]) -> None:
        self.torn = True
        self.tar.write(buffers)
        self.size += size
        self.rows.append(rows)
        self.n_sequences += 1
        self._meta_digest.update(meta)
        self.torn = False

    def entry(self, rows: pa.Table, index: bytes) -> ShardEntry:
        return make_entry(
            self.name,
            self.size + len(END_OF_ARCHIVE),
            self.n_sequences,
            rows,
            self._meta_digest.hexdigest(),
            index,
        )


def make_entry(
    name: str, tar_bytes: int, n_sequences: int, rows: pa.Table, meta_sha256: str, index: bytes
) -> ShardEntry:
    """The catalog's entry of a shard whose index has these rows and these bytes."""
    n_unusable = rows["offset"].null_count
    return ShardEntry(
        name=name,
        tar_bytes=tar_bytes,
        n_sequences=n_sequences,
        n_frames=len(rows) - n_unusable,
        n_unusable=n_unusable,
        meta_sha256=meta_sha256,
        index_sha256=hashlib.sha256(index).hexdigest(),
    )
