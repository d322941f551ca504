"""Newcomers from the stored backlog: what of all organizations' snapshots is to be grouped.

What lives here: reading as little of the snapshots as that takes, in bounded memory. What does not: who is a newcomer
(`groups.newcomers`), and the snapshots' form (`annotator.snapshot`).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from triage_assets.annotator.snapshot import StoredSnapshot, stored_keys
from triage_assets.groups.boxes import Flags, Integers
from triage_assets.groups.newcomers import DETAILED, LISTED, NEWCOMERS, UNCHANGED, describe_newcomers, sight
from triage_assets.store import Store

# A row group's detections take about 1 MB as arrays; so many at once keep memory flat whatever an organization's size.
_ROW_GROUPS_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class StoredNewcomers:
    """Newcomers (`NEWCOMERS`) in order of (recorded_at, id), and the reasons of those skipped before and unchanged."""

    newcomers: pa.Table
    skipped_again: pa.ChunkedArray


def read_newcomers(store: Store, settled: Integers, skipped: pa.Table) -> StoredNewcomers:
    """Everything in the stored backlog but the ``settled`` sequences, and what was ``skipped`` and is unchanged.

    Of a sequence that was pulled twice, for two organizations, the last counts, as in the worklists. Raises
    `StoreError`, `NewerFormat`.
    """
    newcomers, unchanged = [NEWCOMERS.empty_table()], [UNCHANGED.empty_table()]
    for key in stored_keys(store):
        stored = StoredSnapshot.open(store, key)
        if stored is not None:
            sighting = sight(stored.file.read(columns=list(LISTED)), settled, skipped)
            newcomers.append(_describe(stored.file, key, sighting.is_newcomer))
            unchanged.append(sighting.unchanged)
    is_newcomer_last, is_unchanged_last = _are_last(newcomers, unchanged)
    ordered = pa.concat_tables(newcomers).filter(is_newcomer_last)
    ordered = ordered.sort_by([("recorded_at", "ascending"), ("id", "ascending")])
    return StoredNewcomers(ordered, pa.concat_tables(unchanged).filter(is_unchanged_last)["skipped_reason"])


def _describe(file: pq.ParquetFile, key: str, is_newcomer: Flags) -> pa.Table:
    """The newcomers of one organization, read some row groups at a time."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    owners = np.repeat(np.arange(len(sizes)), sizes)
    groups = np.unique(owners[is_newcomer])
    parts = [NEWCOMERS.empty_table()]
    for start in range(0, len(groups), _ROW_GROUPS_AT_ONCE):
        some = groups[start : start + _ROW_GROUPS_AT_ONCE]
        rows = file.read_row_groups(some.tolist(), columns=list(DETAILED))
        wanted = is_newcomer[np.isin(owners, some)]
        parts.append(describe_newcomers(rows if wanted.all() else rows.filter(pa.array(wanted)), key))
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
