"""The sequences of a group: those in it, and those that somebody took out of it.

What lives here: pages of both, with what is to be seen of each sequence. What does not: which groups there are
(`listing`), and annotations in full (`annotations`).
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, func, select

from triage_assets.review.annotations import load_contributors
from triage_assets.review.group_items import to_boxes, to_label
from triage_assets.review.models import ReviewSequence, SequenceAnnotation
from triage_assets.review.pages import Slice
from triage_assets.review.records import Label, Member, Origin, Stage


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of sequences, oldest first, and how many there are."""

    items: tuple[Member, ...]
    total: int


def list_members(connection: Connection, group_id: int, *, page: int, size: int) -> MemberPage:
    """One page of a group's members, counted from 1, by (recorded_at, id)."""
    return _list(connection, ReviewSequence.group_id == group_id, Slice.of_page(page, size))


def list_excluded(connection: Connection, group_id: int, *, page: int, size: int) -> MemberPage:
    """One page of what was taken out of a group and not re-included, counted from 1, by (recorded_at, id)."""
    return _list(connection, ReviewSequence.excluded_from == group_id, Slice.of_page(page, size))


def _list(connection: Connection, condition: ColumnElement[bool], cut: Slice) -> MemberPage:
    rows = connection.execute(
        select(
            ReviewSequence.id,
            ReviewSequence.organization_key,
            ReviewSequence.recorded_at,
            ReviewSequence.last_seen_at,
            ReviewSequence.first_detection_id,
            ReviewSequence.first_boxes,
            ReviewSequence.score,
            SequenceAnnotation.stage,
            SequenceAnnotation.has_smoke,
            SequenceAnnotation.has_false_positives,
            SequenceAnnotation.smoke_types,
            SequenceAnnotation.false_positive_types,
            SequenceAnnotation.is_unsure,
            SequenceAnnotation.origin,
        )
        .outerjoin(SequenceAnnotation, SequenceAnnotation.sequence_id == ReviewSequence.id)
        .where(condition)
        .order_by(ReviewSequence.recorded_at, ReviewSequence.id)
        .limit(len(cut))
        .offset(cut.start)
    ).all()
    contributors = load_contributors(connection, [row.id for row in rows if row.stage is not None])
    total = connection.execute(select(func.count()).select_from(ReviewSequence).where(condition)).scalar_one()
    return MemberPage(tuple(_to_member(row, contributors.get(row.id, ())) for row in rows), total)


def _to_member(row: Row[tuple[object, ...]], contributors: tuple[str, ...]) -> Member:
    return Member(
        sequence_id=row.id,
        organization_key=row.organization_key,
        recorded_at=row.recorded_at,
        last_seen_at=row.last_seen_at,
        stage=None if row.stage is None else Stage(row.stage),
        label=None if row.stage is None else _to_only_label(row),
        is_unsure=row.is_unsure,
        has_smoke=row.has_smoke,
        origin=None if row.origin is None else Origin(row.origin),
        contributors=contributors,
        first_detection_id=row.first_detection_id,
        first_boxes=to_boxes(row.first_boxes),
        score=row.score,
    )


def _to_only_label(row: Row[tuple[object, ...]]) -> Label | None:
    """The label of an annotation that has exactly one."""
    if row.has_smoke and not row.has_false_positives and len(row.smoke_types) == 1:
        return to_label(row.smoke_types[0], None)
    if row.has_false_positives and not row.has_smoke and len(row.false_positive_types) == 1:
        return to_label(None, row.false_positive_types[0])
    return None
