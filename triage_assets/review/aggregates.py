"""What a group's row says about its members: how many there are, and their highest and lowest score.

What lives here: bringing those columns up to date. What does not: who changes membership or scores; whoever does calls
this in the same transaction.
"""

from collections.abc import Sequence

from sqlalchemy import func, select, update

from triage_assets.review.bulk import in_pieces
from triage_assets.review.database import Write
from triage_assets.review.models import ReviewSequence, SequenceGroup


def refresh_aggregates(write: Write, group_ids: Sequence[int]) -> None:
    """Count and score the members of these groups again."""
    members = select(ReviewSequence).where(ReviewSequence.group_id == SequenceGroup.id).correlate(SequenceGroup)
    refreshed = update(SequenceGroup).values(
        member_count=members.with_only_columns(func.count()).scalar_subquery(),
        highest_score=members.with_only_columns(func.max(ReviewSequence.score)).scalar_subquery(),
        lowest_score=members.with_only_columns(func.min(ReviewSequence.score)).scalar_subquery(),
        updated_at=write.now,
        revision=write.revision,
    )
    for piece in in_pieces(group_ids):
        write.connection.execute(refreshed.where(SequenceGroup.id.in_(piece)))
