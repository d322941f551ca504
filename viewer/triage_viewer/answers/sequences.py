"""Where a sequence stands, as it is shown.

What lives here: one sequence's place, annotation and score. What does not: its frames, and what was decided about it
(`decisions`).
"""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from triage_assets.review.records import Group, SkippedReason
from triage_assets.review.standing import Standing
from triage_viewer.answers.annotations import LabelRead, SequenceAnnotationRead


class StandingGroupRead(BaseModel):
    """The group that a sequence is in, as far as it decides what becomes of a label."""

    id: int
    is_validated: bool
    label: LabelRead | None
    member_count: int

    @classmethod
    def of(cls, group: Group) -> Self:
        """The group as it is shown."""
        label = LabelRead.of(group.label) if group.label else None
        return cls(id=group.id, is_validated=group.is_validated, label=label, member_count=group.member_count)


class StandingRead(BaseModel):
    """One sequence as the last assignment and everybody's decisions left it.

    ``excluded_from`` is the group that it was taken out of, null where that is gone since; ``skipped_reason`` says why
    it cannot be grouped. Without any of these and without a group, it waits for the next assignment.
    """

    sequence_id: int
    organization_key: str
    camera_id: int | None
    azimuth: int | None
    recorded_at: datetime
    last_seen_at: datetime
    group_id: int | None
    group: StandingGroupRead | None
    is_group_excluded: bool
    excluded_from: int | None
    skipped_reason: SkippedReason | None
    annotation: SequenceAnnotationRead | None
    score: float | None

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """The standing as it is shown."""
        stored, group = standing.annotation, standing.group
        return cls(
            sequence_id=standing.sequence_id,
            organization_key=standing.organization_key,
            camera_id=standing.camera_id,
            azimuth=standing.azimuth,
            recorded_at=standing.recorded_at,
            last_seen_at=standing.last_seen_at,
            group_id=group.id if group else None,
            group=StandingGroupRead.of(group) if group else None,
            is_group_excluded=standing.is_group_excluded,
            excluded_from=standing.excluded_from,
            skipped_reason=standing.skipped_reason,
            annotation=SequenceAnnotationRead.of(stored, group) if stored else None,
            score=standing.score,
        )
