"""Inheritance: newcomers that join a labelled group get its label, on boxes of their own.

What lives here: the annotations that come of it, and what the audit says of them. What does not: who joins what
(`assignment`).

An annotation is replaced only where it is a placeholder: imported, or ready_to_annotate. From under_annotation on,
somebody has looked.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from triage_assets.groups.annotations import generate_clusters
from triage_assets.groups.audit import describe_label, describe_sequences
from triage_assets.groups.ports import Detections
from triage_assets.review.records import Annotation, Label, Origin, Stage

_AT_ONCE = 2_000  # sequences whose detections are in memory together


@dataclass(frozen=True, slots=True)
class Heir:
    """A newcomer of a labelled group, without an annotation of its own or with a placeholder."""

    sequence_id: int
    organization_key: str
    group_id: int
    label: Label
    is_unsure: bool


@dataclass(frozen=True, slots=True)
class Inheritance:
    """The annotation that an heir gets."""

    heir: Heir
    annotation: Annotation


def inherit(heirs: Sequence[Heir], detections: Detections) -> Iterator[Inheritance]:
    """The annotation of each heir, as done; an heir without a valid box in the backlog gets none."""
    # In the order in which they are stored, so that each piece of a snapshot is read once.
    ordered = sorted(heirs, key=lambda heir: (heir.organization_key, heir.sequence_id))
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        found = detections.load({heir.sequence_id: heir.organization_key for heir in some})
        for heir in some:
            tracked = found.get(heir.sequence_id)
            clusters = generate_clusters(tracked.boxes, heir.label) if tracked else ()
            if clusters:
                stage, origin = Stage.SEQ_ANNOTATION_DONE, Origin.INHERITED
                yield Inheritance(heir, Annotation(heir.sequence_id, stage, clusters, heir.is_unsure, origin))


def describe_inheritances(inheritances: Sequence[Inheritance]) -> Mapping[int, dict[str, object]]:
    """What the audit says of each group whose label was inherited."""
    heirs: dict[int, list[Heir]] = defaultdict(list)
    for inheritance in inheritances:
        heirs[inheritance.heir.group_id].append(inheritance.heir)
    return {
        group_id: {
            **describe_label(some[0].label, some[0].is_unsure),
            **describe_sequences([heir.sequence_id for heir in some]),
        }
        for group_id, some in heirs.items()
    }
