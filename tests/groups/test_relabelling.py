"""Correcting a group's label, and the labels that came through it, on both databases."""

import pytest

from tests.groups.readings import annotations_of, audit_of, group_of
from tests.groups.review_rows import KnownDetections, add_sequence, all_detections, dump, fill_review
from triage_assets.groups.bulk import BulkRequest
from triage_assets.groups.decisions import Decisions
from triage_assets.groups.relabelling import GroupChange
from triage_assets.review.annotations import load_annotations, save_annotations
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.records import Action, Annotation, Cluster, FalsePositiveType, Label, Origin, SmokeType, Stage

ANTENNA, WILDFIRE = Label(false_positive_type=FalsePositiveType.ANTENNA), Label(SmokeType.WILDFIRE)
DONE, READY = Stage.SEQ_ANNOTATION_DONE, Stage.READY_TO_ANNOTATE
OWN, BULK, INHERITED, REVIEWED = 21, 26, 27, 28


@pytest.fixture
def decisions(review: ReviewDatabase) -> Decisions:
    """Group 2 is labelled antenna by a slip, and every member has that label in another way."""
    fill_review(review)
    detections = all_detections()
    detections.update(dict.fromkeys((BULK, INHERITED, REVIEWED), detections[21]))
    decisions = Decisions(DecisionDatabase(review), KnownDetections(detections))
    with review.write() as write:
        for sequence_id in (BULK, INHERITED, REVIEWED):
            add_sequence(write.connection, sequence_id, write.revision, group_id=2)
        clusters = (Cluster(False, None, (FalsePositiveType.ANTENNA,), ()),)
        save_annotations(write, [Annotation(INHERITED, DONE, clusters, False, Origin.INHERITED)], None)
        # A copy that somebody has taken further is theirs.
        save_annotations(write, [Annotation(REVIEWED, Stage.IN_REVIEW, clusters, False, Origin.PROPAGATED)], None)
    decisions.annotate_many(BulkRequest((BULK,), ANTENNA), by="bob")
    decisions.annotate(OWN, ANTENNA, by="bob")
    return decisions


def words_of(review: ReviewDatabase) -> dict[int, tuple[Stage, tuple[str, ...]]]:
    found = annotations_of(review, OWN, 22, 23, BULK, INHERITED, REVIEWED)
    return {sequence_id: (each[0], each[3]) for sequence_id, each in found.items()}


ANTENNA_EVERYWHERE = {
    OWN: (DONE, ("antenna",)),
    22: (DONE, ("antenna",)),
    23: (Stage.UNDER_ANNOTATION, ()),
    BULK: (DONE, ("antenna",)),
    INHERITED: (DONE, ("antenna",)),
    REVIEWED: (Stage.IN_REVIEW, ("antenna",)),
}


def test_a_slip_is_corrected_with_the_labels_that_came_of_it(review: ReviewDatabase, decisions: Decisions) -> None:
    assert words_of(review) == ANTENNA_EVERYWHERE
    group = decisions.relabel(2, WILDFIRE, relabel_copies=True, by="carl")
    assert (group.label, group.labeled_by, group.is_unsure) == (WILDFIRE, "carl", False)
    followed = {22: (DONE, ("wildfire",)), INHERITED: (DONE, ("wildfire",))}
    assert words_of(review) == {**ANTENNA_EVERYWHERE, **followed}
    assert audit_of(review, 2)[0].action == Action.RELABEL
    assert audit_of(review, 2)[0].details == {
        "smoke_type": "wildfire", "is_unsure": False, "replaced": "false positive: antenna",
        "replaced_is_unsure": False, "relabel_copies": True, "applied": 2, "sequence_ids": [22, INHERITED],
    }  # fmt: skip
    with review.read() as connection:
        copied = load_annotations(connection, [22])[22]
    assert [[box.detection_id for box in cluster.boxes] for cluster in copied.annotation.clusters] == [[2200, 2201]]
    assert copied.annotation.origin == Origin.PROPAGATED
    assert copied.contributors == ("bob", "carl")


def test_a_copy_whose_sequence_left_the_backlog_follows_too(review: ReviewDatabase, decisions: Decisions) -> None:
    gone = Decisions(DecisionDatabase(review), KnownDetections())
    gone.relabel(2, WILDFIRE, relabel_copies=True, by="carl")
    assert words_of(review)[22] == (DONE, ("wildfire",))


def test_without_relabel_copies_only_the_group_changes(review: ReviewDatabase, decisions: Decisions) -> None:
    decisions.relabel(2, WILDFIRE, by="carl")
    assert words_of(review) == ANTENNA_EVERYWHERE
    assert group_of(review, 2).label == WILDFIRE
    decisions.relabel(2, WILDFIRE, relabel_copies=True, by="carl")
    assert words_of(review)[22] == (DONE, ("wildfire",)), "they may follow later"
    assert audit_of(review, 2)[0].details["applied"] == 2


def test_clearing_gives_copies_back_to_the_annotators(review: ReviewDatabase, decisions: Decisions) -> None:
    group = decisions.relabel(2, None, relabel_copies=True, by="carl")
    assert (group.label, group.labeled_at, group.label_state) == (None, None, "unlabeled")
    assert words_of(review) == {**ANTENNA_EVERYWHERE, 22: (READY, ()), INHERITED: (READY, ())}
    assert audit_of(review, 2)[0].details["replaced"] == "false positive: antenna"
    decisions.annotate(OWN, WILDFIRE, by="carl")
    assert words_of(review)[22] == (DONE, ("wildfire",)), "they are open to the next label"


def test_after_a_correction_members_annotations_spread_again(review: ReviewDatabase, decisions: Decisions) -> None:
    assert decisions.annotate(OWN, WILDFIRE, by="bob").warning is not None
    decisions.relabel(2, WILDFIRE, relabel_copies=True, by="bob")
    assert decisions.annotate(OWN, WILDFIRE, by="bob").warning is None


@pytest.mark.parametrize(
    ("change", "label", "is_unsure"),
    [
        # Unsure without a label is said of the group alone.
        (GroupChange(clears_label=True, is_unsure=True), None, True),
        (GroupChange(is_unsure=True), ANTENNA, True),
        (GroupChange(label=WILDFIRE, is_unsure=True), WILDFIRE, True),
        (GroupChange(label=ANTENNA), ANTENNA, False),
        (GroupChange(clears_label=True), None, False),
        # Nothing about the label: it stays.
        (GroupChange(is_validated=False), ANTENNA, False),
        (GroupChange(is_validated=False, label=WILDFIRE), WILDFIRE, False),
    ],
)
def test_what_is_left_out_stays_as_it_is(
    review: ReviewDatabase, decisions: Decisions, change: GroupChange, label: Label | None, is_unsure: bool
) -> None:
    group = decisions.update_group(2, change, by="carl")
    assert (group.label, group.is_unsure) == (label, is_unsure)
    assert group.is_validated is (change.is_validated is not False)
    before = dump(review)
    assert decisions.update_group(2, change, by="zoe") == group
    assert dump(review) == before, "a second click"


def test_doubt_stays_until_somebody_gives_a_label(review: ReviewDatabase, decisions: Decisions) -> None:
    decisions.update_group(1, GroupChange(is_unsure=True), by="carl")
    assert decisions.update_group(1, GroupChange(is_validated=True), by="carl").label_state == "unsure"
    assert decisions.update_group(1, GroupChange(label=ANTENNA), by="carl").is_unsure is False
