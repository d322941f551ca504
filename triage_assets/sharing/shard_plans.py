"""What is to be copied of an organization's shards: what the destination lacks, and what it has only remains of.

What lives here: that plan, and the catalog of a destination that other means have filled and not completed. What does
not: whether two catalogs make one (`comparing`), and the copying (`shards`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.errors import ShardError
from triage_assets.shards.catalog import (
    Catalog,
    ShardEntry,
    catalog_path,
    change_catalog,
    index_path,
    load_catalog,
    load_index,
    shard_of,
    shards_folder,
    tar_path,
)
from triage_assets.sharing.comparing import compare_catalogs
from triage_assets.sharing.records import CopyScope, SourceChanged
from triage_assets.store import Store


@dataclass(frozen=True, slots=True)
class ShardsPlan:
    """What one organization needs: shards that are ``missing`` at the destination, and names of ``retired`` ones there.

    Of those missing, some have ``remains`` there, by name, that are removed first: an archive or an index that is not
    what either catalog says. ``left_out`` are missing too, and outside the scope.
    """

    source: Catalog
    destination: Catalog
    missing: tuple[ShardEntry, ...]
    retired: frozenset[str]
    remains: frozenset[str]
    left_out: int

    @property
    def n_bytes(self) -> int:
        """What the missing shards take."""
        return sum(shard.tar_bytes for shard in self.missing)

    @property
    def n_held(self) -> int:
        """How many of the source's shards, or all that is in them, the destination has."""
        return len(self.source.shards) - self.left_out - len(self.missing)


def plan_shards(source: Store, destination: Store, key: str, scope: CopyScope) -> ShardsPlan:
    """What is to be copied of one organization; nothing is changed. Raises `ShardError`, `StoreError`."""
    empty = Catalog(organization_key=key)
    ours = load_catalog(source, key) or empty
    theirs = empty if _is_lost(source, destination, key) else load_catalog(destination, key) or empty
    held = {shard.name: shard for shard in theirs.shards}
    try:
        chosen = [shard for shard in ours.shards if shard.name in held or _is_in_scope(source, key, shard, scope)]
        difference = compare_catalogs(source, ours.with_shards(chosen, ()), destination, theirs)
    except ShardError:
        if load_catalog(source, key) != ours:
            raise SourceChanged from None
        raise
    missing = {shard.name for shard in difference.missing}
    remains = _find_remains(source, destination, theirs, chosen)
    return ShardsPlan(
        source=ours,
        destination=theirs,
        missing=tuple(shard for shard in chosen if shard.name in missing or shard.name in remains & held.keys()),
        retired=frozenset(difference.retired),
        remains=remains,
        left_out=len(ours.shards) - len(chosen),
    )


def start_lost_catalog(source: Store, destination: Store, key: str) -> bool:
    """Begin the catalog of a destination that has only archives, all of them of the source; whether it had to be.

    Who copies a folder name by name copies the catalog last, and may be cut off before it, in the middle of a file.
    """
    if not _is_lost(source, destination, key):
        return False
    original = _sizes(source, key)
    for path, size in _sizes(destination, key).items():
        if shard_of(path) is not None and size != original.get(path):
            destination.delete(path)
    change_catalog(destination, key, lambda present: present)
    return True


def _is_lost(source: Store, destination: Store, key: str) -> bool:
    """Whether the destination has archives of the source, and neither a catalog nor any others."""
    if destination.size(catalog_path(key)) is not None:
        return False
    found = {shard_of(path) for path in _sizes(destination, key)} - {None}
    ours = load_catalog(source, key) if found else None
    return ours is not None and found <= {each.name for each in ours.shards} | {each.name for each in ours.retired}


def _find_remains(source: Store, destination: Store, theirs: Catalog, chosen: Sequence[ShardEntry]) -> frozenset[str]:
    """The names of chosen shards of which the destination has what cannot be read as what it should be.

    By their sizes, so that looking costs little; whether the bytes are right is for `triage shards verify` to find.
    What no catalog names may be another writer's, which is about to; it is held against the source (`shards`).
    """
    key = theirs.organization_key
    held = {shard.name: shard for shard in theirs.shards}
    present, original = _sizes(destination, key), _sizes(source, key)

    def is_damaged(shard: ShardEntry) -> bool:
        tar, index = tar_path(key, shard.name), index_path(key, shard.name)
        if shard.name not in held:
            return shard.name in theirs.dropped and tar in present
        # One that was rebuilt there may be another and as good.
        is_rebuilt = held[shard.name].index_sha256 != shard.index_sha256 or index not in original
        is_index_whole = index in present and (is_rebuilt or present[index] == original[index])
        return present.get(tar) != shard.tar_bytes or not is_index_whole

    return frozenset(shard.name for shard in chosen if is_damaged(shard))


def _sizes(store: Store, key: str) -> Mapping[str, int]:
    return {found.path: found.size_bytes for found in store.list(shards_folder(key))}


def _is_in_scope(source: Store, key: str, shard: ShardEntry, scope: CopyScope) -> bool:
    if scope.since is None:
        return True
    try:
        newest = pc.max(load_index(source, key, shard, ["recorded_at"])["recorded_at"])
    except ShardError:  # copying it says what is wrong
        return True
    return bool(pc.greater_equal(newest, pa.scalar(scope.since, newest.type)).as_py())
