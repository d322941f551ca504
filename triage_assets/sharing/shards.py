"""Copying shards: read once, proven byte by byte on the way, and made known by the destination's catalog last.

What lives here: the order of writing, and what is done where either store changes meanwhile. What does not: which
shards are to be copied (`shard_plans`), and what makes an archive whole (`triage_assets.shards.verify`).
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

import pyarrow as pa

from triage_assets.errors import ObjectExists, ShardError, StoreError, TriageError
from triage_assets.shards.catalog import (
    Catalog,
    ShardEntry,
    change_catalog,
    index_path,
    load_catalog,
    require_catalog,
    sweep_leftovers,
    tar_path,
)
from triage_assets.shards.collection import forget_retired
from triage_assets.shards.index import decode_index
from triage_assets.shards.new_shard import shares_sequences
from triage_assets.shards.verify import find_faults
from triage_assets.sharing.records import CopyScope, SourceChanged, Tally
from triage_assets.sharing.shard_plans import ShardsPlan, plan_shards, start_lost_catalog
from triage_assets.store import NewObject, Store

_ROUNDS = 20
# Another copy of the same shard names it within seconds of its commit.
_LOOKS = 40
_PAUSE_SECONDS = 0.25


def copy_shards(source: Store, destination: Store, key: str, scope: CopyScope, tally: Tally) -> ShardsPlan:
    """Copy what `plan_shards` finds, each shard visible as it is finished; returns the last plan.

    A shard that is damaged at the source is noted in the tally, and everything else copied. Raises `SourceChanged`
    where a shard has gone from the source and its catalog, and what the stores raise.
    """
    is_cut = start_lost_catalog(source, destination, key)
    for _ in range(_ROUNDS):
        forgotten = forget_retired(destination, key, now=datetime.now(UTC))  # nobody may ever run there
        plan = plan_shards(source, destination, key, scope)
        if not (plan.missing or plan.retired or forgotten):
            return plan
        require_catalog(destination, key)
        if not is_cut:  # then the archives that no catalog names are what is adopted
            sweep_leftovers(destination, key)
        # Those that are missing were compared too: another copy of the same source may be faster with some of them.
        known = frozenset(shard.name for shard in (*plan.destination.shards, *plan.missing))
        is_whole = True
        try:
            for shard in plan.missing:
                has_remains = shard.name in plan.remains
                fault = _remove_remains(source, destination, key, shard) if has_remains else None
                fault = fault or _copy_shard(source, destination, key, shard, known, tally)
                if fault is not None:
                    _require_named(source, key, shard)
                    tally.fail(tar_path(key, shard.name), fault)
                    is_whole = False
            if plan.retired and is_whole:
                change_catalog(destination, key, _without(plan.retired, known - plan.retired))
                tally.retired += len(plan.retired)
        except _DestinationChanged:
            continue
        return plan
    raise StoreError(
        f"{destination.location} changes again and again while shards of {key} are copied into it",
        do="Run again when fewer others write there: what was finished is kept.",
    )


class _DestinationChanged(Exception):  # noqa: N818
    """Another writer has changed the destination since it was compared, so that the comparison holds no more."""


def _remove_remains(source: Store, destination: Store, key: str, shard: ShardEntry) -> TriageError | None:
    """Remove what is left of a shard, once the source is known to have all of it; returns why not, where it has not."""
    faults = find_faults(source, key, shard, source.read_range)
    if not faults:
        for path in (index_path(key, shard.name), tar_path(key, shard.name)):
            destination.delete(path)
    return faults[0] if faults else None


def _copy_shard(
    source: Store, destination: Store, key: str, shard: ShardEntry, known: frozenset[str], tally: Tally
) -> TriageError | None:
    """Copy one shard and name it in the catalog; returns why not, where its bytes are not what they should be."""
    tar, index = tar_path(key, shard.name), index_path(key, shard.name)
    with ExitStack() as files:  # they stay open, and so safe from a sweep, until the catalog names them
        is_adopted = destination.size(tar) is not None
        if not is_adopted:
            new_tar = files.enter_context(destination.new_object(tar))
            copying: _Copying | _Comparing = _Copying(source, new_tar, tally)
        else:  # of a copy that was killed before the catalog named it, or that is about to
            new_tar, copying = None, _Comparing(source, destination)
        faults = find_faults(source, key, shard, copying)
        if copying.failure is not None and source.size(tar) is not None:
            raise copying.failure
        if faults:
            return faults[0]
        try:
            if new_tar is not None:
                new_tar.commit()
            data = _read_index(source, index, shard)
            is_adopted |= not _put_index(files, destination, index, data)
        except ObjectExists as error:
            return None if _is_named_soon(destination, key, shard) else error
        rows = decode_index(source, index, data, ["sequence_id"])
        change_catalog(destination, key, _with(destination, shard, rows, known))
        # What somebody else has left was no leftover from that moment on; another run may have swept it just before.
        if is_adopted and (destination.size(tar) is None or destination.size(index) is None):
            change_catalog(destination, key, lambda now: now.without(shard.name, now))
            raise _DestinationChanged
    tally.shards += 1
    tally.frames += shard.n_frames
    return None


class _Copying:
    """Reads ranges of an archive for whoever proves it, and hands every byte on once."""

    def __init__(self, source: Store, new: NewObject, tally: Tally) -> None:
        self.failure: StoreError | None = None
        self._source = source
        self._new = new
        self._tally = tally
        self._written = 0

    def __call__(self, path: str, offset: int, size: int) -> bytes:
        try:
            data = self._source.read_range(path, offset, size)
            fresh = memoryview(data)[self._written - offset :]
            self._new.write([fresh])
        except StoreError as error:
            self.failure = error
            raise
        self._written += len(fresh)
        self._tally.add_bytes(len(fresh))
        return data


class _Comparing:
    """Reads ranges of an archive for whoever proves it, and holds what the destination has against them."""

    def __init__(self, source: Store, destination: Store) -> None:
        self.failure: StoreError | None = None
        self._source = source
        self._destination = destination

    def __call__(self, path: str, offset: int, size: int) -> bytes:
        try:
            data = self._source.read_range(path, offset, size)
            found = self._destination.read_range(path, offset, size)
        except StoreError as error:
            self.failure = error
            raise
        if found != data:
            raise ShardError(
                f"{self._destination.location}/{path} is another archive than that of {self._source.location}",
                do="If no run is under way there, delete it; then run again.",
            )
        return data


def _read_index(source: Store, path: str, shard: ShardEntry) -> bytes:
    data = source.read(path)
    if hashlib.sha256(data).hexdigest() != shard.index_sha256:  # it was proven a moment ago
        raise SourceChanged
    return data


def _put_index(files: ExitStack, destination: Store, path: str, data: bytes) -> bool:
    """Write the index, and say whether it had to be."""
    if destination.read_or_none(path) == data:
        return False
    new = files.enter_context(destination.new_object(path))
    new.write([data])
    new.commit()
    return True


def _is_named_soon(destination: Store, key: str, shard: ShardEntry) -> bool:
    """Whether another writer that has put the same shard there makes it known."""
    for _ in range(_LOOKS):
        catalog = load_catalog(destination, key)
        if catalog is not None and shard.name in {each.name for each in catalog.shards}:
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _with(destination: Store, shard: ShardEntry, rows: pa.Table, known: frozenset[str]) -> Callable[[Catalog], Catalog]:
    def change(now: Catalog) -> Catalog:
        others = [each for each in now.shards if each.name != shard.name]
        unknown = (each for each in others if each.name not in known)
        if any(shares_sequences(destination, now.organization_key, each, rows) for each in unknown):
            raise _DestinationChanged
        return now.with_shards([*others, shard], [name for name in now.dropped if name != shard.name])

    return change


def _without(retired: frozenset[str], staying: frozenset[str]) -> Callable[[Catalog], Catalog]:
    """The catalog without shards of which nothing is live beside those that are ``staying``."""

    def change(now: Catalog) -> Catalog:
        if not staying <= {each.name for each in now.shards}:
            raise _DestinationChanged
        # Who reads by the catalog as it was finds their files for the grace period, as after a compaction here.
        gone = [each for each in now.shards if each.name in retired]
        return now.with_merged(gone, None, datetime.now(UTC))

    return change


def _require_named(source: Store, key: str, shard: ShardEntry) -> None:
    """Tell damage from a shard that a compaction has replaced meanwhile. Raises `SourceChanged`."""
    catalog = load_catalog(source, key)
    if catalog is None or shard not in catalog.shards:
        raise SourceChanged
