"""Annotations in the review database.

What lives here: writing and reading them, and the JSON form of their clusters. What does not: what may be written over
what (`triage_assets.groups`).
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from triage_assets.review.aggregates import add_annotator
from triage_assets.review.database import Write
from triage_assets.review.models import AnnotationContributor, Reviewer, ReviewSequence, SequenceAnnotation
from triage_assets.review.records import (
    Annotation,
    BoxOnFrame,
    Cluster,
    FalsePositiveType,
    Origin,
    SmokeType,
    Stage,
    StoredAnnotation,
)

_ROWS = 2_000  # a statement's worth: an annotation is some 2 kB of JSON

_REPLACED = (
    "stage", "has_smoke", "has_false_positives", "smoke_types", "false_positive_types", "is_unsure", "annotation",
    "origin", "updated_at", "revision",
)  # fmt: skip


def save_annotations(write: Write, annotations: Iterable[Annotation], contributor_id: int | None) -> int:
    """Write annotations over those that the sequences have; who contributed before stays named. Returns how many.

    The annotations are taken a few thousand at a time, so they may be made as they are asked for.
    """
    is_sqlite = write.connection.dialect.name == "sqlite"
    insert = sqlite.insert if is_sqlite else postgresql.insert
    upsert = insert(SequenceAnnotation)
    upsert = upsert.on_conflict_do_update(
        index_elements=["sequence_id"], set_={name: upsert.excluded[name] for name in _REPLACED}
    )
    contribute = insert(AnnotationContributor).on_conflict_do_nothing()
    remaining = iter(annotations)
    n_saved = 0
    while some := list(islice(remaining, _ROWS)):
        ids = [annotation.sequence_id for annotation in some]
        write.connection.execute(upsert, [_row_of(annotation, write) for annotation in some])
        changed = update(ReviewSequence).where(ReviewSequence.id.in_(ids)).values(revision=write.revision)
        write.connection.execute(changed)
        if contributor_id is not None:
            who = {"reviewer_id": contributor_id, "contributed_at": write.now}
            write.connection.execute(contribute, [{"sequence_id": sequence_id, **who} for sequence_id in ids])
            add_annotator(write, ids, contributor_id)
        n_saved += len(some)
    return n_saved


def load_annotations(connection: Connection, sequence_ids: Collection[int]) -> dict[int, StoredAnnotation]:
    """The annotations of these sequences by id; those that have none are absent."""
    found: dict[int, StoredAnnotation] = {}
    remaining = iter(sequence_ids)
    while ids := list(islice(remaining, _ROWS)):
        contributors = load_contributors(connection, ids)
        table = SequenceAnnotation.__table__
        for row in connection.execute(table.select().where(SequenceAnnotation.sequence_id.in_(ids))):
            annotation = Annotation(
                row.sequence_id, Stage(row.stage), parse_clusters(row.annotation), row.is_unsure, Origin(row.origin)
            )
            names = contributors.get(row.sequence_id, ())
            found[row.sequence_id] = StoredAnnotation(annotation, names, row.created_at, row.updated_at, row.revision)
    return found


def load_contributors(connection: Connection, sequence_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """The names of who contributed to these sequences' annotations, the first first; those without are absent.

    A few thousand ids at most: they are one statement's.
    """
    found: dict[int, tuple[str, ...]] = {}
    people = (
        select(AnnotationContributor.sequence_id, Reviewer.name)
        .join(Reviewer, Reviewer.id == AnnotationContributor.reviewer_id)
        .where(AnnotationContributor.sequence_id.in_(sequence_ids))
        .order_by(AnnotationContributor.contributed_at, Reviewer.id)
    )
    for sequence_id, name in connection.execute(people):
        found[sequence_id] = (*found.get(sequence_id, ()), name)
    return found


def describe_annotation(annotation: Annotation) -> dict[str, Any]:
    """An annotation as JSON values."""
    return {
        "stage": annotation.stage,
        "is_unsure": annotation.is_unsure,
        "origin": annotation.origin,
        "clusters": describe_clusters(annotation.clusters),
    }


def describe_clusters(clusters: Sequence[Cluster]) -> list[dict[str, Any]]:
    """Clusters as JSON values, in the form that annotators exchange."""
    return [
        {
            "is_smoke": cluster.is_smoke,
            "smoke_type": cluster.smoke_type,
            "false_positive_types": cluster.false_positive_types,
            "bboxes": [{"detection_id": box.detection_id, "xyxyn": box.xyxyn} for box in cluster.boxes],
        }
        for cluster in clusters
    ]


def parse_clusters(values: Sequence[dict[str, Any]]) -> tuple[Cluster, ...]:
    """Clusters from their JSON values."""
    return tuple(
        Cluster(
            value["is_smoke"],
            SmokeType(value["smoke_type"]) if value["smoke_type"] else None,
            tuple(FalsePositiveType(kind) for kind in value["false_positive_types"]),
            tuple(BoxOnFrame(box["detection_id"], _corners(box["xyxyn"])) for box in value["bboxes"]),
        )
        for value in values
    )


def _corners(values: Sequence[float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = values
    return x1, y1, x2, y2


def _row_of(annotation: Annotation, write: Write) -> dict[str, object]:
    return {
        "sequence_id": annotation.sequence_id,
        "stage": annotation.stage,
        "has_smoke": annotation.has_smoke,
        "has_false_positives": annotation.has_false_positives,
        "smoke_types": annotation.smoke_types,
        "false_positive_types": annotation.false_positive_types,
        "is_unsure": annotation.is_unsure,
        "annotation": describe_clusters(annotation.clusters),
        "origin": annotation.origin,
        "created_at": write.now,
        "updated_at": write.now,
        "revision": write.revision,
    }
