"""Annotations that are generated from sequences' own boxes, under one label.

What lives here: making them ready before a write transaction needs them, and the audit's words for them. What does not:
which sequences get one (`decisions`, `bulk`).
"""

from collections.abc import Iterable, Iterator, Sequence

from triage_assets.groups.annotations import generate_clusters
from triage_assets.groups.ports import Detections
from triage_assets.review.records import Annotation, Cluster, Label, Origin, SequenceState, Stage

NO_PREDICTIONS = "no predictions to seed an annotation"

_AT_ONCE = 2_000  # sequences whose detections are in memory together
_NAMED = 200  # sequences that one line of the audit names; it counts all of them


class Seeds:
    """Clusters of sequences' own boxes under one label; empty for a sequence that has no valid box to give."""

    def __init__(self, detections: Detections, label: Label) -> None:
        self._detections = detections
        self._label = label
        self._clusters: dict[int, tuple[Cluster, ...]] = {}

    def prepare(self, states: Iterable[SequenceState]) -> None:
        """Read the boxes of these sequences."""
        # By organization and id, as they are stored: each piece of a snapshot is read once.
        ordered = sorted(states, key=lambda state: (state.organization_key, state.id))
        for start in range(0, len(ordered), _AT_ONCE):
            some = ordered[start : start + _AT_ONCE]
            found = self._detections.load({state.id: state.organization_key for state in some})
            for state in some:
                self._clusters[state.id] = generate_clusters(found.get(state.id, ()), self._label)

    def of(self, state: SequenceState) -> tuple[Cluster, ...]:
        """The sequence's clusters."""
        if state.id not in self._clusters:  # it joined the group, or was unlocked, since they were prepared
            self.prepare([state])
        return self._clusters[state.id]

    def annotate(self, states: Iterable[SequenceState], *, is_unsure: bool, origin: Origin) -> Iterator[Annotation]:
        """The annotation of each sequence, as done."""
        for state in states:
            yield Annotation(state.id, Stage.SEQ_ANNOTATION_DONE, self.of(state), is_unsure, origin)


def describe_label(label: Label | None, is_unsure: bool) -> dict[str, object]:
    """A label in the audit."""
    fields = {} if label is None else {"smoke_type": label.smoke_type, "false_positive_type": label.false_positive_type}
    return {**{name: word for name, word in fields.items() if word}, "is_unsure": is_unsure}


def describe_sequences(sequence_ids: Sequence[int]) -> dict[str, object]:
    """Sequences in the audit: how many, and the first few hundred."""
    return {"applied": len(sequence_ids), "sequence_ids": list(sequence_ids[:_NAMED])}
