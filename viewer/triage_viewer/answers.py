"""What the API answers, under the annotator's own names where it has them.

What lives here: how records are shown. What does not: what is accepted (`requests`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel

from triage_assets.groups.bulk import BulkReport
from triage_assets.groups.records import AssignmentReport
from triage_assets.review.records import (
    Action,
    Decision,
    FalsePositiveType,
    Group,
    GroupListItem,
    LabelState,
    Member,
    RegionBox,
    SkippedReason,
    SmokeType,
    Stage,
    StoredAnnotation,
    Thumbnail,
)

_Item = TypeVar("_Item")


class Page(BaseModel, Generic[_Item]):
    """One page of many items, and how many there are."""

    items: list[_Item]
    total: int
    page: int
    size: int
    pages: int

    @classmethod
    def of(cls, items: Sequence[_Item], *, total: int, page: int, size: int) -> Self:
        """The page with the number of pages worked out."""
        return cls(items=list(items), total=total, page=page, size=size, pages=-(-total // size))


class RegionRead(BaseModel):
    """A box with its confidence."""

    xyxyn: tuple[float, float, float, float]
    confidence: float

    @classmethod
    def of(cls, box: RegionBox) -> Self:
        """The box as it is shown."""
        return cls(xyxyn=box.xyxyn, confidence=box.confidence)


class ThumbnailRead(BaseModel):
    """One member's first frame, and the boxes on it."""

    sequence_id: int
    detection_id: int
    boxes: list[RegionRead]

    @classmethod
    def of(cls, thumbnail: Thumbnail) -> Self:
        """The thumbnail as it is shown."""
        boxes = [RegionRead.of(box) for box in thumbnail.boxes]
        return cls(sequence_id=thumbnail.sequence_id, detection_id=thumbnail.detection_id, boxes=boxes)


class GroupRead(BaseModel):
    """A group."""

    id: int
    camera_id: int
    camera_name: str
    azimuth: int
    organization_key: str
    organisation_name: str
    representative_bbox: RegionRead
    smoke_type: SmokeType | None
    false_positive_type: FalsePositiveType | None
    is_unsure: bool
    label_state: LabelState
    is_validated: bool
    validated_at: datetime | None
    validated_by_username: str | None
    labeled_at: datetime | None
    labeled_by_username: str | None
    created_at: datetime
    updated_at: datetime
    member_count: int
    highest_score: float | None
    lowest_score: float | None

    @classmethod
    def of(cls, group: Group, **more: object) -> Self:
        """The group as it is shown, with what else a larger answer shows of it."""
        values = {name: getattr(group, name) for name in cls.model_fields if hasattr(group, name)}
        return cls.model_validate(
            {
                **values,
                "organisation_name": group.organization_name,
                "representative_bbox": RegionRead.of(group.region),
                "smoke_type": group.label and group.label.smoke_type,
                "false_positive_type": group.label and group.label.false_positive_type,
                "validated_by_username": group.validated_by,
                "labeled_by_username": group.labeled_by,
                **more,
            }
        )


class GroupListItemRead(GroupRead):
    """A group in a list."""

    annotators: list[str]
    thumbnails: list[ThumbnailRead]

    @classmethod
    def of_item(cls, item: GroupListItem) -> Self:
        """The item as it is shown."""
        thumbnails = [ThumbnailRead.of(thumbnail) for thumbnail in item.thumbnails]
        return cls.of(item.group, annotators=item.annotators, thumbnails=thumbnails)


class MemberRead(BaseModel):
    """One sequence of a group."""

    sequence_id: int
    organization_key: str
    recorded_at: datetime
    last_seen_at: datetime
    annotation_processing_stage: Stage | None
    smoke_type: SmokeType | None
    false_positive_type: FalsePositiveType | None
    first_detection_id: int | None
    first_detection_boxes: list[RegionRead]
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
            score=member.score,
        )


class GroupReadWithMembers(GroupRead):
    """A group and one page of its members."""

    members: list[MemberRead]
    members_total: int
    members_page: int
    members_size: int


class GroupStatsRead(BaseModel, from_attributes=True):
    """Counts of groups under one filter, whatever its label state and validation."""

    total: int
    validated: int
    unvalidated: int
    labeled: int
    unsure: int
    unlabeled: int


class DecisionRead(BaseModel):
    """One line of the audit; ``by`` is null for what the assignment did by itself."""

    id: int
    at: datetime
    by: str | None
    action: Action
    group_id: int | None
    sequence_id: int | None
    details: dict[str, Any]

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """The line as it is shown."""
        return cls.model_validate(decision, from_attributes=True)


class AssignmentRead(BaseModel, from_attributes=True):
    """What one assignment did."""

    already_running: bool
    processed: int
    new_groups: int
    joined_existing: int
    inherited_annotations: int
    skipped_no_bbox: int
    skipped: dict[SkippedReason, int]

    @classmethod
    def of(cls, report: AssignmentReport) -> Self:
        """The report as it is shown."""
        return cls.model_validate(report)


class BoundingBoxRead(BaseModel):
    """One box on one frame."""

    detection_id: int
    xyxyn: tuple[float, float, float, float]


class SequenceBBoxRead(BaseModel):
    """One thing in a sequence."""

    is_smoke: bool
    smoke_type: SmokeType | None
    false_positive_types: list[FalsePositiveType]
    bboxes: list[BoundingBoxRead]


class SequenceAnnotationDataRead(BaseModel):
    """An annotation's clusters."""

    sequences_bbox: list[SequenceBBoxRead]


class ContributorRead(BaseModel):
    """Somebody who had a hand in an annotation."""

    username: str


class SequenceAnnotationRead(BaseModel):
    """The annotation of one sequence, and of which group that is.

    ``group_propagation_warning`` says why a label did not spread to a validated group.
    """

    sequence_id: int
    group_id: int | None
    has_smoke: bool
    has_false_positives: bool
    smoke_types: list[SmokeType]
    false_positive_types: list[FalsePositiveType]
    is_unsure: bool
    annotation: SequenceAnnotationDataRead
    processing_stage: Stage
    created_at: datetime
    updated_at: datetime
    contributors: list[ContributorRead]
    group_propagation_warning: str | None

    @classmethod
    def of(cls, stored: StoredAnnotation, group_id: int | None, warning: str | None = None) -> Self:
        """The annotation as it is shown."""
        annotation = stored.annotation
        clusters = [
            SequenceBBoxRead(
                is_smoke=cluster.is_smoke,
                smoke_type=cluster.smoke_type,
                false_positive_types=list(cluster.false_positive_types),
                bboxes=[BoundingBoxRead(detection_id=box.detection_id, xyxyn=box.xyxyn) for box in cluster.boxes],
            )
            for cluster in annotation.clusters
        ]
        return cls(
            sequence_id=annotation.sequence_id,
            group_id=group_id,
            has_smoke=annotation.has_smoke,
            has_false_positives=annotation.has_false_positives,
            smoke_types=list(annotation.smoke_types),
            false_positive_types=list(annotation.false_positive_types),
            is_unsure=annotation.is_unsure,
            annotation=SequenceAnnotationDataRead(sequences_bbox=clusters),
            processing_stage=annotation.stage,
            created_at=stored.created_at,
            updated_at=stored.updated_at,
            contributors=[ContributorRead(username=name) for name in stored.contributors],
            group_propagation_warning=warning,
        )


class BulkResultRead(BaseModel):
    """What came of one sequence."""

    sequence_id: int
    status: Literal["applied", "skipped"]
    reason: str | None = None


class BulkRead(BaseModel):
    """What came of every sequence, each once."""

    applied: list[BulkResultRead]
    skipped: list[BulkResultRead]
    group_label_updated: bool

    @classmethod
    def of(cls, report: BulkReport) -> Self:
        """The report as it is shown."""
        skipped: Mapping[int, str] = report.skipped
        return cls(
            applied=[BulkResultRead(sequence_id=each, status="applied") for each in report.applied],
            skipped=[BulkResultRead(sequence_id=each, status="skipped", reason=why) for each, why in skipped.items()],
            group_label_updated=report.group_label_updated,
        )
