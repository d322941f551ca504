"""What decisions ask of a review database and of stored detections, by methods alone.

What lives here: protocols. What does not: anything that satisfies them (`triage_assets.review.decisions`,
`triage_assets.stored_detections`), or any rule.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from triage_assets.annotator.records import Detection
from triage_assets.review.records import Action, Annotation, Group, Label, SequenceState, StoredAnnotation


class Reader(Protocol):
    """What is to be known before a decision, in one state of the database."""

    def group(self, group_id: int) -> Group | None:
        """The group, None where there is none of that number."""

    def sequences(self, sequence_ids: Iterable[int]) -> dict[int, SequenceState]:
        """Where these sequences stand, by id; those that are not known are absent."""

    def members(self, group_id: int) -> tuple[SequenceState, ...]:
        """Every sequence in the group, in order of id."""

    def annotation(self, sequence_id: int) -> StoredAnnotation | None:
        """The sequence's annotation, None where it has none."""


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
        """Append to the audit."""


class Review(Protocol):
    """The review database. Both raise `ReviewUnavailable`."""

    def read(self) -> AbstractContextManager[Reader]:
        """One state, to look at."""

    def write(self, by: str) -> AbstractContextManager[Writer]:
        """A person's decision, whole or not at all; one that changes nothing leaves no trace."""


class Detections(Protocol):
    """The detections of the present backlog."""

    def load(self, organization_keys: Mapping[int, str]) -> Mapping[int, tuple[Detection, ...]]:
        """By sequence id, for sequences with their organization's key; who left the backlog is absent."""
