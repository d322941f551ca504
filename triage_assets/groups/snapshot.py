"""The snapshot of the review database in the store: four Parquet files that other stages read.

What lives here: their form, reading them as of one revision, and bringing them from one revision to a later one. What
does not: where the rows come from (`triage_assets.review.export`).

Each file names the database and the state of it that it is of (revision and token), and files that differ in them are
never read together. The same state gives the same bytes, whether it was reached in one step or in many.
"""

import hashlib
import io
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triage_assets.errors import NewerFormat, ReviewMismatch, StoreError
from triage_assets.groups.records import (
    ANNOTATIONS,
    FOLDER,
    GROUPS,
    MEMBERS,
    UNGROUPED,
    DatabaseState,
    ReviewChanges,
)
from triage_assets.review.records import COPIED_ORIGINS, COPIED_STAGE, LabelState
from triage_assets.store import Store, check_format_version, write_together

_logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
_SCHEMAS = {"groups": GROUPS, "members": MEMBERS, "ungrouped": UNGROUPED, "annotations": ANNOTATIONS}
SnapshotTable = Literal["groups", "members", "ungrouped", "annotations"]
_ROWS_PER_GROUP = 100_000
_REPEATED = ("camera_id", "azimuth")  # numbers whose dictionary is worth building; ids and times come once each
_MOST_PIECES = 4_096
# A writer replaces the four files one after the other, which takes a second at a million sequences.
_ATTEMPTS = 12
_PAUSE_SECONDS = 0.25
_REMEDY = "Materialize sequence_groups: the files are made anew from the review database."


@dataclass(frozen=True, slots=True)
class GroupsSnapshot:
    """The review database in one state, each table in order of its first column.

    ``members`` are the sequences in a group, ``ungrouped`` those that are excluded, skipped, or not placed yet.
    """

    state: DatabaseState
    groups: pa.Table
    members: pa.Table
    ungrouped: pa.Table
    annotations: pa.Table

    def standing_annotations(self) -> pa.Table:
        """The annotations that speak for their sequences.

        A label that was copied from a group is no word about a sequence that a person has taken out of that group
        since; it counts again when the sequence is re-included.
        """
        is_copied = pc.and_(
            pc.equal(self.annotations["stage"], COPIED_STAGE),
            pc.is_in(self.annotations["origin"], pa.array(sorted(COPIED_ORIGINS))),
        )
        excluded = self.ungrouped["sequence_id"].filter(self.ungrouped["is_group_excluded"])
        is_out = pc.is_in(self.annotations["sequence_id"], value_set=excluded)
        return self.annotations.filter(pc.invert(pc.and_(is_copied, is_out)))


@dataclass(frozen=True, slots=True)
class StoredGroups:
    """The snapshot that the store has, and the digest of its files."""

    snapshot: GroupsSnapshot
    data_version: str


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """The stored snapshot as it is now, whether it had to be written, and a digest of its files."""

    snapshot: GroupsSnapshot
    has_changed: bool
    data_version: str


def load_snapshot(store: Store) -> GroupsSnapshot | None:
    """The snapshot, None where none was ever written.

    Raises `StoreError` where files are missing, damaged, or stay of different revisions, and `NewerFormat`.
    """
    stored = _open(store, _ATTEMPTS)
    return None if stored is None else stored.snapshot


def load_columns(store: Store, name: SnapshotTable, columns: Sequence[str]) -> tuple[DatabaseState, pa.Table] | None:
    """These columns of one table alone, and the state that they are of; None where it was never written.

    Raises `StoreError` for a damaged file, and `NewerFormat`.
    """
    data = store.read_or_none(_path(name))
    if data is None:
        return None
    state = _read_stamp(store, name, data)
    try:
        return state, pq.read_table(pa.BufferReader(data), columns=list(columns))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(store, name, error) from None


def open_if_readable(store: Store) -> StoredGroups | None:
    """What the store has, None where there is nothing, or nothing to build upon. Raises `NewerFormat`."""
    try:
        return _open(store, attempts=1)
    except NewerFormat:
        raise
    except StoreError as error:
        _logger.warning("%s", error)
        return None


def require_same_database(store: Store, state: DatabaseState) -> None:
    """Refuse to write over what people decided in another database, also where only a part of its files is readable.

    Raises `ReviewMismatch`, `NewerFormat`, `StoreError` where the files cannot be read at all.
    """
    for name in _SCHEMAS:
        data = store.read_or_none(_path(name))
        try:
            stamp = None if data is None else _read_stamp(store, name, data)
            is_other = stamp is not None and stamp.database_id != state.database_id
            if data is None or stamp is None or not is_other or not _has_decisions(name, _decode(store, name, data)):
                continue
        except NewerFormat:
            raise
        except StoreError:  # damaged: nothing to lose in it
            continue
        raise ReviewMismatch(
            f"The review database is not the one whose decisions {store.location}/{FOLDER} holds",
            found=f"the database {state.database_id} at revision {state.revision}",
            expected=f"the database {stamp.database_id} at revision {stamp.revision} or later",
            do="Correct TRIAGE_REVIEW_DB; or, to take this database for good, delete the folder "
            f"{FOLDER} of the store.",
        )


def _has_decisions(name: str, table: pa.Table) -> bool:
    """Whether a table of the snapshot holds anything that somebody decided."""
    if name == "groups":
        is_decided = pc.or_(table["is_validated"], pc.not_equal(table["label_state"], LabelState.UNLABELED))
        return bool(pc.any(is_decided).as_py())
    if name == "ungrouped":
        return bool(pc.any(table["is_group_excluded"]).as_py())
    return name == "annotations" and len(table) > 0


def advance(stored: GroupsSnapshot | None, changes: ReviewChanges) -> GroupsSnapshot:
    """The snapshot in the state of the changes, which are those since ``stored``, or everything without it."""
    is_member = pc.is_valid(changes.sequences["group_id"])
    changed = {
        "groups": changes.groups,
        "members": changes.sequences.filter(is_member).select(MEMBERS.names),
        "ungrouped": changes.sequences.filter(pc.invert(is_member)).select(UNGROUPED.names),
        "annotations": changes.annotations,
    }
    if stored is not None:
        written = {"groups": changes.groups["group_id"], "annotations": changes.annotations["sequence_id"]}
        changed = {
            name: _replace(getattr(stored, name), rows, written.get(name, changes.sequences["sequence_id"]))
            for name, rows in changed.items()
        }
    return GroupsSnapshot(changes.state, **changed)


def is_complete(snapshot: GroupsSnapshot, changes: ReviewChanges) -> bool:
    """Whether the tables have as many rows as the database: changes do not tell of rows that were deleted."""
    n_sequences = len(snapshot.members) + len(snapshot.ungrouped)
    found = (len(snapshot.groups), n_sequences, len(snapshot.annotations))
    return found == (changes.n_groups, changes.n_sequences, changes.n_annotations)


def store_snapshot(store: Store, snapshot: GroupsSnapshot) -> str:
    """Write the files, and give the digest of them. Raises `StoreUnwritable`."""
    store.sweep_unfinished(FOLDER)
    stamp = {
        "format_version": str(FORMAT_VERSION),
        "database_id": snapshot.state.database_id,
        "revision": str(snapshot.state.revision),
        "token": snapshot.state.token,
    }
    files = {name: _encode(getattr(snapshot, name), schema.with_metadata(stamp)) for name, schema in _SCHEMAS.items()}

    def write() -> bool:
        for name, data in files.items():
            store.write(_path(name), data)
        return True

    write_together(store, FOLDER, write, lambda: _is_whole(store))
    return _digest(files)


def _is_whole(store: Store) -> bool:
    return len({_read_stamp(store, name, store.read(_path(name))) for name in _SCHEMAS}) == 1


def _open(store: Store, attempts: int) -> StoredGroups | None:
    for attempt in range(attempts):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
        found = {name: store.read_or_none(_path(name)) for name in _SCHEMAS}
        files = {name: data for name, data in found.items() if data is not None}
        if not files:
            return None
        stamps = {name: _read_stamp(store, name, data) for name, data in files.items()}
        if len(files) == len(_SCHEMAS) and len(set(stamps.values())) == 1:
            tables = {name: _decode(store, name, data) for name, data in files.items()}
            return StoredGroups(GroupsSnapshot(stamps["groups"], **tables), _digest(files))
    raise StoreError(
        f"The files in {store.location}/{FOLDER} are not all of one revision",
        found=", ".join(f"{name} {stamps[name].revision if name in stamps else 'missing'}" for name in _SCHEMAS),
        do=_REMEDY,
    )


def _replace(rows: pa.Table, newer: pa.Table, written: pa.ChunkedArray) -> pa.Table:
    """The rows without those that were written, and the newer ones, in order of the first column."""
    if not len(written):
        return rows
    key = rows.column_names[0]
    is_written = pc.is_in(rows[key], value_set=written).to_numpy()
    together = pa.concat_tables([rows, newer])
    ids = together[key].to_numpy()
    order = np.argsort(ids, kind="stable")
    order = order[~np.append(is_written, np.zeros(len(newer), np.bool_))[order]]
    starts = np.flatnonzero(np.diff(order, prepend=-2) != 1)
    if len(starts) > _MOST_PIECES:
        return together.take(order)
    # Few changes leave long stretches of rows as they are, which one copy takes over three times as fast.
    sizes = np.diff(starts, append=len(order))
    pieces = [together.slice(*piece) for piece in zip(order[starts].tolist(), sizes.tolist(), strict=True)]
    return pa.concat_tables([rows.slice(0, 0), *pieces]).combine_chunks()


def _encode(table: pa.Table, schema: pa.Schema) -> bytes:
    buffer = io.BytesIO()
    # In one chunk: where a table was put together would show in its pages.
    whole = table.combine_chunks().replace_schema_metadata(schema.metadata)
    repeated = [field.name for field in schema if field.name in _REPEATED or field.type == pa.string()]
    pq.write_table(whole, buffer, compression="zstd", row_group_size=_ROWS_PER_GROUP, use_dictionary=repeated)
    return buffer.getvalue()


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in _SCHEMAS:
        digest.update(hashlib.sha256(files[name]).digest())
    return digest.hexdigest()


def _decode(store: Store, name: str, data: bytes) -> pa.Table:
    try:
        return pq.read_table(pa.BufferReader(data)).replace_schema_metadata(None).cast(_SCHEMAS[name])
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(store, name, error) from None


def _read_stamp(store: Store, name: str, data: bytes) -> DatabaseState:
    """The database and the state of it that a file is of. Raises `StoreError`, `NewerFormat`."""
    try:
        metadata = pq.read_schema(pa.BufferReader(data)).metadata or {}
        version = metadata.get(b"format_version", b"")
        check_format_version(store, _path(name), int(version) if version.isdigit() else None, FORMAT_VERSION)
        identity, token = metadata[b"database_id"].decode(), metadata[b"token"].decode()
        return DatabaseState(identity, int(metadata[b"revision"]), token)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise _damaged(store, name, error) from None


def _damaged(store: Store, name: str, error: Exception) -> StoreError:
    return StoreError(
        f"{store.location}/{_path(name)} cannot be read",
        found=str(error).splitlines()[0][:200] if str(error) else type(error).__name__,
        expected="a Parquet file of this project",
        do=_REMEDY,
    )


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.parquet"
