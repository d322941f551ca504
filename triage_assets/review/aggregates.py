"""What is kept about the members of a group: how many they are, their highest and lowest score, and their annotators.

What lives here: bringing those up to date. What does not: who changes membership, scores or annotations; whoever does
calls this in the same transaction.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Select,
    any_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute

from triage_assets.review.bulk import in_pieces
from triage_assets.review.database import Write
from triage_assets.review.models import AnnotationContributor, GroupAnnotator, ReviewSequence, SequenceGroup

# SQLite names a piece of the groups at a time; PostgreSQL takes all in one array, and reads the members in one pass.
_IDS: BindParameter[int] = bindparam("group_ids", expanding=True)
_ARRAY = any_(bindparam("group_ids", type_=postgresql.ARRAY(BigInteger)))


def refresh_aggregates(write: Write, group_ids: Sequence[int]) -> None:
    """After a change of membership: all that is kept about the members of these groups, and when they changed."""
    _refresh(write, group_ids, is_membership=True)
    annotators = (
        select(ReviewSequence.group_id, AnnotationContributor.reviewer_id)
        .join(AnnotationContributor, AnnotationContributor.sequence_id == ReviewSequence.id)
        .where(_is_named(write, ReviewSequence.group_id))
        .distinct()
    )
    for ids in _names(write, group_ids):
        write.connection.execute(delete(GroupAnnotator).where(_is_named(write, GroupAnnotator.group_id)), ids)
        write.connection.execute(insert(GroupAnnotator).from_select(["group_id", "reviewer_id"], annotators), ids)


def refresh_scores(write: Write, group_ids: Sequence[int]) -> None:
    """After a change of scores alone, which is no update of a group: nobody decided anything about it."""
    _refresh(write, group_ids, is_membership=False)


def add_annotator(write: Write, sequence_ids: Sequence[int], reviewer_id: int) -> None:
    """After somebody contributed to the annotations of these sequences: the groups that they are in show it."""
    dialect = sqlite if _is_sqlite(write) else postgresql
    groups = select(ReviewSequence.group_id, literal(reviewer_id, BigInteger)).where(
        ReviewSequence.group_id.is_not(None)
    )
    for piece in in_pieces(sequence_ids):
        shown = groups.where(ReviewSequence.id.in_(piece)).distinct()
        added = dialect.insert(GroupAnnotator).from_select(["group_id", "reviewer_id"], shown)
        write.connection.execute(added.on_conflict_do_nothing())


def _refresh(write: Write, group_ids: Sequence[int], *, is_membership: bool) -> None:
    members = _summarize_members(write).subquery()
    values: dict[str, object] = {"highest_score": members.c.highest, "lowest_score": members.c.lowest}
    if is_membership:
        values |= {"member_count": members.c.n_members, "updated_at": write.now, "revision": write.revision}
    refreshed = update(SequenceGroup).where(SequenceGroup.id == members.c.id).values(values)
    for ids in _names(write, group_ids):
        write.connection.execute(refreshed, ids)


def _is_sqlite(write: Write) -> bool:
    return write.connection.dialect.name == "sqlite"


def _names(write: Write, group_ids: Sequence[int]) -> Iterator[dict[str, Sequence[int]]]:
    """The groups, as the parameters of one statement after another."""
    return ({"group_ids": piece} for piece in (in_pieces(group_ids) if _is_sqlite(write) else [list(group_ids)]))


def _is_named(
    write: Write, column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None]
) -> ColumnElement[bool]:
    return column.in_(_IDS) if _is_sqlite(write) else column == _ARRAY


def _summarize_members(write: Write) -> Select[tuple[int, int, float | None, float | None]]:
    """Count and extremes of every group of ``group_ids``, also of those that have no member."""
    return (
        select(
            SequenceGroup.id,
            func.count(ReviewSequence.id).label("n_members"),
            func.max(ReviewSequence.score).label("highest"),
            func.min(ReviewSequence.score).label("lowest"),
        )
        .outerjoin(ReviewSequence, ReviewSequence.group_id == SequenceGroup.id)
        .where(_is_named(write, SequenceGroup.id))
        .group_by(SequenceGroup.id)
    )
