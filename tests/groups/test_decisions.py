"""What people decide about groups and single sequences, on both databases."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete

from tests.groups.readings import annotations_of, audit_of, group_of, standing
from tests.groups.review_rows import KnownDetections, detections_of, dump
from triage_assets.errors import InvalidDecision, NotInReview, NotMembers
from triage_assets.grouping import write_snapshot
from triage_assets.groups.decisions import Decisions
from triage_assets.groups.snapshot import load_snapshot
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.models import SequenceGroup
from triage_assets.review.records import (
    Action,
    BoxOnFrame,
    Cluster,
    FalsePositiveType,
    Label,
    Origin,
    SmokeType,
    Stage,
)
from triage_assets.store import open_store

ANTENNA, WILDFIRE = Label(false_positive_type=FalsePositiveType.ANTENNA), Label(SmokeType.WILDFIRE)
ANTENNAS = (Cluster(False, None, (FalsePositiveType.ANTENNA,), ()),)
DONE = Stage.SEQ_ANNOTATION_DONE


def test_validating_stamps_who_and_when(review: ReviewDatabase, decisions: Decisions) -> None:
    group = decisions.set_validated(1, True, by="bob")
    assert (group.is_validated, group.validated_by) == (True, "bob")
    assert group.validated_at is not None
    assert group.updated_at == group.validated_at
    assert [(d.action, d.by, d.details) for d in audit_of(review, 1)] == [(Action.VALIDATE, "bob", {"member_count": 3})]


def test_validating_again_keeps_the_first_reviewer_and_leaves_no_trace(
    review: ReviewDatabase, decisions: Decisions
) -> None:
    before = dump(review)
    assert decisions.set_validated(2, True, by="bob").validated_by == "ada"
    assert dump(review) == before


def test_unvalidating_takes_the_stamp_away(review: ReviewDatabase, decisions: Decisions) -> None:
    group = decisions.set_validated(2, False, by="bob")
    assert (group.is_validated, group.validated_by, group.validated_at) == (False, None, None)
    assert [d.action for d in audit_of(review, 2)] == [Action.UNVALIDATE]
    before = dump(review)
    decisions.set_validated(2, False, by="bob")
    assert dump(review) == before


def test_a_removed_member_is_out_until_somebody_re_includes_it(review: ReviewDatabase, decisions: Decisions) -> None:
    decisions.remove_member(2, 21, by="bob")
    assert standing(review, 21) == (None, True, 2)
    assert group_of(review, 2).member_count == 4
    before = dump(review)
    decisions.remove_member(2, 21, by="bob")
    assert dump(review) == before, "a second click"

    decisions.re_include(21, by="carl")
    assert standing(review, 21) == (2, False, None), "also into a validated group"
    assert group_of(review, 2).member_count == 5
    before = dump(review)
    decisions.re_include(21, by="carl")
    assert dump(review) == before, "a second click"
    assert [(d.action, d.by, d.sequence_id) for d in audit_of(review, 2)] == [
        (Action.RE_INCLUDE, "carl", 21),
        (Action.REMOVE_MEMBER, "bob", 21),
    ]


def test_a_removed_members_annotation_stays_and_a_copied_label_counts_while_it_is_a_member(
    tmp_path: Path, review: ReviewDatabase, decisions: Decisions
) -> None:
    store = open_store(str(tmp_path / "store"))

    def counted() -> set[int]:
        write_snapshot(store, review)
        snapshot = load_snapshot(store)
        assert snapshot is not None
        return set(snapshot.standing_annotations()["sequence_id"].to_pylist()) & {21, 22}

    decisions.annotate(21, ANTENNA, by="bob")
    before = annotations_of(review, 21, 22)
    assert (before[22][1], counted()) == (Origin.PROPAGATED, {21, 22})
    for sequence_id in (21, 22):
        decisions.remove_member(2, sequence_id, by="carl")
    assert annotations_of(review, 21, 22) == before
    assert counted() == {21}, "nobody has looked at 22, and it is no antenna, or why was it taken out"
    decisions.re_include(22, by="carl")
    assert counted() == {21, 22}


def test_re_including_where_the_group_is_gone_leaves_it_to_the_next_assignment(
    review: ReviewDatabase, decisions: Decisions
) -> None:
    with review.write() as write:
        write.connection.execute(delete(SequenceGroup).where(SequenceGroup.id == 1))
    for sequence_id in (42, 43):
        decisions.re_include(sequence_id, by="bob")
        assert standing(review, sequence_id) == (None, False, None)


@pytest.mark.parametrize(
    ("decide", "error"),
    [
        (lambda d: d.set_validated(9, True, by="bob"), NotInReview),
        (lambda d: d.remove_member(9, 11, by="bob"), NotInReview),
        (lambda d: d.remove_member(1, 999, by="bob"), NotInReview),
        # In another group, in none, and taken out of another one.
        (lambda d: d.remove_member(1, 21, by="bob"), NotMembers),
        (lambda d: d.remove_member(1, 41, by="bob"), NotMembers),
        (lambda d: d.remove_member(2, 42, by="bob"), NotMembers),
        (lambda d: d.re_include(999, by="bob"), NotInReview),
        (lambda d: d.annotate(999, ANTENNA, by="bob"), NotInReview),
        # A label needs boxes to be stamped on: 24 has none, 25 has left the backlog.
        (lambda d: d.annotate(24, ANTENNA, by="bob"), InvalidDecision),
        (lambda d: d.annotate(25, ANTENNA, by="bob"), InvalidDecision),
    ],
)
def test_what_cannot_be_decided_changes_nothing(
    review: ReviewDatabase, decisions: Decisions, decide: Callable[[Decisions], object], error: type[Exception]
) -> None:
    before = dump(review)
    with pytest.raises(error):
        decide(decisions)
    assert dump(review) == before


def box(detection_id: int, *corners: float) -> tuple[BoxOnFrame, ...]:
    return (BoxOnFrame(detection_id, corners),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        # Done, and says nothing.
        ((), "no clusters, and not unsure"),
        ((Cluster(True, None, (FalsePositiveType.SKY,), ()),), "is smoke, and has false-positive types"),
        ((Cluster(False, SmokeType.OTHER, (), ()),), "is no smoke, and has a smoke type"),
        # A frame of another sequence.
        ((Cluster(True, None, (), box(1200, 0.1, 0.1, 0.2, 0.2)),), "found detection 1200"),
        ((Cluster(True, None, (), box(1100, 0.3, 0.1, 0.2, 0.2)),), "reversed or all zeros"),
        ((Cluster(True, None, (), box(1100, 0.0, 0.0, 0.0, 0.0)),), "reversed or all zeros"),
        ((Cluster(True, None, (), box(1100, 0.1, 0.1, 0.2, 1.2)),), "reaches over the border"),
        ((Cluster(True, None, (), box(1100, 0.1, -0.1, 0.2, 0.2)),), "reaches over the border"),
    ],
)
def test_clusters_that_cannot_be_are_refused(
    review: ReviewDatabase, decisions: Decisions, clusters: tuple[Cluster, ...], message: str
) -> None:
    before = dump(review)
    with pytest.raises(InvalidDecision, match=message):
        decisions.annotate(11, clusters, by="bob")
    assert dump(review) == before


def test_boxes_that_were_detected_or_stored_are_taken_as_they_are(
    review: ReviewDatabase, decisions: Decisions, detections: KnownDetections
) -> None:
    """Detected boxes reach over the border at times, and sequences leave the backlog."""
    detections[11] = detections_of(11, [(-0.1, 0.2, 0.3, 1.2)])
    detected = (Cluster(True, SmokeType.OTHER, (), box(1100, -0.1, 0.2, 0.3, 1.2)),)
    stored = decisions.annotate(11, detected, by="bob").stored
    assert stored.annotation.clusters == detected
    detections.clear()
    assert decisions.annotate(11, stored.annotation.clusters, stage=Stage.ANNOTATED, by="bob").stored
    before = dump(review)
    for corners in ((-0.1, 0.2, 0.3, 1.1), (0.1, 0.2, 0.3, 0.4)):
        moved = (*detected, Cluster(True, None, (), box(1100, *corners)))
        with pytest.raises(InvalidDecision):
            decisions.annotate(11, moved, by="bob")
    assert dump(review) == before


def test_annotating_without_a_validated_group_is_about_one_sequence(
    review: ReviewDatabase, decisions: Decisions
) -> None:
    for sequence_id, group_id in ((11, 1), (41, None), (42, None)):
        saved = decisions.annotate(sequence_id, WILDFIRE, is_unsure=True, by="bob")
        assert (saved.group and saved.group.id, saved.warning) == (group_id, None)
        expected = (DONE, Origin.PERSON, True, ("wildfire",), ("bob",))
        assert annotations_of(review, sequence_id) == {sequence_id: expected}
    assert annotations_of(review, 12, 13) == {}
    assert group_of(review, 1).label is None
    assert [(d.action, d.details) for d in audit_of(review, 1)] == [
        (
            Action.ANNOTATE,
            {"smoke_type": "wildfire", "is_unsure": True, "stage": "seq_annotation_done", "clusters": 1},
        )
    ]
