"""What an assignment reads from the review database, and what it writes.

What lives here: which sequences are known and where they stand, the groups of given camera angles, new rows, and the
audit of what was done. What does not: who joins what (`triage_assets.groups`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, Double, Table, and_, column, func, insert, select, update, values

from triage_assets.review.bulk import in_pieces, insert_rows, read_ids, read_ids_by, read_rows, update_rows
from triage_assets.review.database import Write
from triage_assets.review.models import DecisionRow, ReviewSequence, ReviewState, SequenceAnnotation, SequenceGroup
from triage_assets.review.records import Action, FalsePositiveType, Label, SmokeType, Stage
from triage_assets.review.reviewers import reviewer_id

_MOMENT = pa.timestamp("us", "UTC")
_UNGROUPED = pa.schema(
    [
        ("id", pa.int64()),
        ("is_group_excluded", pa.bool_()),
        ("skipped_reason", pa.string()),
        ("last_seen_at", _MOMENT),
        ("n_detections", pa.int32()),
        ("camera_id", pa.int64()),
        ("azimuth", pa.int64()),
    ]
)
_GROUPS = pa.schema(
    [
        ("id", pa.int64()),
        ("camera_id", pa.int64()),
        ("azimuth", pa.int64()),
        ("x1", pa.float64()),
        ("y1", pa.float64()),
        ("x2", pa.float64()),
        ("y2", pa.float64()),
    ]
)
_VIEWS_AT_ONCE = 1_000
_VIEW = (
    column("camera_id", BigInteger),
    column("azimuth", BigInteger),
    *(column(name, Double) for name in ("x1", "y1", "x2", "y2")),
)
_CORNERS = ((("x1", "y1"), -np.inf), (("x2", "y2"), np.inf))
_sequences: Table = ReviewSequence.__table__  # type: ignore[assignment]
_groups: Table = SequenceGroup.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class KnownSequences:
    """Where sequences stood at one revision.

    ``settled`` are the ids, in order, of those in a group or excluded; ``waiting`` are the others, with why they were
    skipped (null where they were in a group once) and the content that they had then. ``by_organization`` are the ids
    of all, in order, by the key of their organization. ``annotator`` is whose ids they are, None while nobody has said.
    """

    revision: int
    annotator: str | None
    settled: NDArray[np.int64]
    waiting: pa.Table
    by_organization: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class GroupLabel:
    """What people said that a group is, and whether they are sure."""

    label: Label
    is_unsure: bool


def load_known(connection: Connection) -> KnownSequences:
    """Where every sequence stands that the database knows."""
    by_organization = read_ids_by(connection, _sequences.c.organization_key, _sequences.c.id)
    columns = [_sequences.c[name] for name in _UNGROUPED.names]
    ungrouped = read_rows(connection, select(*columns).where(_sequences.c.group_id.is_(None)), _UNGROUPED)
    waiting = ungrouped.filter(pc.invert(ungrouped["is_group_excluded"]))
    everyone = np.concatenate([np.empty(0, np.int64), *by_organization.values()])
    state = connection.execute(select(ReviewState.revision, ReviewState.annotator)).one()
    return KnownSequences(
        revision=state.revision,
        annotator=state.annotator,
        settled=np.sort(everyone[~np.isin(everyone, waiting["id"].to_numpy())]),
        waiting=waiting,
        by_organization=by_organization,
    )


def load_revision(connection: Connection) -> int:
    """The number of the last write that this transaction sees."""
    return connection.execute(select(ReviewState.revision)).scalar_one()


def load_settled_since(connection: Connection, revision: int) -> NDArray[np.int64]:
    """The sequences that were written after a revision and are in a group or excluded now."""
    is_settled = _sequences.c.group_id.is_not(None) | _sequences.c.is_group_excluded
    return read_ids(connection, select(_sequences.c.id).where(_sequences.c.revision > revision, is_settled))


def load_groups(connection: Connection, views: pa.Table, *, with_validated: bool) -> pa.Table:
    """The groups that share some area with these views, oldest first; the validated ones among them if wanted.

    A view is a camera angle and a box on it (camera_id, azimuth, x1, y1, x2, y2); there is at most one of each angle.
    """
    # Numbers may lose their last bit on their way through a statement's text.
    low, high = ([np.nextafter(views[name].to_numpy(), end) for name in names] for names, end in _CORNERS)
    columns = [views["camera_id"].to_pylist(), views["azimuth"].to_pylist(), *(each.tolist() for each in low + high)]
    rows = list(zip(*columns, strict=True))
    pieces = []
    for start in range(0, len(rows), _VIEWS_AT_ONCE):
        view = values(*_VIEW, name="view").data(rows[start : start + _VIEWS_AT_ONCE]).cte("views")
        is_seen = and_(
            *(_groups.c[name] == view.c[name] for name in ("camera_id", "azimuth")),
            *(_groups.c[low] < view.c[high] for low, high in (("x1", "x2"), ("y1", "y2"))),
            *(_groups.c[high] > view.c[low] for low, high in (("x1", "x2"), ("y1", "y2"))),
        )
        query = select(*(_groups.c[name] for name in _GROUPS.names)).join(view, is_seen)
        pieces.append(read_rows(connection, query if with_validated else query.where(~_groups.c.is_validated), _GROUPS))
    return pa.concat_tables([_GROUPS.empty_table(), *pieces]).sort_by("id")


def load_labels(connection: Connection, group_ids: Sequence[int]) -> dict[int, GroupLabel]:
    """The labels of these groups, by id; those that have none are absent."""
    found: dict[int, GroupLabel] = {}
    columns = (_groups.c.id, _groups.c.smoke_type, _groups.c.false_positive_type, _groups.c.is_unsure)
    labelled = select(*columns).where(_groups.c.labeled_at.is_not(None))
    for piece in in_pieces(group_ids):
        for row in connection.execute(labelled.where(_groups.c.id.in_(piece))):
            label = Label(
                SmokeType(row.smoke_type) if row.smoke_type else None,
                FalsePositiveType(row.false_positive_type) if row.false_positive_type else None,
            )
            found[row.id] = GroupLabel(label, row.is_unsure)
    return found


def highest_group_id(connection: Connection) -> int:
    """The highest number that a group has, 0 without any."""
    highest: int | None = connection.execute(select(func.max(_groups.c.id))).scalar()
    return highest or 0


def load_stages(connection: Connection, sequence_ids: Sequence[int]) -> dict[int, Stage]:
    """The stage of each of these sequences that has an annotation."""
    found: dict[int, Stage] = {}
    columns = select(SequenceAnnotation.sequence_id, SequenceAnnotation.stage)
    for piece in in_pieces(sequence_ids):
        for sequence_id, stage in connection.execute(columns.where(SequenceAnnotation.sequence_id.in_(piece))):
            found[sequence_id] = Stage(stage)
    return found


def add_groups(write: Write, groups: pa.Table) -> None:
    """Insert groups: their numbers, what their founders gave them, and their member counts."""
    moment = pa.repeat(pa.scalar(write.now, _MOMENT), len(groups))
    stamped = _stamp(write, groups).append_column("created_at", moment).append_column("updated_at", moment)
    insert_rows(write.connection, _groups, stamped)


def save_sequences(write: Write, sequences: pa.Table, waiting_ids: pa.Array) -> None:
    """Write where sequences stand now: those with ``waiting_ids`` have a row already."""
    is_there = pc.is_in(sequences["id"], value_set=waiting_ids)
    insert_rows(write.connection, _sequences, _stamp(write, sequences.filter(pc.invert(is_there))))
    known = sequences.filter(is_there)
    if len(known):
        update_rows(write.connection, _sequences, _stamp(write, known))


def move_sequences(write: Write, moved: pa.Table) -> None:
    """Write under which organization's key sequences are now: id, organization_key."""
    if len(moved):
        update_rows(write.connection, _sequences, _stamp(write, moved))


def claim(write: Write, annotator: str) -> None:
    """Say whose the ids in the database are, where nobody has yet."""
    unclaimed = update(ReviewState).where(ReviewState.annotator.is_(None))
    write.connection.execute(unclaimed.values(annotator=annotator))


def record_inheritance(write: Write, details: Mapping[int, dict[str, object]]) -> None:
    """Append to the audit, for each group, that newcomers got its label."""
    row = {"at": write.now, "revision": write.revision, "reviewer_id": None, "action": Action.INHERIT}
    if details:
        rows = [
            {**row, "group_id": group_id, "sequence_id": None, "details": said} for group_id, said in details.items()
        ]
        write.connection.execute(insert(DecisionRow), rows)


def record_assignment(write: Write, by: str, details: Mapping[str, object]) -> None:
    """Append to the audit that somebody asked for an assignment, and what it did."""
    row = {"at": write.now, "revision": write.revision, "reviewer_id": reviewer_id(write, by), "action": Action.ASSIGN}
    write.connection.execute(insert(DecisionRow).values(**row, group_id=None, sequence_id=None, details=dict(details)))


def _stamp(write: Write, rows: pa.Table) -> pa.Table:
    return rows.append_column("revision", pa.repeat(pa.scalar(write.revision, pa.int64()), len(rows)))
