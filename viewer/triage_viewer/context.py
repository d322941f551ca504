"""What every request works with.

What lives here: the store, the review database and who decides, handed to `create_app`. What does not: opening them.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request

from triage_assets.groups.decisions import Decisions
from triage_assets.groups.records import IOU_THRESHOLD, Joining
from triage_assets.review.accounts import Accounts
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.settings import DAGSTER_URL
from triage_assets.store import Store
from triage_assets.stored_detections import StoredDetections
from triage_viewer.access.rules import Person
from triage_viewer.copied_groups import CopiedGroups


@dataclass(frozen=True, slots=True)
class Context:
    """``actor`` is the name that decisions are recorded under: a server's own is its user, a request's is whoever asks.

    ``joining`` and ``iou_threshold`` are how an assignment joins sequences, ``dagster_url`` is where links lead. Where
    this server only shows a copy of a store's groups, that is ``copied``, ``review`` is the database of the copy, and
    ``own`` this machine's, which may have accounts; otherwise both are None.
    """

    store: Store
    review: ReviewDatabase
    actor: str
    joining: Joining = Joining.INHERIT
    iou_threshold: float = IOU_THRESHOLD
    dagster_url: str = DAGSTER_URL
    copied: CopiedGroups | None = None
    own: ReviewDatabase | None = None

    @property
    def accounts(self) -> Accounts:
        """Who may log in."""
        return Accounts(self.own or self.review)

    @property
    def detections(self) -> StoredDetections:
        """The detections of the present backlog."""
        return StoredDetections(self.store)

    @property
    def decisions(self) -> Decisions:
        """What people may decide here."""
        return Decisions(DecisionDatabase(self.review), self.detections)

    def close(self) -> None:
        """Let go of the databases, and of a copy."""
        self.review.close()
        if self.own is not None:
            self.own.close()
        if self.copied is not None:
            self.copied.close()


def _context_of(request: Request) -> Context:
    context: Context = request.app.state.context
    person: Person = request.state.person
    if context.copied is not None:
        context.copied.look()
    return replace(context, actor=person.name)


Working = Annotated[Context, Depends(_context_of)]
