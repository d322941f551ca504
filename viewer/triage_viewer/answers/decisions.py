"""What was decided, as it is shown.

What lives here: lines of the audit, and what an assignment did. What does not: annotations (`annotations`).
"""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from triage_assets.groups.records import AssignmentReport
from triage_assets.review.records import Action, Decision, SkippedReason


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
