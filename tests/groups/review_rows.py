"""A small review database to decide in, the detections of its sequences, and everything that a decision could change.

What lives here: groups and sequences as rows, and a dump of every table. What does not: an assignment, which makes them
in real life.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, text

from triage_assets.annotator.records import Box, Detection, TrackedBoxes
from triage_assets.review.aggregates import refresh_aggregates
from triage_assets.review.annotations import save_annotations
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.models import Base, ReviewSequence, SequenceGroup
from triage_assets.review.records import Annotation, Origin, Stage

KEY = "north-7"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
BOXES = {True: ((0.1, 0.1, 0.3, 0.3), (0.12, 0.1, 0.32, 0.3)), False: ()}


def detections_of(sequence_id: int, boxes: Iterable[tuple[float, float, float, float]]) -> tuple[Detection, ...]:
    """One frame per box, and a last one without any."""
    boxes = (*((Box(*corners, 0.5),) for corners in boxes), ())
    return tuple(
        Detection(sequence_id * 100 + number, sequence_id, NOON + timedelta(seconds=number), f"{number}.jpg", some)
        for number, some in enumerate(boxes)
    )


def tracked_of(detections: Sequence[Detection]) -> TrackedBoxes:
    """What a sequence's detections hold of tracked boxes."""
    frames = sorted(detections, key=lambda frame: (frame.recorded_at, frame.id))
    boxes = tuple((frame.id, (box.x1, box.y1, box.x2, box.y2)) for frame in frames for box in frame.boxes)
    return TrackedBoxes(tuple(frame.id for frame in frames), boxes)


class KnownDetections(dict[int, tuple[Detection, ...]]):
    """Detections by sequence id, and which of them were asked for."""

    asked: list[int]

    def load(self, organization_keys: Mapping[int, str]) -> dict[int, TrackedBoxes]:
        self.asked = [*getattr(self, "asked", []), *organization_keys]
        assert set(organization_keys.values()) <= {KEY}
        return {each: tracked_of(self[each]) for each in organization_keys if each in self}


# 24 has no box; 25 has left the backlog; 42 was taken out of group 1; 43 is excluded, and its group is gone.
GROUPS = {1: [11, 12, 13], 2: [21, 22, 23, 24, 25], 3: [31, 32]}
OUTSIDE = [41, 42, 43]


def all_detections() -> KnownDetections:
    """What the backlog holds of the sequences of `fill_review`."""
    ids = [*(each for members in GROUPS.values() for each in members), *OUTSIDE]
    return KnownDetections({each: detections_of(each, BOXES[each != 24]) for each in ids if each != 25})


def fill_review(review: ReviewDatabase) -> None:
    """Group 2 is validated by ada; 3 too, and labelled antenna. 23 is under annotation, 22 a placeholder."""
    with review.write() as write:
        ada = write.connection.execute(
            text("INSERT INTO reviewers (name, created_at) VALUES ('ada', '2026-07-01 12:00:00') RETURNING id")
        ).scalar_one()
        for group_id in GROUPS:
            write.connection.execute(insert(SequenceGroup).values(**_group(group_id, ada, write.revision)))
        for group_id, members in GROUPS.items():
            for sequence_id in members:
                add_sequence(write.connection, sequence_id, write.revision, group_id=group_id)
        add_sequence(write.connection, 41, write.revision)
        add_sequence(write.connection, 42, write.revision, is_group_excluded=True, excluded_from=1)
        add_sequence(write.connection, 43, write.revision, is_group_excluded=True)
        refresh_aggregates(write, list(GROUPS))
        stages = {22: Stage.READY_TO_ANNOTATE, 23: Stage.UNDER_ANNOTATION}
        save_annotations(write, [Annotation(each, stages[each], (), False, Origin.PERSON) for each in stages], None)


def _group(group_id: int, reviewer: int, revision: int) -> dict[str, Any]:
    validated = group_id in (2, 3)
    labeled = group_id == 3
    return {
        "id": group_id, "camera_id": 5, "camera_name": "cam", "azimuth": 90, "organization_key": KEY,
        "organization_name": "North", "x1": 0.1, "y1": 0.1, "x2": 0.3, "y2": 0.3, "confidence": 0.5,
        "false_positive_type": "antenna" if labeled else None,
        "labeled_at": NOON if labeled else None, "labeled_by": reviewer if labeled else None,
        "is_validated": validated, "validated_at": NOON if validated else None,
        "validated_by": reviewer if validated else None,
        "created_at": NOON, "updated_at": NOON, "member_count": 0, "revision": revision,
    }  # fmt: skip


def add_sequence(connection: Any, sequence_id: int, revision: int, **values: Any) -> None:
    """One sequence, in no group unless told."""
    row = {
        "id": sequence_id, "organization_key": KEY, "camera_id": 5, "azimuth": 90,
        "recorded_at": NOON + timedelta(minutes=sequence_id), "last_seen_at": NOON + timedelta(minutes=sequence_id),
        "n_detections": 3, "first_detection_id": sequence_id * 100, "first_boxes": [[0.1, 0.1, 0.3, 0.3, 0.5]],
        "revision": revision, **values,
    }  # fmt: skip
    connection.execute(insert(ReviewSequence).values(**row))


def dump(review: ReviewDatabase) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in order."""
    with review.read() as connection:
        return {
            table.name: sorted(tuple(map(repr, row)) for row in connection.execute(select(table)))
            for table in Base.metadata.sorted_tables
        }
