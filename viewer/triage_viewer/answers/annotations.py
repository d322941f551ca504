"""Annotations as they are shown.

What lives here: one sequence's annotation, and what came of labelling many. What does not: what is accepted
(`requests`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel

from triage_assets.groups.bulk import BulkReport, Contradiction
from triage_assets.groups.conflicts import find_conflict
from triage_assets.review.records import (
    Annotation,
    FalsePositiveType,
    Group,
    Label,
    Origin,
    SmokeType,
    Stage,
    StoredAnnotation,
)


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


class LabelRead(BaseModel):
    """Exactly one of the two."""

    smoke_type: SmokeType | None
    false_positive_type: FalsePositiveType | None

    @classmethod
    def of(cls, label: Label) -> Self:
        """The label as it is shown."""
        return cls(smoke_type=label.smoke_type, false_positive_type=label.false_positive_type)


class GroupConflictRead(BaseModel):
    """A validated group and the label that it carries, where a member's annotation stands for another one."""

    group_id: int
    label: LabelRead

    @classmethod
    def of(cls, group: Group | None, annotation: Annotation) -> Self | None:
        """The conflict between the two, None where there is none."""
        label = find_conflict(group, annotation)
        if group is None or label is None:
            return None
        return cls(group_id=group.id, label=LabelRead.of(label))


class SequenceAnnotationRead(BaseModel):
    """The annotation of one sequence, and of which group that is.

    ``origin`` tells a person's own look from a label that came from elsewhere; ``contributors`` names the people behind
    either. ``group_propagation_warning`` says, when an annotation is saved, why its label did not spread to a validated
    group; ``conflicts_with_group`` says the same for as long as it is so.
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
    origin: Origin
    created_at: datetime
    updated_at: datetime
    revision: int
    contributors: list[ContributorRead]
    group_propagation_warning: str | None
    conflicts_with_group: GroupConflictRead | None

    @classmethod
    def of(cls, stored: StoredAnnotation, group: Group | None, warning: str | None = None) -> Self:
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
            group_id=group.id if group else None,
            has_smoke=annotation.has_smoke,
            has_false_positives=annotation.has_false_positives,
            smoke_types=list(annotation.smoke_types),
            false_positive_types=list(annotation.false_positive_types),
            is_unsure=annotation.is_unsure,
            annotation=SequenceAnnotationDataRead(sequences_bbox=clusters),
            processing_stage=annotation.stage,
            origin=annotation.origin,
            created_at=stored.created_at,
            updated_at=stored.updated_at,
            revision=stored.revision,
            contributors=[ContributorRead(username=name) for name in stored.contributors],
            group_propagation_warning=warning,
            conflicts_with_group=GroupConflictRead.of(group, annotation),
        )


class BulkResultRead(BaseModel):
    """What came of one sequence."""

    sequence_id: int
    status: Literal["applied", "skipped"]
    reason: str | None = None


class BulkWarningRead(BaseModel):
    """A validated group that carries another label than some of its members took; the first of them, and how many."""

    group_id: int
    label: LabelRead
    sequence_ids: list[int]
    sequences_total: int

    @classmethod
    def of(cls, found: Contradiction) -> Self:
        """The contradiction as it is shown."""
        ids, n_sequences = list(found.sequence_ids), found.n_sequences
        label = LabelRead.of(found.label)
        return cls(group_id=found.group_id, label=label, sequence_ids=ids, sequences_total=n_sequences)


class BulkRead(BaseModel):
    """What came of every sequence, each once; ``warnings`` are the first of ``warnings_total``."""

    applied: list[BulkResultRead]
    skipped: list[BulkResultRead]
    group_label_updated: bool
    warnings: list[BulkWarningRead]
    warnings_total: int

    @classmethod
    def of(cls, report: BulkReport) -> Self:
        """The report as it is shown."""
        skipped: Mapping[int, str] = report.skipped
        return cls(
            applied=[BulkResultRead(sequence_id=each, status="applied") for each in report.applied],
            skipped=[BulkResultRead(sequence_id=each, status="skipped", reason=why) for each, why in skipped.items()],
            group_label_updated=report.group_label_updated,
            warnings=[BulkWarningRead.of(found) for found in report.contradictions],
            warnings_total=report.n_contradicted,
        )
