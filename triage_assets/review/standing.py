"""Where one sequence stands.

What lives here: all that the review database knows of a sequence at this moment, with its group and its annotation.
What does not: what was decided about it (`audit`), and its frames, which are in the store.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from triage_assets.review.annotations import load_annotations
from triage_assets.review.listing import load_group
from triage_assets.review.models import ReviewSequence
from triage_assets.review.records import Group, SkippedReason, StoredAnnotation


@dataclass(frozen=True, slots=True)
class Standing:
    """One sequence as the last assignment and everybody's decisions left it.

    ``excluded_from`` is the group that it was taken out of, None where that is gone since; ``skipped_reason`` says why
    it cannot be grouped. Without any of these and without a group, it waits for the next assignment.
    """

    sequence_id: int
    organization_key: str
    camera_id: int | None
    azimuth: int | None
    recorded_at: datetime
    last_seen_at: datetime
    group: Group | None
    is_group_excluded: bool
    excluded_from: int | None
    skipped_reason: SkippedReason | None
    annotation: StoredAnnotation | None
    score: float | None


def load_standing(connection: Connection, sequence_id: int) -> Standing:
    """One sequence that the review database has."""
    table = ReviewSequence.__table__
    row = connection.execute(table.select().where(ReviewSequence.id == sequence_id)).one()
    return Standing(
        sequence_id=row.id,
        organization_key=row.organization_key,
        camera_id=row.camera_id,
        azimuth=row.azimuth,
        recorded_at=row.recorded_at,
        last_seen_at=row.last_seen_at,
        group=None if row.group_id is None else load_group(connection, row.group_id),
        is_group_excluded=row.is_group_excluded,
        excluded_from=row.excluded_from,
        skipped_reason=None if row.skipped_reason is None else SkippedReason(row.skipped_reason),
        annotation=load_annotations(connection, [sequence_id]).get(sequence_id),
        score=row.score,
    )
