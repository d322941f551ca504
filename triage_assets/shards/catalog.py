"""The catalog of an organization's shards, `catalog.json`: a shard that it does not list does not exist.

What lives here: reading and changing the catalog, removing what dead runs left beside it, and the live frames of all
its shards. What does not: writing shards (`writer`), or holding them against their index byte by byte (`verify`).
"""

import hashlib
import json
import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from triage_assets.errors import NewerFormat, ShardError, StoreError
from triage_assets.shards.index import INDEX_SCHEMA, decode_index
from triage_assets.store import Store, check_format_version

FORMAT_VERSION = 1
FOLDER = "shards"
FRAMES_SCHEMA = INDEX_SCHEMA.append(pa.field("shard", pa.string(), nullable=False))

_SHARD_NAME = re.compile(r"\d{6,}-[0-9a-f]{8}")
REINDEX = "Run `triage shards reindex`."


class ShardEntry(BaseModel):
    """What the catalog says of one shard; sizes in bytes, digests in hex.

    ``meta_sha256`` is the digest of the contents of all meta.json, one after the other.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    tar_bytes: int
    n_sequences: int
    n_frames: int
    n_unusable: int
    meta_sha256: str
    index_sha256: str


class RetiredShard(BaseModel):
    """A shard that is live no more, whose files stay for whoever has read an older catalog.

    ``into`` is the shard that it was merged into; None where nothing was live in it, in a copy because what holds the
    same came from the source, with or without more.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    tar_bytes: int
    into: str | None
    retired_at: AwareDatetime


class Catalog(BaseModel):
    """The live shards, oldest first, the names of those left out because they are damaged, and those merged away."""

    model_config = ConfigDict(frozen=True)

    format_version: int = FORMAT_VERSION
    organization_key: str
    shards: tuple[ShardEntry, ...] = ()
    dropped: tuple[str, ...] = ()
    retired: tuple[RetiredShard, ...] = ()

    @property
    def next_number(self) -> int:
        """The number of the next shard."""
        names = [shard.name for shard in self.shards] + list(self.dropped) + [shard.name for shard in self.retired]
        return 1 + max(map(shard_number, names), default=0)

    def with_shards(self, shards: Sequence[ShardEntry], dropped: Sequence[str]) -> Self:
        """The catalog with these live and these dropped shards in place of its own; what is live is retired no more."""
        ordered = tuple(sorted(shards, key=lambda shard: shard.name))
        live = {shard.name for shard in ordered}
        retired = tuple(each for each in self.retired if each.name not in live)
        return self.model_copy(update={"shards": ordered, "dropped": tuple(sorted(dropped)), "retired": retired})

    def with_merged(self, sources: Sequence[ShardEntry], merged: ShardEntry | None, at: datetime) -> Self:
        """The catalog with one shard, or none, in the place of those it was made of."""
        names = {source.name for source in sources}
        into = merged and merged.name
        gone = [
            RetiredShard(name=each.name, tar_bytes=each.tar_bytes, into=into, retired_at=at)
            for each in self.shards
            if each.name in names
        ]
        left = [shard for shard in self.shards if shard.name not in names]
        retired = sorted([*self.retired, *gone], key=lambda each: each.name)
        changed = self.with_shards([*left, merged] if merged else left, self.dropped)
        return changed.model_copy(update={"retired": tuple(retired)})

    def without(self, shard: str, before: Self) -> Self:
        """The catalog without a live shard, and with those again that it replaced, as they were ``before``."""
        replaced = {each.name for each in self.retired if each.into == shard}
        back = [each for each in before.shards if each.name in replaced]
        return self.with_shards([*(each for each in self.shards if each.name != shard), *back], self.dropped)

    def is_made_of(self, shard: str, known: Container[str]) -> bool:
        """Whether a shard is one of the ``known``, or was merged out of nothing but such."""
        sources = [each.name for each in self.retired if each.into == shard]
        return shard in known or (bool(sources) and all(self.is_made_of(each, known) for each in sources))


def shard_number(shard: str) -> int:
    """The number that a shard's name begins with; of two shards that hold a sequence, the higher one's is live."""
    return int(shard.partition("-")[0])


def shards_folder(organization_key: str) -> str:
    """The folder of an organization's shards in the store. Raises `StoreError` for what is no partition key."""
    if not organization_key or "/" in organization_key:
        raise StoreError("A partition key cannot be used as a folder", found=repr(organization_key))
    return f"{FOLDER}/organization={organization_key}"


def tar_path(organization_key: str, shard: str) -> str:
    """A shard's path in the store."""
    return f"{shards_folder(organization_key)}/{shard}.tar"


def index_path(organization_key: str, shard: str) -> str:
    """The path in the store of a shard's index."""
    return f"{shards_folder(organization_key)}/{shard}.parquet"


def catalog_path(organization_key: str) -> str:
    """The path in the store of an organization's catalog."""
    return f"{shards_folder(organization_key)}/catalog.json"


def shard_of(path: str) -> str | None:
    """The name of the shard that a tar or an index belongs to by its path; None for any other file."""
    stem, _, extension = path.rpartition("/")[2].rpartition(".")
    return stem if extension in ("tar", "parquet") and _SHARD_NAME.fullmatch(stem) else None


def stored_organizations(store: Store) -> tuple[str, ...]:
    """The keys of all organizations that have a folder of shards."""
    folders = {stored.path.split("/")[1] for stored in store.list(FOLDER) if stored.path.count("/") >= 2}
    return tuple(sorted(name.removeprefix("organization=") for name in folders if name.startswith("organization=")))


def encode_catalog(catalog: Catalog) -> bytes:
    """The bytes of catalog.json, the same for the same content."""
    return catalog.model_dump_json(indent=1).encode() + b"\n"


def decode_catalog(store: Store, organization_key: str, data: bytes) -> Catalog:
    """What `encode_catalog` wrote. Raises `ShardError`, and `NewerFormat`."""
    path = catalog_path(organization_key)
    try:
        content = json.loads(data)
        if isinstance(content, dict):
            check_format_version(store, path, content.get("format_version"), FORMAT_VERSION)
        catalog = Catalog.model_validate(content)
    except NewerFormat:
        raise
    except (ValueError, ValidationError, StoreError) as error:
        raise ShardError(f"{store.location}/{path} cannot be read", found=str(error), do=REINDEX) from None
    if catalog.organization_key != organization_key:
        raise ShardError(
            f"{store.location}/{path} belongs to another organization",
            found=catalog.organization_key,
            expected=organization_key,
            do="Give the folder its name back.",
        )
    return catalog


def load_catalog(store: Store, organization_key: str) -> Catalog | None:
    """The catalog, or None where nothing was ever packed. Raises `ShardError`, and `NewerFormat`.

    Packing writes an empty catalog before its first shard, so a shard without any catalog means that it was lost.
    """
    data = store.read_or_none(catalog_path(organization_key))
    if data is not None:
        return decode_catalog(store, organization_key, data)
    shards = {shard_of(stored.path) for stored in store.list(shards_folder(organization_key))} - {None}
    if shards:
        raise ShardError(
            f"{store.location}/{catalog_path(organization_key)} is missing",
            found=f"{len(shards)} shards beside it",
            do=REINDEX,
        )
    return None


def require_catalog(store: Store, organization_key: str) -> tuple[Catalog, bool]:
    """The catalog, created empty where nothing was ever packed, and whether it was."""
    catalog = load_catalog(store, organization_key)
    if catalog is not None:
        return catalog, False
    change_catalog(store, organization_key, lambda present: present)
    return Catalog(organization_key=organization_key), True


def change_catalog(store: Store, organization_key: str, change: Callable[[Catalog], Catalog]) -> None:
    """Replace the catalog, or the empty one where there is none, by ``change`` of it, atomically."""

    def change_bytes(present: bytes | None) -> bytes:
        empty = Catalog(organization_key=organization_key)
        return encode_catalog(change(empty if present is None else decode_catalog(store, organization_key, present)))

    store.update(catalog_path(organization_key), change_bytes)


@dataclass(frozen=True, slots=True)
class _Live(Container[str]):
    """The paths in a folder of shards that are no leftovers: what the catalog names, and what is none of ours."""

    names: frozenset[str]

    def __contains__(self, path: object) -> bool:
        shard = shard_of(str(path))
        return shard is None or shard in self.names


def live_objects(catalog: Catalog) -> Container[str]:
    """The paths that no sweep may remove."""
    retired = (shard.name for shard in catalog.retired)
    return _Live(frozenset([*(shard.name for shard in catalog.shards), *catalog.dropped, *retired]))


def sweep_leftovers(store: Store, organization_key: str) -> tuple[str, ...]:
    """Remove what runs that died left behind, and return the removed paths; nothing where there is no catalog."""

    def read_live() -> Container[str]:
        catalog = load_catalog(store, organization_key)
        if catalog is None:
            raise ShardError(f"{store.location}/{catalog_path(organization_key)} is gone", do=REINDEX)
        return live_objects(catalog)

    if load_catalog(store, organization_key) is None:
        return ()
    return store.sweep(shards_folder(organization_key), read_live)


def load_index(
    store: Store, organization_key: str, shard: ShardEntry, columns: Sequence[str] | None = None
) -> pa.Table:
    """A shard's index, proven to be the one that the catalog names. Raises `ShardError`, and `NewerFormat`."""
    path = index_path(organization_key, shard.name)
    data = store.read_or_none(path)
    if data is None:
        raise ShardError(f"shard {organization_key}/{shard.name}: its index {path} is missing", do=REINDEX)
    digest = hashlib.sha256(data).hexdigest()
    if digest != shard.index_sha256:
        decode_index(store, path, data, ["sequence_id"])  # a newer format is another matter than damage
        raise ShardError(
            f"shard {organization_key}/{shard.name}: its index is not the one that the catalog names",
            found=f"sha256 {digest}",
            expected=shard.index_sha256,
            do=REINDEX,
        )
    return decode_index(store, path, data, columns)


def load_frames(
    store: Store, organization_key: str, columns: Sequence[str] | None = None, *, catalog: Catalog | None = None
) -> pa.Table:
    """The index rows of all live frames, and the ``shard`` that holds each; empty where nothing was ever packed.

    Columns are those of `FRAMES_SCHEMA`, or the named ones and ``shard``. Of a sequence that several shards hold, the
    newest shard's rows are live. Rows are by shard, then as in its index. With ``catalog`` it is the one that was read
    before. Raises `ShardError`, and `NewerFormat`.
    """
    found = find_frames(store, organization_key, columns, catalog=catalog)
    for fault in found.damaged.values():
        raise fault
    return found.rows


@dataclass(frozen=True, slots=True)
class FoundFrames:
    """What can be found of an organization's frames: the rows of `load_frames`, but for those in ``damaged`` shards.

    ``damaged`` says of each shard whose index cannot be read, by name, what is wrong. Which sequences it holds is not
    known: it may have newer rows of those in ``rows``, and all those of others.
    """

    rows: pa.Table
    damaged: Mapping[str, ShardError]


def find_frames(
    store: Store, organization_key: str, columns: Sequence[str] | None = None, *, catalog: Catalog | None = None
) -> FoundFrames:
    """What `load_frames` finds, also where some indexes cannot be read.

    Raises `ShardError` for a catalog that cannot, and `NewerFormat`.
    """
    wanted = [name for name in columns if name != "shard"] if columns is not None else INDEX_SCHEMA.names
    schema = pa.schema([FRAMES_SCHEMA.field(name) for name in [*wanted, "shard"]])
    catalog = catalog or load_catalog(store, organization_key)
    read = list(dict.fromkeys([*wanted, "sequence_id"]))
    parts: dict[str, pa.Table] = {}
    damaged: dict[str, ShardError] = {}
    for shard in catalog.shards if catalog else ():
        try:
            parts[shard.name] = load_index(store, organization_key, shard, read)
        except ShardError as fault:
            damaged[shard.name] = fault
    rows = live_rows(parts).select(schema.names).cast(schema) if parts else schema.empty_table()
    return FoundFrames(rows, damaged)


def live_rows(indexes: Mapping[str, pa.Table]) -> pa.Table:
    """The rows of these shards' indexes that are live, and the ``shard`` of each; the indexes are by name, in order.

    They have at least the column sequence_id, and there is at least one.
    """
    shard_of_row = np.repeat(np.arange(len(indexes), dtype=np.int32), [len(index) for index in indexes.values()])
    table = pa.concat_tables(list(indexes.values()))
    live = _newest(table["sequence_id"].to_numpy(), shard_of_row)
    table = table.append_column("shard", pa.array(list(indexes), pa.string()).take(pa.array(shard_of_row)))
    return table if live.all() else table.filter(pa.array(live))


def _newest(sequence_ids: NDArray[np.int64], shard_of_row: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Per row, whether its shard is the newest (of the highest number) that holds its sequence."""
    _, position = np.unique(sequence_ids, return_inverse=True)
    newest = np.full(position.max(initial=-1) + 1, -1, np.int32)
    np.maximum.at(newest, position, shard_of_row)
    return np.equal(newest[position], shard_of_row)
