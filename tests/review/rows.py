"""Rows for tests of the review database, written straight into its tables.

What lives here: one function per table, with a valid row to change parts of. What does not: anything a rule would do.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, select

from triage_assets.review.models import (
    AccountRow,
    AnnotationContributor,
    DecisionRow,
    EndedSession,
    GroupAnnotator,
    Reviewer,
    ReviewSequence,
    SequenceAnnotation,
    SequenceGroup,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def add_group(connection: Connection, group_id: int, **changed: object) -> int:
    """A group without a label and without members, unless told otherwise."""
    row = {
        "id": group_id,
        "camera_id": 7,
        "camera_name": "north ridge",
        "azimuth": 45,
        "organization_key": "valley-1",
        "organization_name": "Valley",
        "x1": 0.1,
        "y1": 0.2,
        "x2": 0.3,
        "y2": 0.4,
        "confidence": 0.5,
        "created_at": NOON,
        "updated_at": NOON,
        "member_count": 0,
        "revision": 1,
    }
    connection.execute(insert(SequenceGroup).values(row | changed))
    return group_id


def add_sequence(connection: Connection, sequence_id: int, **changed: object) -> int:
    """A sequence in no group, a minute later than the one before it, unless told otherwise."""
    recorded = NOON + timedelta(minutes=sequence_id % 1_000_000)
    row = {
        "id": sequence_id,
        "organization_key": "valley-1",
        "camera_id": 7,
        "azimuth": 45,
        "recorded_at": recorded,
        "last_seen_at": recorded + timedelta(seconds=30),
        "n_detections": 3,
        "first_detection_id": sequence_id * 100,
        "first_boxes": [[0.1, 0.2, 0.3, 0.4, 0.5]],
        "revision": 1,
    }
    connection.execute(insert(ReviewSequence).values(row | changed))
    return sequence_id


def add_annotation(connection: Connection, sequence_id: int, **changed: object) -> int:
    """A person's finished annotation, antenna, unless told otherwise."""
    row = {
        "sequence_id": sequence_id,
        "stage": "seq_annotation_done",
        "has_smoke": False,
        "has_false_positives": True,
        "smoke_types": [],
        "false_positive_types": ["antenna"],
        "is_unsure": False,
        "annotation": [],
        "origin": "person",
        "created_at": NOON,
        "updated_at": NOON,
        "revision": 1,
    }
    connection.execute(insert(SequenceAnnotation).values(row | changed))
    return sequence_id


def add_reviewer(connection: Connection, reviewer_id: int, name: str) -> int:
    """Somebody who decides."""
    connection.execute(insert(Reviewer).values(id=reviewer_id, name=name, created_at=NOON))
    return reviewer_id


def add_account(connection: Connection, reviewer_id: int, **changed: object) -> int:
    """A viewer's account whose password nobody knows, and a session that was ended, unless told otherwise."""
    row = {
        "reviewer_id": reviewer_id,
        "name_key": f"name {reviewer_id}",
        "role": "viewer",
        "password_hash": "none",
        "session_key": b"\0\xff" * 16,
        "created_at": NOON,
    }
    connection.execute(insert(AccountRow).values(row | changed))
    connection.execute(insert(EndedSession).values(session_id=f"session {reviewer_id}", forget_at=NOON))
    return reviewer_id


def add_contributor(connection: Connection, sequence_id: int, reviewer_id: int) -> None:
    """Somebody had a hand in an annotation, and so in the group that the sequence is in."""
    row = {"sequence_id": sequence_id, "reviewer_id": reviewer_id, "contributed_at": NOON}
    connection.execute(insert(AnnotationContributor).values(row))
    group_id = connection.scalar(select(ReviewSequence.group_id).where(ReviewSequence.id == sequence_id))
    pair = {"group_id": group_id, "reviewer_id": reviewer_id}
    known = select(GroupAnnotator).filter_by(**pair)
    if group_id is not None and connection.execute(known).first() is None:
        connection.execute(insert(GroupAnnotator).values(pair))


def add_decision(connection: Connection, **changed: object) -> None:
    """One line of the audit: nobody's, about nothing, unless told otherwise."""
    connection.execute(
        insert(DecisionRow).values({"at": NOON, "action": "validate", "revision": 1, "details": {}} | changed)
    )
