"""What decisions ask of a review database and of stored detections, by methods alone.

What lives here: protocols. What does not: anything that satisfies them (`triage_assets.review.decisions`,
`triage_assets.stored_detections`), or any rule.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from triage_assets.annotator.records import TrackedBoxes
from triage_assets.review.records import Action, Annotation, Decision, Group, Label, SequenceState, StoredAnnotation


class Reader(Protocol):
    """What is to be known before a decision, in one state of the database."""

    def group(self, group_id: int) -> Group | None:
        """The group, None where there is none of that number."""

    def groups(self, group_ids: Iterable[int]) -> dict[int, Group]:
        """Groups by their number; those that are not there are absent."""

    def sequences(self, sequence_ids: Iterable[int]) -> dict[int, SequenceState]:
        """Where these sequences stand, by id; those that are not known are absent."""

    def members(self, group_id: int) -> tuple[SequenceState, ...]:
        """Every sequence in the group, in order of id."""

    def annotation(self, sequence_id: int) -> StoredAnnotation | None:
        """The sequence's annotation, None where it has none."""

    def annotations(self, sequence_ids: Iterable[int]) -> Iterator[StoredAnnotation]:
        """The annotations of those sequences that have one; a few thousand are in memory together."""

    def last_decision(self, group_id: int) -> Decision | None:
        """What was last decided about a group, None where nothing ever was."""

    def decision_at(self, moment: datetime) -> Decision | None:
        """What was decided in the write of that time, None where it was no decision."""


class Writer(Reader, Protocol):
    """What one decision of one person may change, all of it or nothing."""

    def set_validated(self, group_id: int, is_validated: bool) -> None:
        """Stamp the group as validated by this person now, or take the stamp away."""

    def set_label(self, group_id: int, label: Label | None, is_unsure: bool) -> None:
        """Write the group's label, given by this person now; None leaves it without one."""

    def exclude(self, sequence_id: int, group_id: int) -> None:
        """Take a sequence out of its group, and remember which that was."""

    def re_include(self, sequence_id: int, group_id: int | None) -> None:
        """End a sequence's exclusion: back into the group, or into none."""

    def save_annotations(self, annotations: Iterable[Annotation]) -> None:
        """Write annotations over those that are there, with this person as a contributor."""

    def record(self, action: Action, group_id: int | None, sequence_id: int | None, **details: object) -> None:
        """Append to the audit. Details are words, numbers and lists of them, and annotations."""


class Review(Protocol):
    """The review database. Both raise `ReviewUnavailable`."""

    def read(self) -> AbstractContextManager[Reader]:
        """One state, to look at."""

    def write(self, by: str) -> AbstractContextManager[Writer]:
        """A person's decision, whole or not at all; one that changes nothing leaves no trace."""


class Detections(Protocol):
    """What was detected in the sequences of the present backlog."""

    def load(self, organization_keys: Mapping[int, str]) -> Mapping[int, TrackedBoxes]:
        """What was tracked, by sequence id, for sequences with their organization's key; who left is absent."""
