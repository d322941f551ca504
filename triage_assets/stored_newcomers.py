"""Newcomers from the stored backlog: what of all organizations' snapshots is to be grouped.

What lives here: reading as little of the snapshots as that takes, in bounded memory. What does not: who is a newcomer
(`groups.newcomers`), and the snapshots' form (`annotator.snapshot`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triage_assets.annotator.snapshot import StoredSnapshot, stored_keys
from triage_assets.groups.boxes import Flags, Integers
from triage_assets.groups.newcomers import DETAILED, LISTED, NEWCOMERS, UNCHANGED, describe_newcomers, sight
from triage_assets.store import Store

# A row group's detections take about 1 MB as arrays; so many at once keep memory flat whatever an organization's size.
_ROW_GROUPS_AT_ONCE = 40
_NOBODY = np.empty(0, np.int64)
MOVED = pa.schema([("id", pa.int64()), ("organization_key", pa.string())])


@dataclass(frozen=True, slots=True)
class StoredNewcomers:
    """Newcomers (`NEWCOMERS`) in order of (recorded_at, id), and the reasons of those skipped before and unchanged.

    ``moved`` are the sequences known under another organization's key, and the key that they are under now (`MOVED`).
    """

    newcomers: pa.Table
    skipped_again: pa.ChunkedArray
    moved: pa.Table


def read_newcomers(
    store: Store, settled: Integers, skipped: pa.Table, by_organization: Mapping[str, Integers]
) -> StoredNewcomers:
    """Everything in the stored backlog but the ``settled`` sequences, and what was ``skipped`` and is unchanged.

    ``by_organization`` are the ids of all that are known, settled or skipped, by the key that they are known under.

    Of a sequence that was pulled twice, for two organizations, the last counts, as in the worklists. Raises
    `StoreError`, `NewerFormat`.
    """
    newcomers, unchanged, moved = [NEWCOMERS.empty_table()], [UNCHANGED.empty_table()], MOVED.empty_table()
    for key in stored_keys(store):
        stored = StoredSnapshot.open(store, key)
        if stored is not None:
            listed = stored.file.read(columns=list(LISTED))
            sighting = sight(listed, settled, skipped, by_organization.get(key, _NOBODY))
            moved = _move(moved, listed["sequence_id"], sighting.moved_ids, key)
            newcomers.append(_describe(stored.file, key, sighting.is_newcomer))
            unchanged.append(sighting.unchanged)
    is_newcomer_last, is_unchanged_last = _are_last(newcomers, unchanged)
    ordered = pa.concat_tables(newcomers).filter(is_newcomer_last)
    ordered = ordered.sort_by([("recorded_at", "ascending"), ("id", "ascending")])
    skipped_again = pa.concat_tables(unchanged).filter(is_unchanged_last)["skipped_reason"]
    return StoredNewcomers(ordered, skipped_again, moved)


def read_everybody(store: Store, columns: Sequence[str]) -> pa.Table:
    """These columns of `NEWCOMERS` for all of the stored backlog, whoever is in a group by now.

    Of a sequence that was pulled twice, for two organizations, the last is first. Raises `StoreError`, `NewerFormat`.
    """
    parts = [NEWCOMERS.empty_table().select(columns)]
    for key in reversed(stored_keys(store)):
        stored = StoredSnapshot.open(store, key)
        if stored is not None:
            parts.append(_describe(stored.file, key, np.ones(stored.file.metadata.num_rows, np.bool_), columns))
    return pa.concat_tables(parts)


def _move(moved: pa.Table, listed_ids: pa.ChunkedArray, moved_ids: Integers, key: str) -> pa.Table:
    """Who has moved so far, whatever organizations before this one say of the sequences that this one lists."""
    others = moved.filter(pc.invert(pc.is_in(moved["id"], value_set=listed_ids))) if len(moved) else moved
    here = pa.table([pa.array(moved_ids), pa.repeat(key, len(moved_ids))], schema=MOVED)
    return pa.concat_tables([others, here])


def _describe(
    file: pq.ParquetFile, key: str, is_newcomer: Flags, columns: Sequence[str] = tuple(NEWCOMERS.names)
) -> pa.Table:
    """The newcomers of one organization, read some row groups at a time."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    owners = np.repeat(np.arange(len(sizes)), sizes)
    groups = np.unique(owners[is_newcomer])
    parts = [NEWCOMERS.empty_table().select(columns)]
    for start in range(0, len(groups), _ROW_GROUPS_AT_ONCE):
        some = groups[start : start + _ROW_GROUPS_AT_ONCE]
        rows = file.read_row_groups(some.tolist(), columns=list(DETAILED))
        wanted = is_newcomer[np.isin(owners, some)]
        described = describe_newcomers(rows if wanted.all() else rows.filter(pa.array(wanted)), key)
        parts.append(described.select(columns))
    return pa.concat_tables(parts)


def _are_last(newcomers: list[pa.Table], unchanged: list[pa.Table]) -> tuple[pa.Array, pa.Array]:
    """Which rows are the last of their sequence, the tables being by turns of the same organizations."""
    ids = np.concatenate([table["id"].to_numpy() for table in (*newcomers, *unchanged)])
    sizes = [len(table) for table in (*newcomers, *unchanged)]
    turns = np.repeat(np.tile(np.arange(len(newcomers)), 2), sizes)
    order = np.lexsort((turns, ids))
    is_last = np.ones(len(ids), np.bool_)
    is_last[order[:-1]] = ids[order][1:] != ids[order][:-1]
    n_newcomers = sum(sizes[: len(newcomers)])
    return pa.array(is_last[:n_newcomers]), pa.array(is_last[n_newcomers:])
