"""One shard while it comes to be: archive, index and catalog entry, in the order that survives a kill.

What lives here: the naming of a shard, the encoding of its members, and its sealing, so that a process killed at any
instant leaves either all of a shard or nothing that counts. What does not: which sequences go into it (`writer`,
`compaction`).
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, count

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.shards.catalog import Catalog, ShardEntry, change_catalog, index_path, load_index, tar_path
from triage_assets.shards.format import END_OF_ARCHIVE, encode_header, padded, padding
from triage_assets.shards.index import IndexBuilder, encode_index
from triage_assets.shards.meta import META_NAME
from triage_assets.shards.records import FrameRow
from triage_assets.store import NewObject, Store

_HEADER_BYTES = len(encode_header("x", 0))
_NAMES = 2**32
_NAMES_AFTER = 2**24  # so that hundreds can follow one another


class Overtaken(Exception):  # noqa: N818
    """Another process has changed the catalog so that a shard has no place in it."""


@dataclass(frozen=True, slots=True)
class Members:
    """A sequence as an archive holds it: ``offsets`` are those of the contents, from where the sequence begins."""

    buffers: tuple[bytes | memoryview, ...]
    offsets: tuple[int, ...]
    size: int


def encode_members(folder: str, meta: bytes, images: Iterable[tuple[str, bytes | memoryview]]) -> Members:
    """The members of a sequence: its meta.json, then each image with its path below the sequence's folder."""
    buffers: list[bytes | memoryview] = []
    offsets = []
    size = 0
    for name, content in chain([(META_NAME, meta)], images):
        buffers += (encode_header(f"{folder}/{name}", len(content)), content, padding(len(content)))
        offsets.append(size + _HEADER_BYTES)
        size += _HEADER_BYTES + padded(len(content))
    return Members(tuple(buffers), tuple(offsets), size)


def open_shard(
    store: Store, organization_key: str, number: int, content: bytes, *, after: str | None = None
) -> "NewShard":
    """A new shard of this number, whose name follows from ``content``. Raises `StoreUnwritable`.

    So a run that is killed and repeated writes the same shard again. Only where another run is about to seal it, or
    died so lately that nobody knows, it is the next name. The name sorts behind that of ``after``, of the same number.
    """
    first = 0 if after is None else 1 + int(after.rpartition("-")[2], 16)
    span = min(_NAMES - first, _NAMES if after is None else _NAMES_AFTER)
    for attempt in count():
        digest = hashlib.sha256(organization_key.encode() + b"\0" + content + b"\0" * attempt).digest()
        name = f"{number:06d}-{first + int.from_bytes(digest[:4]) % span:08x}"
        tar = tar_path(organization_key, name)
        if store.size(tar) is None and store.size(index_path(organization_key, name)) is None:
            return NewShard(store, organization_key, name, store.new_object(tar))
    raise AssertionError


class NewShard:
    """A shard that is being written; whoever opens it ends it with `seal` or `close`."""

    def __init__(self, store: Store, organization_key: str, name: str, tar: NewObject) -> None:
        self.name = name
        self.size = 0
        self.torn = False
        self.n_sequences = 0
        self._store = store
        self._key = organization_key
        self._tar = tar
        self._rows = IndexBuilder()
        self._meta_digest = hashlib.sha256()

    def append(self, members: Members, meta: bytes, rows: list[FrameRow]) -> None:
        """Write a sequence at the present end, ``rows`` being those of the index. Raises `StoreUnwritable`."""
        self.torn = True
        self._tar.write(members.buffers)
        self.size += members.size
        self._rows.append(rows)
        self.n_sequences += 1
        self._meta_digest.update(meta)
        self.torn = False

    def seal(self, change: Callable[[Catalog, ShardEntry, pa.Table], Catalog]) -> ShardEntry:
        """Make the shard durable, and live by ``change`` of the catalog, which gets its entry and its rows.

        Raises `Overtaken` where that does, or where the files were swept before the catalog named them, as they are in
        a bucket after a day: then nothing is left of the shard. Raises `ObjectExists` where another process has written
        the same shard, and `StoreUnwritable`.
        """
        tar, index = tar_path(self._key, self.name), index_path(self._key, self.name)
        before = Catalog(organization_key=self._key)

        def add(now: Catalog) -> Catalog:
            nonlocal before
            before = now
            return change(now, entry, rows)

        try:
            # Both files stay open, and so safe from a sweep, until the catalog names them.
            with self._tar, self._store.new_object(index) as new_index:
                self._tar.write([END_OF_ARCHIVE])
                self._tar.commit()
                rows = self._rows.table()
                data = encode_index(rows, self._key, self.name)
                new_index.write([data])
                new_index.commit()
                tar_bytes, digest = self.size + len(END_OF_ARCHIVE), self._meta_digest.hexdigest()
                entry = make_entry(self.name, tar_bytes, self.n_sequences, rows, digest, data)
                change_catalog(self._store, self._key, add)
                if self._store.size(tar) is None or self._store.size(index) is None:
                    change_catalog(self._store, self._key, lambda now: now.without(self.name, before))
                    raise Overtaken
        except Overtaken:
            self._store.delete(index)
            self._store.delete(tar)
            raise
        return entry

    def close(self) -> None:
        """Drop what is not sealed."""
        self._tar.close()


def shares_sequences(store: Store, organization_key: str, shard: ShardEntry, rows: pa.Table) -> bool:
    """Whether a live shard holds any of the sequences of these index rows. Raises `ShardError`, and `NewerFormat`."""
    theirs = load_index(store, organization_key, shard, ["sequence_id"])["sequence_id"]
    return bool(pc.any(pc.is_in(rows["sequence_id"], value_set=theirs)).as_py())


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
