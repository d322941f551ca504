"""Groups by id, with what a list shows of each.

What lives here: groups as records, their thumbnails and their annotators. What does not: which groups a page shows
(`listing`).
"""

from collections.abc import Collection, Sequence
from itertools import groupby

from sqlalchemy import Connection, Row, bindparam, select
from sqlalchemy.orm import aliased

from triage_assets.review.models import GroupAnnotator, Reviewer, ReviewSequence, SequenceGroup
from triage_assets.review.records import (
    FalsePositiveType,
    Group,
    GroupListItem,
    Label,
    RegionBox,
    SmokeType,
    Thumbnail,
)

_OLDEST_FIRST = (ReviewSequence.recorded_at, ReviewSequence.id)
_NEWEST_FIRST = (ReviewSequence.recorded_at.desc(), ReviewSequence.id.desc())

_MEMBER = select(ReviewSequence.id).where(ReviewSequence.group_id == SequenceGroup.id).limit(1)
_FIRST_AND_LAST = select(
    SequenceGroup.id,
    _MEMBER.order_by(*_OLDEST_FIRST).scalar_subquery().label("first"),
    _MEMBER.order_by(*_NEWEST_FIRST).scalar_subquery().label("last"),
).where(SequenceGroup.id.in_(bindparam("group_ids", expanding=True)))

# An offset cannot depend on a row, so the middle member is asked for group by group.
_MIDDLE = (
    select(ReviewSequence.id)
    .where(ReviewSequence.group_id == bindparam("group_id"))
    .order_by(*_OLDEST_FIRST)
    .limit(1)
    .offset(bindparam("n_before"))
)


def load_groups(connection: Connection, group_ids: Collection[int]) -> dict[int, Group]:
    """Groups by id; those that are not there are absent."""
    validator, labeler = aliased(Reviewer), aliased(Reviewer)
    rows = connection.execute(
        select(SequenceGroup.__table__, validator.name.label("validator"), labeler.name.label("labeler"))
        .outerjoin(validator, validator.id == SequenceGroup.validated_by)
        .outerjoin(labeler, labeler.id == SequenceGroup.labeled_by)
        .where(SequenceGroup.id.in_(group_ids))
    )
    return {row.id: _to_group(row) for row in rows}


def load_items(connection: Connection, group_ids: Sequence[int]) -> tuple[GroupListItem, ...]:
    """Groups in the order of their ids here, with thumbnails and annotators; those that are not there are absent."""
    groups = load_groups(connection, group_ids)
    thumbnails = _load_thumbnails(connection, groups)
    annotators = _load_annotators(connection, groups.keys())
    return tuple(
        GroupListItem(groups[each], thumbnails.get(each, ()), annotators.get(each, ()))
        for each in group_ids
        if each in groups
    )


def to_boxes(stored: Sequence[Sequence[float]]) -> tuple[RegionBox, ...]:
    """Boxes from the lists that they are stored as."""
    return tuple(RegionBox(*box) for box in stored)


def to_label(smoke_type: str | None, false_positive_type: str | None) -> Label | None:
    """A label from the columns that hold it, of which at most one is set."""
    if smoke_type is not None:
        return Label(smoke_type=SmokeType(smoke_type))
    return None if false_positive_type is None else Label(false_positive_type=FalsePositiveType(false_positive_type))


def _load_thumbnails(connection: Connection, groups: dict[int, Group]) -> dict[int, tuple[Thumbnail, ...]]:
    """The first, the middle and the last member by (recorded_at, id) of each group, where they have a frame to show."""
    members = {
        row.id: [row.first, row.last] for row in connection.execute(_FIRST_AND_LAST, {"group_ids": list(groups)})
    }
    for group in groups.values():
        if group.member_count > 2:
            place = {"group_id": group.id, "n_before": group.member_count // 2}
            members[group.id][1:1] = connection.execute(_MIDDLE, place).scalars()
    frames = select(ReviewSequence.id, ReviewSequence.first_detection_id, ReviewSequence.first_boxes).where(
        ReviewSequence.id.in_([each for ids in members.values() for each in ids]),
        ReviewSequence.first_detection_id.is_not(None),
    )
    shown = {
        row.id: Thumbnail(row.id, row.first_detection_id, to_boxes(row.first_boxes))
        for row in connection.execute(frames)
    }
    return {
        group_id: tuple(shown[each] for each in dict.fromkeys(ids) if each in shown)
        for group_id, ids in members.items()
    }


def _load_annotators(connection: Connection, group_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The names of everybody who contributed to an annotation of a member, in alphabetical order."""
    rows = connection.execute(
        select(GroupAnnotator.group_id, Reviewer.name)
        .join(Reviewer, Reviewer.id == GroupAnnotator.reviewer_id)
        .where(GroupAnnotator.group_id.in_(group_ids))
        .order_by(GroupAnnotator.group_id, Reviewer.name)
    )
    return {group_id: tuple(row.name for row in names) for group_id, names in groupby(rows, lambda row: row.group_id)}


def _to_group(row: Row[tuple[object, ...]]) -> Group:
    return Group(
        id=row.id,
        camera_id=row.camera_id,
        camera_name=row.camera_name,
        azimuth=row.azimuth,
        organization_key=row.organization_key,
        organization_name=row.organization_name,
        region=RegionBox(row.x1, row.y1, row.x2, row.y2, row.confidence),
        label=to_label(row.smoke_type, row.false_positive_type),
        is_unsure=row.is_unsure,
        is_validated=row.is_validated,
        validated_at=row.validated_at,
        validated_by=row.validator,
        labeled_at=row.labeled_at,
        labeled_by=row.labeler,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
        member_count=row.member_count,
        highest_score=row.highest_score,
        lowest_score=row.lowest_score,
    )
