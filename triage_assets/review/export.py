"""What of the review database other stages read: groups, sequences and annotations, as tables.

What lives here: the statements, for everything or for what has changed since a revision. What does not: the files that
the tables are kept in (`triage_assets.groups.snapshot`).
"""

import json

import pyarrow as pa
from sqlalchemy import Column, Connection, Select, Table, func, select
from sqlalchemy.orm import aliased

from triage_assets.groups.records import ANNOTATIONS, GROUPS, SEQUENCES, DatabaseState, ReviewChanges
from triage_assets.review.bulk import read_rows
from triage_assets.review.models import (
    Reviewer,
    ReviewSequence,
    ReviewState,
    SequenceAnnotation,
    SequenceGroup,
    WriteToken,
)

_sequences: Table = ReviewSequence.__table__  # type: ignore[assignment]
_groups: Table = SequenceGroup.__table__  # type: ignore[assignment]
_annotations: Table = SequenceAnnotation.__table__  # type: ignore[assignment]
_WORDS = ("smoke_types", "false_positive_types")


def load_state(connection: Connection) -> DatabaseState:
    """The state that this transaction sees."""
    last = select(ReviewState.database_id, WriteToken.revision, WriteToken.token)
    row = connection.execute(last.join(WriteToken, WriteToken.revision == ReviewState.revision)).one()
    return DatabaseState(row.database_id, row.revision, row.token)


def has_been(connection: Connection, state: DatabaseState) -> bool:
    """Whether this transaction sees that state, or what its writes came to since."""
    tokens = select(WriteToken.token).join(ReviewState, ReviewState.revision >= WriteToken.revision)
    then = tokens.where(WriteToken.revision == state.revision, ReviewState.database_id == state.database_id)
    return connection.execute(then).scalar() == state.token


def load_changes(connection: Connection, since: int | None = None) -> ReviewChanges:
    """The rows that were written after revision ``since``; without one, all of them."""
    return ReviewChanges(
        state=load_state(connection),
        groups=_load_groups(connection, since),
        sequences=_load_sequences(connection, since),
        annotations=_load_annotations(connection, since),
        n_groups=_count(connection, _groups),
        n_sequences=_count(connection, _sequences),
        n_annotations=_count(connection, _annotations),
    )


def _load_groups(connection: Connection, since: int | None) -> pa.Table:
    validator, labeler = aliased(Reviewer), aliased(Reviewer)
    named = {"group_id": _groups.c.id, "validated_by": validator.name, "labeled_by": labeler.name}
    query = (
        select(*(named[name] if name in named else _groups.c[name] for name in GROUPS.names))
        .select_from(_groups)
        .outerjoin(validator, validator.id == _groups.c.validated_by)
        .outerjoin(labeler, labeler.id == _groups.c.labeled_by)
    )
    return read_rows(connection, _changed(query, _groups.c.id, since), GROUPS)


def _load_sequences(connection: Connection, since: int | None) -> pa.Table:
    query = select(*(_sequences.c["id" if name == "sequence_id" else name] for name in SEQUENCES.names))
    return read_rows(connection, _changed(query, _sequences.c.id, since), SEQUENCES)


def _load_annotations(connection: Connection, since: int | None) -> pa.Table:
    query = select(*(_annotations.c[name] for name in ANNOTATIONS.names))
    as_kept = pa.schema([pa.field(f.name, pa.string()) if f.name in _WORDS else f for f in ANNOTATIONS])
    rows = read_rows(connection, _changed(query, _annotations.c.sequence_id, since), as_kept)
    columns = [_parse_words(rows[name]) if name in _WORDS else rows[name] for name in ANNOTATIONS.names]
    return pa.table(columns, schema=ANNOTATIONS)


def _parse_words(texts: pa.ChunkedArray) -> pa.Array:
    """Lists of words from their JSON texts, of which there are few different ones."""
    encoded = texts.combine_chunks().dictionary_encode()
    words = pa.array([json.loads(text) for text in encoded.dictionary.to_pylist()], pa.list_(pa.string()))
    return words.take(encoded.indices)


def _changed(query: Select[tuple[object, ...]], key: Column[int], since: int | None) -> Select[tuple[object, ...]]:
    """What was written after a revision, in order of its key."""
    if since is None:
        return query.order_by(key)
    # In order of the key itself, SQLite would walk through the whole table rather than look up what has changed.
    return query.where(key.table.c.revision > since).order_by(key + 0)


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
