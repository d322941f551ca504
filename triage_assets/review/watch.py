"""Whether there is a review database, and whether people have decided anything since somebody last looked.

What lives here: cheap looks that create and migrate nothing. What does not: what was decided (`listing`).
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select

from triage_assets.review.database import ReviewDatabase
from triage_assets.review.engines import make_engine, parse_url
from triage_assets.review.models import DecisionRow, ReviewState
from triage_assets.review.records import Action


def is_there(url: str) -> bool:
    """Whether somebody has made a review database at this URL. Raises `ReviewUnavailable`."""
    with _look(url) as connection:
        return connection is not None


def last_decision(url: str) -> str | None:
    """A text that changes with every decision of a person; None where there is no database or nobody has decided.

    Raises `ReviewUnavailable`.
    """
    with _look(url) as connection:
        if connection is None:
            return None
        newest = select(func.max(DecisionRow.id)).where(DecisionRow.action != Action.INHERIT)
        number = connection.execute(newest).scalar()
        identity = connection.execute(select(ReviewState.database_id)).scalar()
    return None if number is None else f"{identity}/{number}"


@contextmanager
def _look(url: str) -> Iterator[Connection | None]:
    """A connection that reads, or None where there is no file, or a database without this project's tables."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        yield None
        return
    with closing(ReviewDatabase(make_engine(parsed))) as review, review.read() as connection:
        yield connection if inspect(connection).has_table(ReviewState.__tablename__) else None
