"""One label for many sequences, on both databases."""

from collections.abc import Callable

import pytest
from sqlalchemy import insert, select

from tests.groups.readings import Elsewhere, annotations_of, audit_of, group_of
from tests.groups.review_rows import KEY, NOON, KnownDetections, all_detections, detections_of, dump, fill_review
from triage_assets.errors import InvalidDecision, LabelConflict, NotInReview, NotMembers
from triage_assets.groups.bulk import BulkReport, BulkRequest, Contradiction
from triage_assets.groups.decisions import Decisions
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.models import DecisionRow, ReviewSequence
from triage_assets.review.records import FalsePositiveType, Label, Origin, SmokeType, Stage

ANTENNA, WILDFIRE = Label(false_positive_type=FalsePositiveType.ANTENNA), Label(SmokeType.WILDFIRE)
DONE = Stage.SEQ_ANNOTATION_DONE
NO_BOXES = "no predictions to seed an annotation"


@pytest.fixture
def elsewhere(review: ReviewDatabase) -> Elsewhere:
    fill_review(review)
    return Elsewhere(all_detections())


@pytest.fixture
def decisions(review: ReviewDatabase, elsewhere: Elsewhere) -> Decisions:
    return Decisions(DecisionDatabase(review), elsewhere)


def test_each_sequence_is_applied_or_skipped_with_a_reason(review: ReviewDatabase, decisions: Decisions) -> None:
    request = BulkRequest((25, 21, 999, 22, 21, 23, 24, 41), WILDFIRE, is_unsure=True)
    assert decisions.annotate_many(request, by="bob") == BulkReport(
        applied=(21, 22, 41),
        skipped={25: NO_BOXES, 999: "not found", 23: "locked stage: under_annotation", 24: NO_BOXES},
        group_label_updated=False,
    )
    expected = (DONE, Origin.BULK, True, ("wildfire",), ("bob",))
    assert annotations_of(review, 21, 22, 41) == dict.fromkeys((21, 22, 41), expected)
    assert annotations_of(review, 23)[23][0] == Stage.UNDER_ANNOTATION
    assert group_of(review, 2).label is None, "no group was named"
    with review.read() as connection:
        lines = connection.execute(select(DecisionRow.group_id, DecisionRow.details).order_by(DecisionRow.id)).all()
    assert [(line.group_id, line.details["applied"], line.details["skipped"]) for line in lines] == [
        (2, 2, 3),
        (None, 1, 1),
    ]


def test_the_named_group_takes_the_label_validated_or_not(review: ReviewDatabase, decisions: Decisions) -> None:
    report = decisions.annotate_many(BulkRequest((11, 12), ANTENNA, group_id=1), by="bob")
    assert report == BulkReport((11, 12), {}, group_label_updated=True)
    group = group_of(review, 1)
    assert (group.label, group.labeled_by, group.is_validated) == (ANTENNA, "bob", False)
    assert annotations_of(review, 13) == {}, "only those that were named"
    (line,) = audit_of(review, 1)
    assert line.details == {
        "false_positive_type": "antenna", "is_unsure": False, "applied": 2, "sequence_ids": [11, 12], "skipped": 0,
        "group_label_updated": True,
    }  # fmt: skip


def test_a_retry_changes_nothing(review: ReviewDatabase, decisions: Decisions) -> None:
    request = BulkRequest((11, 12), ANTENNA, group_id=1)
    decisions.annotate_many(request, by="bob")
    before = dump(review)
    assert decisions.annotate_many(request, by="bob") == BulkReport(
        (), dict.fromkeys((11, 12), "locked stage: seq_annotation_done"), group_label_updated=False
    )
    assert dump(review) == before


def test_the_groups_label_stays_where_no_sequence_took_it(review: ReviewDatabase, decisions: Decisions) -> None:
    before = dump(review)
    report = decisions.annotate_many(BulkRequest((23, 24, 25), ANTENNA, group_id=2), by="bob")
    assert (report.applied, report.group_label_updated) == ((), False)
    assert dump(review) == before


def test_force_replaces_the_label_and_never_touches_what_is_locked(
    review: ReviewDatabase, decisions: Decisions
) -> None:
    decisions.annotate(32, ANTENNA, stage=Stage.ANNOTATED, by="ada")
    report = decisions.annotate_many(BulkRequest((31, 32), WILDFIRE, group_id=3, force=True), by="bob")
    assert report == BulkReport((31,), {32: "locked stage: annotated"}, group_label_updated=True)
    assert (group_of(review, 3).label, group_of(review, 3).labeled_by) == (WILDFIRE, "bob")
    assert annotations_of(review, 32)[32][3] == ("antenna",)
    assert audit_of(review, 3)[0].details["replaced"] == "false positive: antenna"


def test_validated_groups_that_say_something_else_are_named(review: ReviewDatabase, decisions: Decisions) -> None:
    report = decisions.annotate_many(BulkRequest((11, 21, 31, 32), WILDFIRE), by="bob")
    assert report == BulkReport(
        (11, 21, 31, 32), {}, False, contradictions=(Contradiction(3, ANTENNA, (31, 32), 2),), n_contradicted=1
    )
    assert group_of(review, 3).label == ANTENNA
    assert audit_of(review, 3)[0].details["conflicts_with"] == "false positive: antenna"
    assert "conflicts_with" not in audit_of(review, 2)[0].details


def test_what_agrees_with_the_group_or_is_in_one_that_nobody_validated_is_no_contradiction(
    review: ReviewDatabase, decisions: Decisions
) -> None:
    decisions.relabel(1, WILDFIRE, by="ada")
    report = decisions.annotate_many(BulkRequest((11, 31, 41), ANTENNA), by="bob")
    assert (report.applied, report.contradictions, report.n_contradicted) == ((11, 31, 41), (), 0)


def test_of_many_contradictions_the_first_are_named_and_all_are_counted(
    review: ReviewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_review(review)
    detections = all_detections()
    monkeypatch.setattr("triage_assets.groups.bulk._NAMED_GROUPS", 1)
    monkeypatch.setattr("triage_assets.groups.bulk._NAMED_SEQUENCES", 1)
    decisions = Decisions(DecisionDatabase(review), detections)
    decisions.relabel(2, ANTENNA, by="ada")
    report = decisions.annotate_many(BulkRequest((31, 32, 21), WILDFIRE), by="bob")
    assert report.contradictions == (Contradiction(3, ANTENNA, (31,), 2),)
    assert report.n_contradicted == 2


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (BulkRequest((11,), ANTENNA, group_id=9), NotInReview, "There is no group 9"),
        # In another group, in none, and not at all.
        (BulkRequest((11, 21, 41, 999), ANTENNA, group_id=1), NotMembers, "Not members of group 1: 21, 41, 999"),
        (BulkRequest(tuple(range(900, 907)), ANTENNA, group_id=1), NotMembers, "904 and 2 more"),
        (BulkRequest((31,), WILDFIRE, group_id=3), LabelConflict, "found false positive: antenna; expected smoke: w"),
        (BulkRequest((), ANTENNA), InvalidDecision, "found 0"),
        (BulkRequest(tuple(range(100_001)), ANTENNA), InvalidDecision, "found 100,001"),
    ],
)
def test_a_refused_bulk_writes_nothing(
    review: ReviewDatabase, decisions: Decisions, request_: BulkRequest, error: type[Exception], message: str
) -> None:
    before = dump(review)
    with pytest.raises(error, match=message):
        decisions.annotate_many(request_, by="bob")
    assert dump(review) == before


@pytest.mark.parametrize(
    ("meanwhile", "error"),
    [
        (lambda d: d.remove_member(1, 11, by="carl"), NotMembers),
        (lambda d: d.annotate_many(BulkRequest((12,), WILDFIRE, group_id=1), by="carl"), LabelConflict),
    ],
)
def test_what_others_decide_while_boxes_are_read_counts(
    review: ReviewDatabase,
    elsewhere: Elsewhere,
    decisions: Decisions,
    meanwhile: Callable[[Decisions], object],
    error: type[Exception],
) -> None:
    elsewhere.meanwhile = lambda: meanwhile(decisions)
    with pytest.raises(error):
        decisions.annotate_many(BulkRequest((11,), ANTENNA, group_id=1), by="bob")
    assert annotations_of(review, 11) == {}


def test_a_hundred_thousand_sequences_are_one_decision(review: ReviewDatabase) -> None:
    ids = range(1, 100_001)
    frames = detections_of(7, [(0.1, 0.1, 0.3, 0.3)])
    decisions = Decisions(DecisionDatabase(review), KnownDetections(dict.fromkeys(ids, frames)))
    row = {"organization_key": KEY, "recorded_at": NOON, "last_seen_at": NOON, "n_detections": 2, "first_boxes": []}
    with review.write() as write:
        rows = [{"id": each, **row, "revision": write.revision} for each in ids]
        write.connection.execute(insert(ReviewSequence), rows)
    report = decisions.annotate_many(BulkRequest((*ids, *ids), ANTENNA), by="bob")
    assert len(report.applied) == 100_000
    with review.read() as connection:
        (details,) = connection.execute(select(DecisionRow.details)).scalars()
    assert (details["applied"], len(details["sequence_ids"])) == (100_000, 200)
