"""What a small review database holds after a decision, and somebody else who decides meanwhile.

What lives here: readings for tests of decisions. What does not: the rows (`review_rows`).
"""

from collections.abc import Callable, Mapping

from sqlalchemy import select

from tests.groups.review_rows import KnownDetections
from triage_assets.annotator.records import TrackedBoxes
from triage_assets.review.annotations import load_annotations
from triage_assets.review.audit import list_decisions
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.listing import load_group
from triage_assets.review.models import ReviewSequence
from triage_assets.review.records import (
    Decision,
    Group,
    Origin,
    Stage,
)


def group_of(review: ReviewDatabase, group_id: int) -> Group:
    with review.read() as connection:
        group = load_group(connection, group_id)
    assert group is not None
    return group


def standing(review: ReviewDatabase, sequence_id: int) -> tuple[int | None, bool, int | None]:
    columns = (ReviewSequence.group_id, ReviewSequence.is_group_excluded, ReviewSequence.excluded_from)
    with review.read() as connection:
        return tuple(connection.execute(select(*columns).where(ReviewSequence.id == sequence_id)).one())


def audit_of(review: ReviewDatabase, group_id: int) -> list[Decision]:
    with review.read() as connection:
        return list(list_decisions(connection, group_id, page=1, size=50).items)


def annotations_of(review: ReviewDatabase, *sequence_ids: int) -> dict[int, tuple[Stage, Origin, bool, tuple, tuple]]:
    with review.read() as connection:
        found = load_annotations(connection, sequence_ids)
    return {
        each: (
            stored.annotation.stage,
            stored.annotation.origin,
            stored.annotation.is_unsure,
            (*stored.annotation.smoke_types, *stored.annotation.false_positive_types),
            stored.contributors,
        )
        for each, stored in found.items()
    }


class Elsewhere(KnownDetections):
    """Detections whose reading gives somebody else time to decide something."""

    meanwhile: Callable[[], object] | None = None

    def load(self, organization_keys: Mapping[int, str]) -> dict[int, TrackedBoxes]:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        return super().load(organization_keys)
