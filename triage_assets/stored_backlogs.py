"""The stored backlog of each organization with its live frames, for whoever plans scoring, copies or exports.

What lives here: reading both together, and which organizations are meant by a name. What does not: the files' own
formats (`annotator.snapshot`, `shards.catalog`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import pyarrow as pa

from triage_assets.annotator.records import slugify
from triage_assets.annotator.snapshot import SNAPSHOT_SCHEMA, StoredSnapshot, read_snapshot, stored_keys
from triage_assets.errors import StoreError
from triage_assets.shards.catalog import load_frames
from triage_assets.store import Store


def load_backlogs(store: Store) -> Mapping[str, Callable[[], tuple[pa.Table, pa.Table]]]:
    """For each organization a function that reads its backlog and its live frames when they are needed."""
    return {key: partial(_load_backlog, store, key) for key in stored_keys(store)}


def _load_backlog(store: Store, key: str) -> tuple[pa.Table, pa.Table]:
    backlog = read_snapshot(store, key)
    return SNAPSHOT_SCHEMA.empty_table() if backlog is None else backlog, load_frames(store, key)


def select_organizations(store: Store, names: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The keys among the ``known`` that are named, each by itself or by any spelling of the organization's name.

    All where none is named. Raises `StoreError` for a name that means none of them.
    """
    if not names:
        return tuple(sorted(known))
    chosen: set[str] = set()
    for name in names:
        found = [key for key in known if key == name or _is_spelled(store, key, name)]
        if not found:
            raise StoreError(
                f"{store.location} has no such organization",
                found=repr(name),
                expected="one of " + ", ".join(sorted(known)),
                do="Give --organization a key of this list, or the name that it was made of.",
            )
        chosen.update(found)
    return tuple(sorted(chosen))


def _is_spelled(store: Store, key: str, name: str) -> bool:
    if slug := slugify(name):
        return key.rpartition("-")[0] == slug
    # A key has no trace of a name without any ASCII letter or digit.
    stored = StoredSnapshot.open(store, key)
    return stored is not None and stored.organization.name == name
