"""What somebody has seen, and who was faster, on both databases."""

from collections.abc import Callable

import pytest

from tests.groups.readings import audit_of
from tests.groups.review_rows import all_detections, dump, fill_review
from triage_assets.errors import ChangedMeanwhile
from triage_assets.groups.decisions import Decisions
from triage_assets.groups.relabelling import GroupChange
from triage_assets.groups.seen import Seen
from triage_assets.review.annotations import save_annotations
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.records import (
    Annotation,
    BoxOnFrame,
    Cluster,
    FalsePositiveType,
    Label,
    Origin,
    SmokeType,
    Stage,
)

ANTENNA, WILDFIRE = Label(false_positive_type=FalsePositiveType.ANTENNA), Label(SmokeType.WILDFIRE)
DONE = Stage.SEQ_ANNOTATION_DONE


@pytest.fixture
def decisions(review: ReviewDatabase) -> Decisions:
    fill_review(review)
    return Decisions(DecisionDatabase(review), all_detections())


def test_what_is_as_it_was_seen_is_replaced(decisions: Decisions) -> None:
    first = decisions.annotate(11, ANTENNA, seen=Seen(None), by="bob").stored
    second = decisions.annotate(11, WILDFIRE, seen=Seen(first.revision), by="bob").stored
    assert second.revision > first.revision


@pytest.mark.parametrize(
    ("decide", "message"),
    [
        # Another tab's label; the same with a number of its own; one where there was none.
        (lambda d: d.annotate(11, ANTENNA, seen=Seen(1), by="bob"), r"11 was written by carl \(annotate\) at 20\d\d-"),
        (lambda d: d.annotate(11, ANTENNA, seen=Seen(None), by="bob"), "expected no annotation"),
        # One that came through the group, and one that nobody decided.
        (lambda d: d.annotate(22, ANTENNA, seen=Seen(1), by="bob"), r"22 was written by carl \(propagate\)"),
        (lambda d: d.annotate(23, ANTENNA, seen=Seen(9), by="bob"), "23 was written by the assignment"),
        (lambda d: d.annotate(12, ANTENNA, seen=Seen(1), by="bob"), "Sequence 12 has no annotation"),
        (
            lambda d: d.update_group(2, GroupChange(is_unsure=True), seen=Seen(1), by="bob"),
            "Group 2 has changed since it was looked at; .* carl",
        ),
        (
            lambda d: d.update_group(3, GroupChange(is_unsure=True), seen=Seen(9), by="bob"),
            "Group 3 has changed; found",
        ),
    ],
)
def test_what_has_changed_since_it_was_seen_is_not_replaced(
    review: ReviewDatabase, decisions: Decisions, decide: Callable[[Decisions], object], message: str
) -> None:
    decisions.annotate(11, WILDFIRE, by="carl")
    decisions.annotate(21, WILDFIRE, by="carl")
    before = dump(review)
    with pytest.raises(ChangedMeanwhile, match=message):
        decide(decisions)
    assert dump(review) == before


def test_a_group_as_it_was_seen_is_changed(decisions: Decisions) -> None:
    seen = decisions.set_validated(1, True, by="bob")
    changed = decisions.update_group(1, GroupChange(label=ANTENNA), seen=Seen(seen.revision), by="carl")
    assert changed.revision > seen.revision


def test_a_replaced_annotation_is_in_the_audit_with_its_boxes(review: ReviewDatabase, decisions: Decisions) -> None:
    box = BoxOnFrame(1100, (0.1, 0.1, 0.2, 0.2))
    hers = decisions.annotate(11, (Cluster(True, None, (), (box,)),), stage=Stage.ANNOTATED, by="carl").stored
    decisions.annotate(11, ANTENNA, by="bob")
    details = audit_of(review, 1)[0].details
    assert details["replaced_annotation"] == {
        "stage": "annotated", "is_unsure": False, "origin": "person",
        "clusters": [
            {
                "is_smoke": True, "smoke_type": None, "false_positive_types": [],
                "bboxes": [{"detection_id": 1100, "xyxyn": [0.1, 0.1, 0.2, 0.2]}],
            }
        ],
    }  # fmt: skip
    assert details["replaced_contributors"] == ["carl"]
    assert details["replaced_of"] == hers.updated_at.isoformat()
    decisions.annotate(11, ANTENNA, by="bob")
    assert "replaced_annotation" not in audit_of(review, 1)[0].details, "it says the same"


def test_of_a_large_one_the_audit_keeps_the_first_boxes_and_says_so(
    review: ReviewDatabase, decisions: Decisions
) -> None:
    box = BoxOnFrame(1100, (0.1, 0.1, 0.2, 0.2))
    clusters = (
        Cluster(True, None, (), (box,) * 400),
        Cluster(True, None, (), (box,) * 300),
        Cluster(True, None, (), ()),
    )
    with review.write() as write:
        save_annotations(write, [Annotation(11, DONE, clusters, False, Origin.PERSON)], None)
    decisions.annotate(11, ANTENNA, by="bob")
    details = audit_of(review, 1)[0].details
    kept = details["replaced_annotation"]
    assert isinstance(kept, dict)
    assert [len(cluster["bboxes"]) for cluster in kept["clusters"]] == [400, 100, 0]
    assert details["replaced_boxes_left_out"] == 200
