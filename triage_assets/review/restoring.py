"""A review database from the tables that `export` gives of another one.

What lives here: writing them into an empty database, which is then in the state that they are of. What does not: the
files that the tables come from (`triage_assets.groups.snapshot`), and what of a database they do not hold: the audit,
accounts, and who contributed to annotations.
"""

import json

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Table, delete, insert, update

from triage_assets.groups.records import DatabaseState
from triage_assets.review.bulk import insert_rows
from triage_assets.review.database import ReviewDatabase, Write
from triage_assets.review.models import ReviewSequence, ReviewState, SequenceAnnotation, SequenceGroup, WriteToken
from triage_assets.review.reviewers import reviewer_id

_sequences: Table = ReviewSequence.__table__  # type: ignore[assignment]
_groups: Table = SequenceGroup.__table__  # type: ignore[assignment]
_annotations: Table = SequenceAnnotation.__table__  # type: ignore[assignment]
_PEOPLE = ("validated_by", "labeled_by")
_WORDS = ("smoke_types", "false_positive_types")


def restore(
    review: ReviewDatabase, state: DatabaseState, *, groups: pa.Table, sequences: pa.Table, annotations: pa.Table
) -> None:
    """Fill an empty database, which takes itself for the other one in that state from then on.

    ``groups`` have the columns of `GROUPS`, and may have the extremes of their members' scores; ``sequences`` those of
    the table; ``annotations`` those of `ANNOTATIONS`. Raises `ReviewUnavailable` with its children.
    """
    with review.write() as write:
        insert_rows(write.connection, _groups, _stamp(_describe_groups(write, groups), state))
        insert_rows(write.connection, _sequences, _stamp(sequences, state))
        insert_rows(write.connection, _annotations, _stamp(_describe_annotations(annotations), state))
        write.connection.execute(update(ReviewState).values(database_id=state.database_id, revision=state.revision))
        write.connection.execute(delete(WriteToken))
        write.connection.execute(insert(WriteToken).values(revision=state.revision, token=state.token))


def _describe_groups(write: Write, groups: pa.Table) -> pa.Table:
    rows = groups.rename_columns({"group_id": "id"}).drop_columns("label_state")  # the database works that out
    for name in _PEOPLE:
        people = pc.unique(rows[name]).drop_null()
        numbers = pa.array([reviewer_id(write, person) for person in people.to_pylist()], pa.int64())
        who = numbers.take(pc.index_in(rows[name], value_set=people).combine_chunks())
        rows = rows.set_column(rows.column_names.index(name), name, who)
    return rows


def _describe_annotations(annotations: pa.Table) -> pa.Table:
    """When somebody began one is not kept: its last change stands for that."""
    rows = annotations.append_column("created_at", annotations["updated_at"])
    for name in _WORDS:
        words = pa.array([json.dumps(each) for each in rows[name].to_pylist()], pa.string())
        rows = rows.set_column(rows.column_names.index(name), name, words)
    return rows


def _stamp(rows: pa.Table, state: DatabaseState) -> pa.Table:
    return rows.append_column("revision", pa.repeat(pa.scalar(state.revision, pa.int64()), len(rows)))
