"""What a member's annotation means for its group, whoever decides at the same time, on both databases."""

import threading
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.groups.readings import Elsewhere, annotations_of, audit_of, group_of
from tests.groups.review_rows import KnownDetections, add_sequence, all_detections, dump, fill_review
from triage_assets.groups.decisions import Decisions
from triage_assets.review.annotations import load_annotations
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase, DecisionWriter
from triage_assets.review.models import DecisionRow, ReviewSequence, SequenceGroup
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

ANTENNA, WILDFIRE = Label(false_positive_type=FalsePositiveType.ANTENNA), Label(SmokeType.WILDFIRE)
ANTENNAS = (Cluster(False, None, (FalsePositiveType.ANTENNA,), ()),)
DONE = Stage.SEQ_ANNOTATION_DONE


def box(detection_id: int, *corners: float) -> tuple[BoxOnFrame, ...]:
    return (BoxOnFrame(detection_id, corners),)  # type: ignore[arg-type]


def test_a_label_spreads_to_unlocked_members_with_boxes_of_their_own(
    review: ReviewDatabase, decisions: Decisions
) -> None:
    saved = decisions.annotate(21, ANTENNA, by="bob")
    assert saved.warning is None
    group = group_of(review, 2)
    assert (group.label, group.labeled_by, group.is_unsure) == (ANTENNA, "bob", False)
    assert annotations_of(review, 21, 22, 23, 24, 25) == {
        21: (DONE, Origin.PERSON, False, ("antenna",), ("bob",)),
        22: (DONE, Origin.PROPAGATED, False, ("antenna",), ("bob",)),
        23: (Stage.UNDER_ANNOTATION, Origin.PERSON, False, (), ()),
    }
    with review.read() as connection:
        copied = load_annotations(connection, [22])[22].annotation
    assert [[b.detection_id for b in cluster.boxes] for cluster in copied.clusters] == [[2200, 2201]]
    spread, annotated = audit_of(review, 2)
    assert (annotated.action, spread.action) == (Action.ANNOTATE, Action.PROPAGATE)
    assert spread.details == {
        "false_positive_type": "antenna", "is_unsure": False, "applied": 1, "sequence_ids": [22], "locked": 1,
        "without_boxes": 2,
    }  # fmt: skip


def test_what_changed_carries_the_number_of_the_write(review: ReviewDatabase, decisions: Decisions) -> None:
    decisions.annotate(21, ANTENNA, by="bob")
    with review.read() as connection:
        group = connection.execute(select(SequenceGroup.revision).where(SequenceGroup.id == 2)).scalar_one()
        changed = select(ReviewSequence.id).where(ReviewSequence.revision == group).order_by(ReviewSequence.id)
        assert connection.execute(changed).scalars().all() == [21, 22]


def test_the_same_label_again_reaches_members_that_came_since(review: ReviewDatabase, decisions: Decisions) -> None:
    decisions.annotate(31, ANTENNA, by="bob")
    assert annotations_of(review, 32)[32][1] == Origin.PROPAGATED
    assert group_of(review, 3).labeled_by == "ada", "the label was hers"
    with review.write() as write:
        write.connection.execute(update(ReviewSequence).where(ReviewSequence.id == 41).values(group_id=3))
    decisions.annotate(31, ANTENNA, by="carl")
    assert annotations_of(review, 41)[41][4] == ("carl",)


def test_another_label_is_saved_and_spreads_nothing(review: ReviewDatabase, decisions: Decisions) -> None:
    saved = decisions.annotate(31, WILDFIRE, by="bob")
    assert saved.warning is not None
    assert "Group 3 is labelled false positive: antenna" in saved.warning
    assert annotations_of(review, 31, 32) == {31: (DONE, Origin.PERSON, False, ("wildfire",), ("bob",))}
    assert group_of(review, 3).label == ANTENNA
    (line,) = audit_of(review, 3)
    assert line.details["conflicts_with"] == "false positive: antenna"


def test_smoke_without_a_type_derives_nothing_and_warns_nobody(review: ReviewDatabase, decisions: Decisions) -> None:
    clusters = (Cluster(True, None, (), box(2100, 0.1, 0.1, 0.3, 0.3)), *ANTENNAS)
    assert decisions.annotate(21, clusters, by="bob").warning is None
    assert group_of(review, 2).label is None
    assert annotations_of(review, 22)[22][0] == Stage.READY_TO_ANNOTATE


def test_doubt_about_one_member_says_nothing_of_the_group(review: ReviewDatabase, decisions: Decisions) -> None:
    decisions.annotate(21, (), is_unsure=True, by="bob")
    group = group_of(review, 2)
    assert (group.label_state, group.labeled_by) == ("unlabeled", None)
    assert annotations_of(review, 22)[22][0] == Stage.READY_TO_ANNOTATE
    assert [d.action for d in audit_of(review, 2)] == [Action.ANNOTATE]


def test_a_first_label_is_as_sure_as_whoever_gives_it(review: ReviewDatabase, decisions: Decisions) -> None:
    decisions.annotate(21, ANTENNA, is_unsure=True, by="bob")
    group = group_of(review, 2)
    assert (group.is_unsure, group.label_state) == (True, "labeled")
    assert annotations_of(review, 22)[22][2] is True


@pytest.mark.parametrize("is_unsure", [True, False])
def test_the_groups_own_label_again_is_copied_as_the_group_has_it(
    review: ReviewDatabase, decisions: Decisions, is_unsure: bool
) -> None:
    decisions.relabel(3, ANTENNA, is_unsure=not is_unsure, by="ada")
    before = group_of(review, 3)
    decisions.annotate(31, ANTENNA, is_unsure=is_unsure, by="bob")
    assert group_of(review, 3) == before
    assert annotations_of(review, 31)[31][2] is is_unsure
    assert annotations_of(review, 32)[32][:3] == (DONE, Origin.PROPAGATED, not is_unsure)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage != DONE])
def test_other_stages_speak_for_no_group(review: ReviewDatabase, decisions: Decisions, stage: Stage) -> None:
    saved = decisions.annotate(21, ANTENNA, stage=stage, by="bob")
    assert saved.stored.annotation.stage == stage
    assert group_of(review, 2).label is None
    assert annotations_of(review, 22)[22][0] == Stage.READY_TO_ANNOTATE


def test_contributors_are_named_in_the_order_they_came(review: ReviewDatabase, decisions: Decisions) -> None:
    for name in ("zoe", "bob", "zoe"):
        saved = decisions.annotate(11, ANTENNA, by=name)
    assert saved.stored.contributors == ("zoe", "bob")
    assert saved.stored.created_at < saved.stored.updated_at


@pytest.fixture
def elsewhere(review: ReviewDatabase) -> Elsewhere:
    fill_review(review)
    return Elsewhere(all_detections())


def test_what_others_decide_while_boxes_are_read_counts(review: ReviewDatabase, elsewhere: Elsewhere) -> None:
    decisions = Decisions(DecisionDatabase(review), elsewhere)

    def decide_otherwise() -> None:
        decisions.annotate(22, WILDFIRE, stage=Stage.IN_REVIEW, by="carl")
        with review.write() as write:
            add_sequence(write.connection, 26, write.revision, group_id=2)
        elsewhere[26] = tuple(elsewhere[21])

    elsewhere.meanwhile = decide_otherwise
    decisions.annotate(21, ANTENNA, by="bob")
    assert annotations_of(review, 22)[22][3] == ("wildfire",), "locked since"
    assert annotations_of(review, 26)[26][1] == Origin.PROPAGATED, "joined since"


def test_a_group_that_was_unvalidated_meanwhile_takes_no_label(review: ReviewDatabase, elsewhere: Elsewhere) -> None:
    decisions = Decisions(DecisionDatabase(review), elsewhere)
    elsewhere.meanwhile = lambda: decisions.set_validated(2, False, by="carl")
    decisions.annotate(21, ANTENNA, by="bob")
    assert group_of(review, 2).label is None
    assert annotations_of(review, 22)[22][0] == Stage.READY_TO_ANNOTATE


@pytest.mark.parametrize("step", ["save_annotations", "set_label", "record"])
@pytest.mark.parametrize("call", [1, 2])
def test_a_decision_that_fails_in_the_middle_leaves_nothing(
    review: ReviewDatabase, decisions: Decisions, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    calls = 0
    original = getattr(DecisionWriter, step)

    def fail_after(self: DecisionWriter, *given: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        original(self, *given, **named)
        if calls == call or step == "set_label":
            raise RuntimeError("the power went")

    monkeypatch.setattr(DecisionWriter, step, fail_after)
    before = dump(review)
    with pytest.raises(RuntimeError, match="the power went"):
        decisions.annotate(21, ANTENNA, by="bob")
    assert dump(review) == before


def test_two_people_at_once_lose_nothing(review: ReviewDatabase, decisions: Decisions) -> None:
    """Each of two people labels one member; one label wins the group, and the other is warned about."""
    start = threading.Barrier(2)
    answers: dict[str, Any] = {}

    def decide(name: str, sequence_id: int, label: Label) -> None:
        start.wait()
        answers[name] = decisions.annotate(sequence_id, label, by=name)

    with review.write() as write:
        for sequence_id in (51, 52):
            add_sequence(write.connection, sequence_id, write.revision, group_id=2)
    decisions_of = {"bob": (51, ANTENNA), "carl": (52, WILDFIRE)}
    threads = [threading.Thread(target=decide, args=(name, *decision)) for name, decision in decisions_of.items()]
    detections = all_detections()
    known = {51: detections[21], 52: detections[22]}
    decisions._detections.update(known)  # type: ignore[attr-defined]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    group = group_of(review, 2)
    winner = str(group.labeled_by)
    loser = ({"bob", "carl"} - {winner}).pop()
    assert group.label == decisions_of[winner][1]
    assert answers[winner].warning is None
    assert answers[loser].warning is not None
    own = annotations_of(review, 51, 52)
    assert own[51][:2] == (DONE, Origin.PERSON)
    assert own[52][:2] == (DONE, Origin.PERSON)
    assert annotations_of(review, 22)[22][4] == (winner,), "what spreads is one label"


def test_many_at_once_are_all_recorded(review: ReviewDatabase, decisions: Decisions) -> None:
    sequence_ids = list(range(100, 116))
    with review.write() as write:
        for sequence_id in sequence_ids:
            add_sequence(write.connection, sequence_id, write.revision, group_id=1)
    threads = [
        threading.Thread(target=decisions.remove_member, args=(1, sequence_id), kwargs={"by": f"p{sequence_id % 4}"})
        for sequence_id in sequence_ids
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert group_of(review, 1).member_count == 3
    with review.read() as connection:
        recorded = connection.execute(select(DecisionRow.sequence_id, DecisionRow.reviewer_id)).all()
    assert sorted(row.sequence_id for row in recorded) == sequence_ids
    assert len({row.reviewer_id for row in recorded}) == 4


def test_the_organizations_key_tells_where_detections_are(decisions: Decisions, detections: KnownDetections) -> None:
    decisions.annotate(21, ANTENNA, by="bob")
    assert detections.asked == [21, 22, 24, 25], "its own first, then the unlocked others', each once"
