"""What people's decisions change in the review database.

What lives here: the statements of one decision, in one write transaction, and its lines in the audit. What does not:
the rules (`triage_assets.groups.decisions`), which know this class by its methods alone.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from itertools import islice

from sqlalchemy import ColumnElement, Connection, insert, select, update

from triage_assets.review.aggregates import refresh_aggregates
from triage_assets.review.annotations import describe_annotation, load_annotations, save_annotations
from triage_assets.review.audit import find_decision, list_decisions
from triage_assets.review.database import ReviewDatabase, Write
from triage_assets.review.group_items import load_groups
from triage_assets.review.listing import load_group
from triage_assets.review.models import DecisionRow, ReviewSequence, SequenceAnnotation, SequenceGroup
from triage_assets.review.records import (
    Action,
    Annotation,
    Decision,
    Group,
    Label,
    Origin,
    SequenceState,
    Stage,
    StoredAnnotation,
)
from triage_assets.review.reviewers import reviewer_id

_IDS = 10_000  # SQLite takes 32,766 values in a statement, PostgreSQL 65,535
_ANNOTATIONS = 2_000  # in memory together
# A person has clicked and waits; an assignment, which waits for a minute, may be writing.
_CLICK_SECONDS = 10.0


class DecisionReader:
    """What is to be known before a decision, in one state of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def group(self, group_id: int) -> Group | None:
        """The group, None where there is none of that number."""
        return load_group(self._connection, group_id)

    def groups(self, group_ids: Iterable[int]) -> dict[int, Group]:
        """Groups by their number; those that are not there are absent."""
        found: dict[int, Group] = {}
        remaining = iter(group_ids)
        while ids := list(islice(remaining, _IDS)):
            found |= load_groups(self._connection, ids)
        return found

    def sequences(self, sequence_ids: Iterable[int]) -> dict[int, SequenceState]:
        """Where these sequences stand, by id; those that are not known are absent."""
        found: dict[int, SequenceState] = {}
        remaining = iter(sequence_ids)
        while ids := list(islice(remaining, _IDS)):
            found.update((state.id, state) for state in self._states(ReviewSequence.id.in_(ids)))
        return found

    def members(self, group_id: int) -> tuple[SequenceState, ...]:
        """Every sequence in the group, in order of id."""
        return tuple(self._states(ReviewSequence.group_id == group_id))

    def annotation(self, sequence_id: int) -> StoredAnnotation | None:
        """The sequence's annotation, None where it has none."""
        return load_annotations(self._connection, [sequence_id]).get(sequence_id)

    def annotations(self, sequence_ids: Iterable[int]) -> Iterator[StoredAnnotation]:
        """The annotations of those sequences that have one; a few thousand are in memory together."""
        remaining = iter(sequence_ids)
        while ids := list(islice(remaining, _ANNOTATIONS)):
            found = load_annotations(self._connection, ids)
            yield from (found[each] for each in ids if each in found)

    def last_decision(self, group_id: int) -> Decision | None:
        """What was last decided about a group, None where nothing ever was."""
        return next(iter(list_decisions(self._connection, group_id, page=1, size=1).items), None)

    def decision_at(self, moment: datetime) -> Decision | None:
        """What was decided in the write of that time, None where it was no decision."""
        return find_decision(self._connection, moment)

    def _states(self, condition: ColumnElement[bool]) -> Iterator[SequenceState]:
        query = (
            select(
                ReviewSequence.id,
                ReviewSequence.organization_key,
                ReviewSequence.group_id,
                ReviewSequence.is_group_excluded,
                ReviewSequence.excluded_from,
                SequenceAnnotation.stage,
                SequenceAnnotation.origin,
            )
            .outerjoin(SequenceAnnotation, SequenceAnnotation.sequence_id == ReviewSequence.id)
            .where(condition)
            .order_by(ReviewSequence.id)
        )
        for row in self._connection.execute(query):
            sequence_id, organization_key, group_id, is_excluded, excluded_from, stage, origin = row
            annotated = (Stage(stage) if stage else None, Origin(origin) if origin else None)
            yield SequenceState(sequence_id, organization_key, group_id, is_excluded, excluded_from, *annotated)


class DecisionWriter(DecisionReader):
    """One decision of one person, in one write transaction."""

    def __init__(self, write: Write, by: str) -> None:
        super().__init__(write.connection)
        self._write = write
        self._by = by
        self.has_changed = False

    @cached_property
    def _reviewer_id(self) -> int:
        return reviewer_id(self._write, self._by)

    def set_validated(self, group_id: int, is_validated: bool) -> None:
        """Stamp the group as validated by this person now, or take the stamp away."""
        at, by = (self._write.now, self._reviewer_id) if is_validated else (None, None)
        self._update_group(group_id, is_validated=is_validated, validated_at=at, validated_by=by)

    def set_label(self, group_id: int, label: Label | None, is_unsure: bool) -> None:
        """Write the group's label, given by this person now; None leaves it without one."""
        at, by = (self._write.now, self._reviewer_id) if label else (None, None)
        self._update_group(
            group_id,
            smoke_type=label.smoke_type if label else None,
            false_positive_type=label.false_positive_type if label else None,
            is_unsure=is_unsure,
            labeled_at=at,
            labeled_by=by,
        )

    def exclude(self, sequence_id: int, group_id: int) -> None:
        """Take a sequence out of its group, and remember which that was."""
        self._move(sequence_id, group_id=None, is_group_excluded=True, excluded_from=group_id)
        refresh_aggregates(self._write, [group_id])

    def re_include(self, sequence_id: int, group_id: int | None) -> None:
        """End a sequence's exclusion: back into the group, or into none."""
        self._move(sequence_id, group_id=group_id, is_group_excluded=False, excluded_from=None)
        if group_id is not None:
            refresh_aggregates(self._write, [group_id])

    def save_annotations(self, annotations: Iterable[Annotation]) -> None:
        """Write annotations over those that are there, with this person as a contributor."""
        if save_annotations(self._write, annotations, self._reviewer_id):
            self.has_changed = True

    def record(self, action: Action, group_id: int | None, sequence_id: int | None, **details: object) -> None:
        """Append to the audit. Details are words, numbers and lists of them, and annotations."""
        values = {name: describe_annotation(v) if isinstance(v, Annotation) else v for name, v in details.items()}
        stamp = {"at": self._write.now, "revision": self._write.revision}
        row = {**stamp, "reviewer_id": self._reviewer_id, "action": action}
        subject = {"group_id": group_id, "sequence_id": sequence_id, "details": values}
        self._write.connection.execute(insert(DecisionRow).values(**row, **subject))
        self.has_changed = True

    def _update_group(self, group_id: int, **values: object) -> None:
        stamped = {**values, "updated_at": self._write.now, "revision": self._write.revision}
        self._write.connection.execute(update(SequenceGroup).where(SequenceGroup.id == group_id).values(**stamped))
        self.has_changed = True

    def _move(self, sequence_id: int, **values: object) -> None:
        stamped = {**values, "revision": self._write.revision}
        self._write.connection.execute(update(ReviewSequence).where(ReviewSequence.id == sequence_id).values(**stamped))
        self.has_changed = True


class DecisionDatabase:
    """The review database, as far as decisions need it."""

    def __init__(self, review: ReviewDatabase) -> None:
        self._review = review

    @contextmanager
    def read(self) -> Iterator[DecisionReader]:
        """One state, to look at. Raises `ReviewUnavailable`."""
        with self._review.read() as connection:
            yield DecisionReader(connection)

    @contextmanager
    def write(self, by: str) -> Iterator[DecisionWriter]:
        """A person's decision, whole or not at all; one that changed nothing leaves no trace, not even a number.

        Raises `ReviewUnavailable`.
        """
        with self._review.write(busy_seconds=_CLICK_SECONDS) as write:
            writer = DecisionWriter(write, by)
            yield writer
            transaction = write.connection.get_transaction()
            if not writer.has_changed and transaction is not None:
                transaction.rollback()
