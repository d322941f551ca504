"""What somebody looked at when they decided, and that it is still so.

What lives here: the comparison inside the write transaction, and the error that names who was faster. What does not:
how a browser says what it has seen (entity tags of HTTP).
"""

from dataclasses import dataclass

from triage_assets.errors import ChangedMeanwhile
from triage_assets.groups.ports import Reader
from triage_assets.review.records import Decision, Group, StoredAnnotation


@dataclass(frozen=True, slots=True)
class Seen:
    """The revision of what was looked at; None where there was nothing."""

    revision: int | None


def require_seen_annotation(read: Reader, sequence_id: int, stored: StoredAnnotation | None, seen: Seen | None) -> None:
    """Refuse to write over an annotation that nobody who decides this has seen. Raises `ChangedMeanwhile`."""
    found = None if stored is None else stored.revision
    if seen is None or seen.revision == found:
        return
    if stored is None:
        raise ChangedMeanwhile(f"Sequence {sequence_id} has no annotation", expected=f"revision {seen.revision} of it")
    last = read.decision_at(stored.updated_at)
    who = _describe(last) if last else f"the assignment at {stored.updated_at:%Y-%m-%d %H:%M:%S} UTC"
    raise ChangedMeanwhile(
        f"The annotation of sequence {sequence_id} was written by {who}",
        found=f"revision {stored.revision}",
        expected="no annotation" if seen.revision is None else f"revision {seen.revision}",
        do="Load the sequence again: nothing of yours was saved.",
    )


def require_seen_group(read: Reader, group: Group, seen: Seen | None) -> None:
    """Refuse to change a group that nobody who decides this has seen. Raises `ChangedMeanwhile`."""
    if seen is None or seen.revision == group.revision:
        return
    last = read.last_decision(group.id)
    # Members that join and scores change it as well, and are nobody's decision.
    who = f" since it was looked at; the last decision is by {_describe(last)}" if last else ""
    raise ChangedMeanwhile(
        f"Group {group.id} has changed{who}",
        found=f"revision {group.revision}",
        expected=f"revision {seen.revision}",
        do="Load the group again: nothing of yours was saved.",
    )


def _describe(decision: Decision) -> str:
    by = decision.by or "the assignment"
    return f"{by} ({decision.action}) at {decision.at:%Y-%m-%d %H:%M:%S} UTC"
