"""What was decided, newest first.

What lives here: pages of the audit of one group, and of one sequence. What does not: appending to it (`decisions`,
`assignments`).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from triage_assets.review.models import DecisionRow, Reviewer
from triage_assets.review.pages import Slice
from triage_assets.review.records import Action, Decision


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """One page of what was decided, and how much there is."""

    items: tuple[Decision, ...]
    total: int


def list_decisions(connection: Connection, group_id: int, *, page: int, size: int) -> DecisionPage:
    """One page of what was decided about a group, counted from 1."""
    return _list(connection, DecisionRow.group_id == group_id, Slice.of_page(page, size))


def list_sequence_decisions(connection: Connection, sequence_id: int, *, page: int, size: int) -> DecisionPage:
    """One page of what was decided about one sequence by its number, counted from 1.

    A label that came with many others is in the audit of the group that it came through.
    """
    return _list(connection, DecisionRow.sequence_id == sequence_id, Slice.of_page(page, size))


def find_decision(connection: Connection, moment: datetime) -> Decision | None:
    """What was decided in the write of that time; the last line where it left several, None where it left none."""
    # Backwards by number: somebody asks about what has just been written.
    latest = select(DecisionRow.id).where(DecisionRow.at == moment).order_by(DecisionRow.id.desc()).limit(1)
    number = connection.execute(latest).scalar()
    if number is None:
        return None
    return next(iter(_list(connection, DecisionRow.id == number, Slice.of_page(1, 1)).items), None)


def _list(connection: Connection, condition: ColumnElement[bool], cut: Slice) -> DecisionPage:
    rows = connection.execute(
        select(DecisionRow.__table__, Reviewer.name)
        .outerjoin(Reviewer, Reviewer.id == DecisionRow.reviewer_id)
        .where(condition)
        .order_by(DecisionRow.id.desc())
        .limit(len(cut))
        .offset(cut.start)
    )
    items = tuple(
        Decision(row.id, row.at, row.name, Action(row.action), row.group_id, row.sequence_id, row.details)
        for row in rows
    )
    count = select(func.count()).select_from(DecisionRow).where(condition)
    return DecisionPage(items, connection.execute(count).scalar_one())
