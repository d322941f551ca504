"""What was decided since the worklists were made: they follow in a minute or an hour, and people look in between.

What lives here: counts of it, for whoever shows a table of the worklists. What does not: the decisions themselves.
"""

from dataclasses import dataclass

from triage_assets.errors import ReviewError
from triage_assets.groups.records import DatabaseState
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.export import load_state
from triage_assets.review.news import count_annotated_since, count_groups_changed_since
from triage_viewer.backlog.load import StoredBacklog
from triage_viewer.problems import describe_trouble

_OTHER = (
    "The worklists do not say of which decisions they were made, or of decisions in another review database. "
    "Run `triage worklists`; if this stays, correct TRIAGE_REVIEW_DB."
)
_OTHER_COPY = (
    "The worklists were not made of the groups and labels that the store has now. They are again after the next run of "
    "whoever makes them; where the store is a copy, after the next `triage fetch`."
)


@dataclass(frozen=True, slots=True)
class SinceWorklists:
    """What is new in the review database, under the names that the API gives it; None where that cannot be told."""

    decided_since: int | None
    groups_changed_since: int | None
    review_trouble: str | None = None


class ReviewNews:
    """Counts what is new, again only when something was written. May be asked by many threads at once.

    ``is_copy`` tells that the database is made of the store's groups: nobody can name another one.
    """

    def __init__(self, review: ReviewDatabase, *, is_copy: bool = False) -> None:
        self._review = review
        self._other = _OTHER_COPY if is_copy else _OTHER
        self._last: tuple[str, DatabaseState, SinceWorklists] | None = None

    def since(self, backlog: StoredBacklog) -> SinceWorklists:
        """What is new since the decisions and groups in this backlog. Never raises what the database does."""
        try:
            with self._review.read() as connection:
                present, last = load_state(connection), self._last
                if last is not None and last[:2] == (backlog.version, present):
                    return last[2]
                decided = None
                if backlog.record.says_whose_decisions:
                    decided = count_annotated_since(connection, backlog.record.decisions_of)
                changed = count_groups_changed_since(connection, backlog.groups_of)
        except ReviewError as error:
            return SinceWorklists(None, None, describe_trouble(error))
        found = SinceWorklists(decided, changed, self._other if decided is None or changed is None else None)
        self._last = backlog.version, present, found
        return found
