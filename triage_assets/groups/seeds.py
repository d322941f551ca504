"""Annotations that are generated from sequences' own boxes, under one label.

What lives here: having boxes at hand before a write transaction needs them. What does not: which sequences get an
annotation (`decisions`, `bulk`).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from triage_assets.groups.annotations import generate_clusters
from triage_assets.groups.ports import Detections, Reader, Review, Writer
from triage_assets.review.records import Annotation, Cluster, Label, Origin, SequenceState, Stage

NO_PREDICTIONS = "no predictions to seed an annotation"

_AT_ONCE = 2_000  # sequences whose detections are in memory together
# Everybody else who writes waits for a transaction: boxes of so many sequences at most are read inside of one (0.1 s
# from a local store), unless the database changed that much again and again while they were read outside.
_FEW = 200
_TRIES = 3

Needed = Callable[[Reader], Iterable[SequenceState]]
"""The sequences whose boxes a decision needs, as the database is now."""


class Seeds:
    """Clusters of sequences' own boxes under one label; empty for a sequence that has no valid box to give."""

    def __init__(self, detections: Detections, label: Label) -> None:
        self._detections = detections
        self._label = label
        self._clusters: dict[int, tuple[Cluster, ...]] = {}

    @contextmanager
    def write(self, review: Review, by: str, needed: Needed) -> Iterator[Writer]:
        """A write transaction in which the boxes of all that are needed are at hand. Raises `ReviewUnavailable`."""
        with review.read() as read:
            missing = self._missing(needed(read))
        for _ in range(_TRIES):
            self.prepare(missing)
            with review.write(by) as write:
                # Others may have joined the group, or been unlocked, since the last look.
                missing = self._missing(needed(write))
                if len(missing) <= _FEW:
                    self.prepare(missing)
                    yield write
                    return
        with review.write(by) as write:
            self.prepare(self._missing(needed(write)))
            yield write

    def prepare(self, states: Iterable[SequenceState]) -> None:
        """Read the boxes of these sequences."""
        # By organization and id, as they are stored: each piece of a snapshot is read once.
        ordered = sorted(states, key=lambda state: (state.organization_key, state.id))
        for start in range(0, len(ordered), _AT_ONCE):
            some = ordered[start : start + _AT_ONCE]
            found = self._detections.load({state.id: state.organization_key for state in some})
            for state in some:
                tracked = found.get(state.id)
                self._clusters[state.id] = generate_clusters(tracked.boxes, self._label) if tracked else ()

    def of(self, state: SequenceState) -> tuple[Cluster, ...]:
        """The clusters of a sequence that was prepared."""
        return self._clusters[state.id]

    def annotate(self, states: Iterable[SequenceState], *, is_unsure: bool, origin: Origin) -> Iterator[Annotation]:
        """The annotation of each sequence, as done."""
        for state in states:
            yield Annotation(state.id, Stage.SEQ_ANNOTATION_DONE, self.of(state), is_unsure, origin)

    def _missing(self, states: Iterable[SequenceState]) -> list[SequenceState]:
        return [state for state in states if state.id not in self._clusters]
