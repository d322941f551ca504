"""The audit's words for labels, sequences and annotations.

What lives here: the details that decisions leave, bounded. What does not: which decision leaves which (`decisions`,
`bulk`, `relabelling`), and keeping them.
"""

from collections.abc import Sequence
from dataclasses import replace

from triage_assets.review.records import Annotation, Cluster, Label, StoredAnnotation

_NAMED = 200  # sequences that one line of the audit names; it counts all of them
_BOXES_KEPT = 500  # of an annotation that was replaced: some 40 kB


def describe_label(label: Label | None, is_unsure: bool) -> dict[str, object]:
    """A label in the audit."""
    fields = {} if label is None else {"smoke_type": label.smoke_type, "false_positive_type": label.false_positive_type}
    return {**{name: word for name, word in fields.items() if word}, "is_unsure": is_unsure}


def describe_sequences(sequence_ids: Sequence[int]) -> dict[str, object]:
    """Sequences in the audit: how many, and the first few hundred."""
    return {"applied": len(sequence_ids), "sequence_ids": list(sequence_ids[:_NAMED])}


def describe_replaced(stored: StoredAnnotation | None, by: Annotation) -> dict[str, object]:
    """An annotation that another takes the place of, with its first boxes; nothing where the two say the same."""
    if stored is None or stored.annotation == by:
        return {}
    kept, left_out = _shorten(stored.annotation)
    return {
        "replaced_annotation": kept,
        "replaced_contributors": list(stored.contributors),
        "replaced_of": stored.updated_at.isoformat(),
        **({"replaced_boxes_left_out": left_out} if left_out else {}),
    }


def _shorten(annotation: Annotation) -> tuple[Annotation, int]:
    """The annotation with its first boxes, and how many were left out; a cluster that has none left stays named."""
    clusters: list[Cluster] = []
    room, left_out = _BOXES_KEPT, 0
    for cluster in annotation.clusters:
        boxes = cluster.boxes[:room]
        room -= len(boxes)
        left_out += len(cluster.boxes) - len(boxes)
        clusters.append(replace(cluster, boxes=boxes))
    return replace(annotation, clusters=tuple(clusters)), left_out
