"""Annotations from boxes, and labels from annotations.

What lives here: clustering a sequence's own boxes under one label, and the one label that an annotation stands for.
What does not: who may write either of them where (`propagation`, `decisions`), and how they are kept.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from triage_assets.annotator.records import Detection
from triage_assets.groups.boxes import is_valid_box
from triage_assets.review.records import Annotation, BoxOnFrame, Cluster, Label

_Corners = tuple[float, float, float, float]
_Word = TypeVar("_Word")


def generate_clusters(detections: Sequence[Detection], label: Label) -> tuple[Cluster, ...]:
    """One labelled cluster per thing in a sequence; empty where it has no valid box.

    Boxes are taken in time order, and on one frame in the annotator's order. Each joins the oldest cluster of which it
    overlaps any box, or founds the next. Clusters that a later box touches both of stay two: a bridge is more often a
    box too wide than one thing. A box without an area overlaps nothing, and is a cluster of its own.
    """
    clusters: list[list[BoxOnFrame]] = []
    for detection in sorted(detections, key=lambda detection: (detection.recorded_at, detection.id)):
        for box in detection.boxes:
            if not is_valid_box(box.x1, box.y1, box.x2, box.y2):
                continue
            corners = (box.x1, box.y1, box.x2, box.y2)
            mine = next((boxes for boxes in clusters if _overlaps_any(corners, boxes)), None)
            if mine is None:
                clusters.append(mine := [])
            mine.append(BoxOnFrame(detection.id, corners))
    false_positive_types = (label.false_positive_type,) if label.false_positive_type else ()
    is_smoke = label.smoke_type is not None
    return tuple(Cluster(is_smoke, label.smoke_type, false_positive_types, tuple(boxes)) for boxes in clusters)


def derive_label(annotation: Annotation) -> Label | None:
    """The one label that a whole annotation stands for, None where it stands for none.

    The most common smoke type, of equally common ones that of the first cluster that has one of them. Without any
    smoke, the most common false-positive type, ties alike. Smoke of no stated type beside false positives derives
    nothing: their label would bury the smoke.
    """
    clusters = annotation.clusters
    if annotation.has_smoke:
        smoke_type = _most_common(cluster.smoke_type for cluster in clusters if cluster.is_smoke and cluster.smoke_type)
        return Label(smoke_type=smoke_type) if smoke_type else None
    false_positive_type = _most_common(kind for cluster in clusters for kind in cluster.false_positive_types)
    return Label(false_positive_type=false_positive_type) if false_positive_type else None


def _most_common(words: Iterable[_Word]) -> _Word | None:
    # A Counter counts in order of first occurrence, and of equal counts gives the first.
    return next((word for word, _ in Counter(words).most_common(1)), None)


def _overlaps_any(corners: _Corners, boxes: Sequence[BoxOnFrame]) -> bool:
    x1, y1, x2, y2 = corners
    if x1 == x2 or y1 == y2:
        return False
    # The newest first: what a box overlaps at all is most often where it was on the frame before.
    for box in reversed(boxes):
        left, top, right, bottom = box.xyxyn
        if x1 < right and left < x2 and y1 < bottom and top < y2 and left < right and top < bottom:
            return True
    return False
