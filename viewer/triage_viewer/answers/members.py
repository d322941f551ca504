"""The sequences of a group as they are shown.

What lives here: each with its first frame, and who or what labelled it. What does not: annotations in full
(`annotations`).
"""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from triage_assets.review.records import FalsePositiveType, Member, Origin, SmokeType, Stage
from triage_viewer.answers.annotations import ContributorRead
from triage_viewer.answers.regions import RegionRead


class MemberRead(BaseModel):
    """One sequence of a group, or one that was taken out of it.

    It was recorded from ``recorded_at`` until ``last_seen_at``, the time of its last detection. ``is_unsure``,
    ``has_smoke`` and ``origin`` are null where it has no annotation, ``smoke_type`` and ``false_positive_type`` where
    that has none or several. ``origin`` tells a look at the sequence itself from a label that came through its group.
    """

    sequence_id: int
    organization_key: str
    recorded_at: datetime
    last_seen_at: datetime
    annotation_processing_stage: Stage | None
    smoke_type: SmokeType | None
    false_positive_type: FalsePositiveType | None
    first_detection_id: int | None
    first_detection_boxes: list[RegionRead]
    is_unsure: bool | None
    has_smoke: bool | None
    origin: Origin | None
    contributors: list[ContributorRead]
    score: float | None

    @classmethod
    def of(cls, member: Member) -> Self:
        """The member as it is shown."""
        return cls(
            sequence_id=member.sequence_id,
            organization_key=member.organization_key,
            recorded_at=member.recorded_at,
            last_seen_at=member.last_seen_at,
            annotation_processing_stage=member.stage,
            smoke_type=member.label.smoke_type if member.label else None,
            false_positive_type=member.label.false_positive_type if member.label else None,
            first_detection_id=member.first_detection_id,
            first_detection_boxes=[RegionRead.of(box) for box in member.first_boxes],
            is_unsure=member.is_unsure,
            has_smoke=member.has_smoke,
            origin=member.origin,
            contributors=[ContributorRead(username=name) for name in member.contributors],
            score=member.score,
        )
