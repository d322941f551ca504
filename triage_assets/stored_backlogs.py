"""The stored backlog of each organization with its live frames, for whoever plans scoring.

What lives here: reading both together. What does not: the files' own formats (`annotator.snapshot`, `shards.catalog`).
"""

from collections.abc import Callable, Mapping
from functools import partial

import pyarrow as pa

from triage_assets.annotator.snapshot import SNAPSHOT_SCHEMA, read_snapshot, stored_keys
from triage_assets.shards.catalog import load_frames
from triage_assets.store import Store


def load_backlogs(store: Store) -> Mapping[str, Callable[[], tuple[pa.Table, pa.Table]]]:
    """For each organization a function that reads its backlog and its live frames when they are needed."""
    return {key: partial(_load_backlog, store, key) for key in stored_keys(store)}


def _load_backlog(store: Store, key: str) -> tuple[pa.Table, pa.Table]:
    backlog = read_snapshot(store, key)
    return SNAPSHOT_SCHEMA.empty_table() if backlog is None else backlog, load_frames(store, key)
