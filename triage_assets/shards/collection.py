"""The end of shards that were merged into others: they stay for a while, for whoever reads by an older catalog.

What lives here: how long, and their removal. What does not: merging (`compaction`), and how leftovers are told from
what a living writer is about to name (`store.Store.sweep`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage_assets.errors import NewerFormat, ShardError
from triage_assets.shards.catalog import (
    Catalog,
    RetiredShard,
    change_catalog,
    index_path,
    live_objects,
    load_catalog,
    stored_organizations,
    sweep_leftovers,
    tar_path,
)
from triage_assets.store import Store

# Longer than any run that reads or packs by an old catalog: a million sequences take 80 hours to score on 8 cores.
GRACE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class CollectionReport:
    """What was removed: shards whose time was over, and the paths of their files and of what dead runs left behind.

    ``kept`` are those whose time is not over yet, ``faults`` says of each organization that was left alone why.
    """

    collected: tuple[RetiredShard, ...]
    removed: tuple[str, ...]
    kept: tuple[RetiredShard, ...]
    faults: Mapping[str, str]


def collect_retired(
    store: Store, organization_keys: Iterable[str] | None = None, *, now: datetime, grace: timedelta = GRACE
) -> CollectionReport:
    """Remove the shards that were merged into others at least ``grace`` ago, and what dead runs left behind.

    Raises `StoreError` where the store cannot be read or written.
    """
    keys = stored_organizations(store) if organization_keys is None else tuple(organization_keys)
    collected: list[RetiredShard] = []
    removed: list[str] = []
    kept: list[RetiredShard] = []
    faults: dict[str, str] = {}
    for key in keys:
        try:
            given_up = forget_retired(store, key, now=now, grace=grace)
            collected += given_up
            removed += _remove_files(store, key, given_up)
            removed += sweep_leftovers(store, key)
            catalog = load_catalog(store, key)
        except (ShardError, NewerFormat) as fault:
            faults[key] = str(fault)
            continue
        kept += catalog.retired if catalog else ()
    return CollectionReport(tuple(collected), tuple(removed), tuple(kept), faults)


def _remove_files(store: Store, organization_key: str, shards: Iterable[RetiredShard]) -> list[str]:
    """Remove what shards consist of that were given up by name, unless they were brought back since; the paths.

    A sweep of a bucket waits a day for a writer that may yet name what it finds. Of these it is known.
    """
    removed = []
    for shard in shards:
        for path in (index_path(organization_key, shard.name), tar_path(organization_key, shard.name)):
            catalog = load_catalog(store, organization_key)
            if catalog is not None and path not in live_objects(catalog) and store.size(path) is not None:
                store.delete(path)
                removed.append(path)
    return removed


def forget_retired(
    store: Store, organization_key: str, *, now: datetime, grace: timedelta = GRACE
) -> tuple[RetiredShard, ...]:
    """Make leftovers of the shards that were merged at least ``grace`` ago: the next sweep removes them.

    So nothing is removed that a catalog names, and who is killed in the middle has forgotten all or none. Raises
    `ShardError`, `NewerFormat` and `StoreUnwritable`.
    """
    catalog = load_catalog(store, organization_key)
    over = tuple(each for each in (catalog.retired if catalog else ()) if each.retired_at <= now - grace)
    names = {each.name for each in over}

    def forget(present: Catalog) -> Catalog:
        return present.model_copy(update={"retired": tuple(each for each in present.retired if each.name not in names)})

    if over:
        change_catalog(store, organization_key, forget)
    return over
