"""The groups of a store as a review database, for those who have the store and not the database that decides.

What lives here: when that is so, and making one from the snapshot in `groups/`, the backlog and the worklists' scores.
What does not: the rows of its tables (`review.restoring`), noticing that the store has newer groups, and showing them.

Nothing is written to the store. What the snapshot does not hold the copy does not have: the audit, and who contributed
to which annotation.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triage_assets.errors import StoreError
from triage_assets.groups.records import SEQUENCES, DatabaseState
from triage_assets.groups.snapshot import GroupsSnapshot, load_columns, load_snapshot
from triage_assets.review.database import open_review
from triage_assets.review.driver_errors import driver_errors
from triage_assets.review.restoring import restore
from triage_assets.review.watch import is_unused
from triage_assets.store import Store
from triage_assets.stored_newcomers import read_everybody
from triage_assets.worklists.records import FOLDER as WORKLISTS

RESULTS = f"{WORKLISTS}/results.parquet"
_SEEN = ("last_seen_at", "n_detections", "first_detection_id", "first_boxes")


@dataclass(frozen=True, slots=True)
class CopiedTables:
    """All rows of a copy, as `restore` takes them, and the state of the database that they are of."""

    state: DatabaseState
    groups: pa.Table
    sequences: pa.Table
    annotations: pa.Table

    @property
    def changed_at(self) -> datetime | None:
        """When the last of its groups and labels was changed, None where there is none."""
        last = [pc.max(rows["updated_at"]).as_py() for rows in (self.groups, self.annotations)]
        return max((moment for moment in last if moment is not None), default=None)


def is_for_looking(store: Store, review_url: str) -> bool:
    """Whether the store holds groups of another review database, and nobody has ever used the one at this URL.

    Raises `ReviewUnavailable` where what is at the URL cannot be used.
    """
    try:
        found = load_columns(store, "groups", ("group_id",))
    except StoreError:  # there are some; what is wrong with them is told to whoever looks
        return is_unused(review_url, None)
    return found is not None and is_unused(review_url, found[0])


def load_copied(store: Store) -> CopiedTables | None:
    """What a copy of the store's groups holds; None where nothing was ever grouped. Raises `StoreError`."""
    snapshot = load_snapshot(store)
    if snapshot is None:
        return None
    sequences = _describe_sequences(store, snapshot)
    groups = _add_extremes(snapshot.groups, sequences)
    return CopiedTables(snapshot.state, groups, sequences, snapshot.annotations)


def write_copy(path: Path, tables: CopiedTables | None) -> None:
    """Put a review database of these tables at a path, an empty one without any; who reads the one before goes on.

    Raises `ReviewUnavailable` with its children.
    """
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    with closing(open_review(f"sqlite:///{made}")) as review:
        if tables is not None:
            restore(
                review,
                tables.state,
                groups=tables.groups,
                sequences=tables.sequences,
                annotations=tables.annotations,
            )
    with driver_errors(review.engine), closing(sqlite3.connect(made)) as connection:
        # A write-ahead log belongs to a name: the file that takes this one's place would be read with it.
        connection.execute("PRAGMA journal_mode=DELETE")
    made.replace(path)


def _describe_sequences(store: Store, snapshot: GroupsSnapshot) -> pa.Table:
    """All sequences, with what the backlog knows of them; those that have left it have no frame to show."""
    known = pa.concat_tables([snapshot.members, snapshot.ungrouped], promote_options="default").select(SEQUENCES.names)
    backlog = read_everybody(store, ["id", *_SEEN])
    seen = backlog.select(_SEEN).take(pc.index_in(known["sequence_id"], value_set=backlog["id"]))
    without = {"last_seen_at": known["recorded_at"], "n_detections": 0, "first_boxes": "[]"}
    rows = known.rename_columns({"sequence_id": "id"})
    for name in _SEEN:
        column = seen[name]
        rows = rows.append_column(name, pc.coalesce(column, without[name]) if name in without else column)
    rows = rows.set_column(
        rows.column_names.index("is_group_excluded"), "is_group_excluded", rows["is_group_excluded"].fill_null(False)
    )
    return rows.append_column("score", _scores_of(store, rows["id"]))


def _scores_of(store: Store, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """The score that each sequence has in the worklists, null for none: as whoever decides sees them."""
    data = store.read_or_none(RESULTS)
    try:
        if data is None:
            raise KeyError(RESULTS)
        scores = pq.read_table(pa.BufferReader(data), columns=["sequence_id", "triage_score"])
        found = (
            scores["triage_score"]
            .cast(pa.float64())
            .take(pc.index_in(ids, value_set=scores["sequence_id"].cast(pa.int64())))
        )
    except (pa.ArrowException, OSError, ValueError, KeyError):  # who shows the worklists says what is wrong with them
        return pa.chunked_array([pa.nulls(len(ids), pa.float64())])
    return pc.if_else(pc.is_nan(found), None, found)


def _add_extremes(groups: pa.Table, sequences: pa.Table) -> pa.Table:
    """The groups with the highest and the lowest score of their members."""
    found = sequences.group_by("group_id").aggregate([("score", "max"), ("score", "min")])
    places = pc.index_in(groups["group_id"], value_set=found["group_id"])
    rows = groups.append_column("highest_score", found["score_max"].take(places))
    return rows.append_column("lowest_score", found["score_min"].take(places))
