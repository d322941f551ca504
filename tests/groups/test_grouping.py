"""Grouping end to end: from stored backlogs through the rule into a real database, on both kinds."""

import multiprocessing
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from tests.groups.review_rows import tracked_of
from triage_assets import grouping
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup
from triage_assets.groups.records import AssignmentReport, Joining
from triage_assets.review.annotations import load_annotations, save_annotations
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.models import Base, DecisionRow, ReviewSequence, ReviewState, SequenceGroup
from triage_assets.review.records import (
    Annotation,
    FalsePositiveType,
    Origin,
    SkippedReason,
    SmokeType,
    Stage,
)
from triage_assets.store import Store
from triage_assets.stored_detections import StoredDetections

from . import literal
from .backlogs import ANTENNA, PLUME, Alarm, store_backlog

NEAR_ANTENNA = (0.1, 0.1, 0.2, 0.28)


@pytest.fixture
def store(tmp_path) -> Store:
    return FolderStore(tmp_path / "store")


def groups_of(review: ReviewDatabase) -> dict[int, int | None]:
    with review.read() as connection:
        return dict(connection.execute(select(ReviewSequence.id, ReviewSequence.group_id)).tuples().all())


def rows_of(review: ReviewDatabase) -> dict[str, list[tuple]]:
    """Everything that the database holds."""
    with review.read() as connection:
        tables = Base.metadata.sorted_tables
        return {table.name: sorted(map(repr, connection.execute(select(table)).all())) for table in tables}


def counts(report: AssignmentReport) -> tuple[int, int, int, int, int]:
    return (
        report.processed,
        report.new_groups,
        report.joined_existing,
        report.inherited_annotations,
        report.skipped_no_bbox,
    )


def change_group(review: ReviewDatabase, group_id: int, **values: object) -> None:
    with review.write() as write:
        change = update(SequenceGroup).where(SequenceGroup.id == group_id)
        write.connection.execute(change.values(revision=write.revision, **values))


def label_group(review: ReviewDatabase, group_id: int, **values: object) -> None:
    with review.write() as write:
        change = update(SequenceGroup).where(SequenceGroup.id == group_id)
        write.connection.execute(change.values(revision=write.revision, labeled_at=write.now, **values))


def validate_group(review: ReviewDatabase, group_id: int) -> None:
    with review.write() as write:
        change = update(SequenceGroup).where(SequenceGroup.id == group_id)
        write.connection.execute(change.values(revision=write.revision, is_validated=True, validated_at=write.now))


def change_sequence(review: ReviewDatabase, sequence_id: int, **values: object) -> None:
    with review.write() as write:
        change = update(ReviewSequence).where(ReviewSequence.id == sequence_id)
        write.connection.execute(change.values(revision=write.revision, **values))


def annotate(review: ReviewDatabase, sequence_id: int, stage: Stage) -> None:
    with review.write() as write:
        save_annotations(write, [Annotation(sequence_id, stage, (), False, Origin.PERSON)], None)


def test_what_recurs_is_one_group(store, review):
    store_backlog(store, [Alarm(1), Alarm(2, (PLUME,)), Alarm(3, (NEAR_ANTENNA,)), Alarm(4, azimuth=90)])
    assert counts(regroup(store, review)) == (4, 3, 1, 0, 0)
    assert groups_of(review) == {1: 1, 2: 2, 3: 1, 4: 3}
    with review.read() as connection:
        group = connection.execute(select(SequenceGroup).where(SequenceGroup.id == 1)).one()
    assert (group.x1, group.y1, group.x2, group.y2, group.confidence) == (*ANTENNA, 0.5)
    assert (group.member_count, group.camera_name, group.organization_key, group.organization_name) == (
        2,
        "camera 7",
        "valley-1",
        "Valley",
    )
    assert (group.is_validated, group.is_unsure, group.label_state) == (False, False, "unlabeled")


def test_a_row_says_what_the_sequence_was_when_it_was_grouped(store, review):
    alarm = Alarm(5, (ANTENNA, (0.0, 0.0, 0.0, 0.0), (*PLUME, 1.5)))
    store_backlog(store, [alarm])
    regroup(store, review)
    with review.read() as connection:
        row = connection.execute(select(ReviewSequence)).one()
    assert (row.organization_key, row.camera_id, row.azimuth, row.n_detections) == ("valley-1", 7, 45, 3)
    assert (row.recorded_at, row.last_seen_at) == (alarm.recorded_at, alarm.row("valley-1").last_seen_at)
    assert (row.first_detection_id, row.first_boxes) == (500, [[*ANTENNA, 0.5], [*PLUME, 1]])


def test_running_twice_changes_nothing(store, review):
    store_backlog(store, [Alarm(1), Alarm(2), Alarm(3, camera_id=None), Alarm(4, ())])
    assert counts(regroup(store, review)) == (4, 1, 1, 0, 2)
    before = rows_of(review)
    assert counts(regroup(store, review)) == (2, 0, 0, 0, 2)
    assert rows_of(review) == before


@pytest.mark.parametrize(
    ("alarm", "reason"),
    [
        (Alarm(1, camera_id=None, azimuth=None, boxes=()), SkippedReason.NO_CAMERA),  # the first of three reasons
        (Alarm(1, azimuth=None, boxes=()), SkippedReason.NO_AZIMUTH),
        (Alarm(1, ()), SkippedReason.NO_VALID_BOX),  # detections that are all empty
        (Alarm(1, n_frames=0), SkippedReason.NO_VALID_BOX),
        (Alarm(1, ((0.5, 0.1, 0.4, 0.2),)), SkippedReason.NO_VALID_BOX),
        (Alarm(1, (), other_boxes=(ANTENNA,)), SkippedReason.NO_VALID_BOX),  # boxes that were not tracked
    ],
)
def test_a_sequence_that_cannot_be_grouped_is_counted_with_its_reason(store, review, alarm, reason):
    store_backlog(store, [alarm])
    for _ in range(2):
        report = regroup(store, review)
        assert counts(report) == (1, 0, 0, 0, 1)
        assert report.skipped == {one: int(one is reason) for one in SkippedReason}
    with review.read() as connection:
        assert connection.execute(select(ReviewSequence.skipped_reason)).scalars().all() == [reason]


@pytest.mark.parametrize(
    "skipped", [Alarm(1, ()), Alarm(1, camera_id=None), Alarm(1, azimuth=None), Alarm(1, (), camera_id=None)]
)
def test_a_skipped_sequence_is_grouped_once_it_can_be(store, review, skipped):
    store_backlog(store, [skipped])
    regroup(store, review)
    store_backlog(store, [Alarm(1, n_frames=4)])
    assert counts(regroup(store, review)) == (1, 1, 0, 0, 0)
    with review.read() as connection:
        row = connection.execute(select(ReviewSequence)).one()
    assert (row.group_id, row.skipped_reason, row.n_detections, row.azimuth) == (1, None, 4, 45)


@pytest.mark.parametrize("azimuth", [725, -1, 0])
def test_any_azimuth_is_one(store, review, azimuth):
    store_backlog(store, [Alarm(1, azimuth=azimuth), Alarm(2, azimuth=azimuth), Alarm(3, azimuth=5)])
    regroup(store, review)
    assert groups_of(review) == {1: 1, 2: 1, 3: 2}


def test_excluded_stays_out_until_it_is_included_again(store, review):
    store_backlog(store, [Alarm(1), Alarm(2)])
    regroup(store, review)
    change_sequence(review, 2, group_id=None, is_group_excluded=True, excluded_from=1)
    assert counts(regroup(store, review)) == (0, 0, 0, 0, 0)
    assert groups_of(review) == {1: 1, 2: None}
    change_sequence(review, 2, is_group_excluded=False, excluded_from=None)
    assert counts(regroup(store, review)) == (1, 0, 1, 0, 0)
    assert groups_of(review) == {1: 1, 2: 1}


def test_a_sequence_that_comes_back_brings_its_score(store, review):
    store_backlog(store, [Alarm(1), Alarm(2)])
    regroup(store, review)
    change_sequence(review, 2, group_id=None, score=0.75)
    regroup(store, review)
    with review.read() as connection:
        columns = (SequenceGroup.member_count, SequenceGroup.highest_score, SequenceGroup.lowest_score)
        assert connection.execute(select(*columns)).one() == (2, 0.75, 0.75)


def test_a_group_outlives_its_members(store, review):
    store_backlog(store, [Alarm(1)])
    regroup(store, review)
    store_backlog(store, [Alarm(2, (NEAR_ANTENNA,))])
    change_sequence(review, 1, group_id=None, is_group_excluded=True, excluded_from=1)
    assert counts(regroup(store, review)) == (1, 0, 1, 0, 0)
    with review.read() as connection:
        assert connection.execute(select(SequenceGroup.y2)).scalar_one() == ANTENNA[3]


def test_a_member_stays_when_it_leaves_the_backlog_or_its_camera_is_corrected(store, review):
    store_backlog(store, [Alarm(1), Alarm(2)])
    regroup(store, review)
    store_backlog(store, [Alarm(2, azimuth=90)])
    assert counts(regroup(store, review)) == (0, 0, 0, 0, 0)
    assert groups_of(review) == {1: 1, 2: 1}


def test_the_order_is_that_of_recording_over_all_organizations(store, review):
    """B, recorded before A, overlaps both A and C, which do not overlap each other enough."""
    a, b, c = (0.0, 0.0, 0.4, 1.0), (0.2, 0.0, 0.6, 1.0), (0.4, 0.0, 0.8, 1.0)
    store_backlog(store, [Alarm(1, (a,), minute=2), Alarm(3, (c,), minute=2)], "alps-1")
    store_backlog(store, [Alarm(2, (b,), minute=1)], "valley-2")
    regroup(store, review)
    assert groups_of(review) == {1: 1, 2: 1, 3: 1}


def test_a_sequence_pulled_twice_at_once_is_one(store, review):
    store_backlog(store, [Alarm(1, ()), Alarm(2)], "alps-1")
    store_backlog(store, [Alarm(1)], "valley-2")
    for expected in ((2, 1, 1, 0, 0), (0, 0, 0, 0, 0)):
        assert counts(regroup(store, review)) == expected
    with review.read() as connection:
        key = select(ReviewSequence.organization_key).where(ReviewSequence.id == 1)
        assert connection.execute(key).scalars().all() == ["valley-2"]


def test_nothing_stored_is_nothing_to_do(store, review):
    assert counts(regroup(store, review)) == (0, 0, 0, 0, 0)
    store_backlog(store, [])
    assert counts(regroup(store, review)) == (0, 0, 0, 0, 0)
    with review.read() as connection:
        assert connection.execute(select(ReviewState.revision)).scalar_one() == 0


@pytest.mark.parametrize("label", [{"smoke_type": SmokeType.INDUSTRIAL}, {"false_positive_type": "antenna"}])
def test_a_newcomer_of_a_labelled_group_inherits_its_label(store, review, label):
    store_backlog(store, [Alarm(1)])
    regroup(store, review)
    label_group(review, 1, is_unsure=True, **label)
    store_backlog(store, [Alarm(2), Alarm(3, (PLUME,))])
    assert counts(regroup(store, review, Joining.INHERIT)) == (2, 1, 1, 1, 0)
    with review.read() as connection:
        stored = load_annotations(connection, [1, 2, 3])
        decision = connection.execute(select(DecisionRow)).one()
    assert set(stored) == {2}
    annotation = stored[2].annotation
    assert (annotation.stage, annotation.origin) == (Stage.SEQ_ANNOTATION_DONE, Origin.INHERITED)
    assert (annotation.is_unsure, stored[2].contributors) == (True, ())
    assert annotation.smoke_types == ((SmokeType.INDUSTRIAL,) if "smoke_type" in label else ())
    assert annotation.false_positive_types == (() if "smoke_type" in label else (FalsePositiveType.ANTENNA,))
    assert [box.detection_id for box in annotation.clusters[0].boxes] == [200, 201, 202]
    assert (decision.action, decision.group_id, decision.reviewer_id) == ("inherit", 1, None)
    assert decision.details["sequence_ids"] == [2]


@pytest.mark.parametrize(
    ("stage", "is_open"),
    [
        (Stage.IMPORTED, True),  # placeholders: nobody has looked
        (Stage.READY_TO_ANNOTATE, True),
        (Stage.UNDER_ANNOTATION, False),  # somebody is at it
        (Stage.SEQ_ANNOTATION_DONE, False),  # labelled
        (Stage.IN_REVIEW, False),
        (Stage.NEEDS_MANUAL, False),
        (Stage.ANNOTATED, False),
    ],
)
def test_inheritance_replaces_only_what_nobody_has_begun(store, review, stage, is_open):
    store_backlog(store, [Alarm(1), Alarm(2)])
    regroup(store, review)
    label_group(review, 1, false_positive_type="antenna")
    change_sequence(review, 2, group_id=None)
    annotate(review, 2, stage)
    assert counts(regroup(store, review)) == (1, 0, 1, int(is_open), 0)
    with review.read() as connection:
        found = load_annotations(connection, [2])[2].annotation
    assert (found.stage, found.origin) == (
        (Stage.SEQ_ANNOTATION_DONE, Origin.INHERITED) if is_open else (stage, Origin.PERSON)
    )


def test_frozen_a_validated_group_takes_nobody_and_no_label_is_written(store, review):
    store_backlog(store, [Alarm(1), Alarm(2, (PLUME,))])
    regroup(store, review)
    label_group(review, 1, false_positive_type="antenna")
    label_group(review, 2, smoke_type="wildfire")
    validate_group(review, 1)
    store_backlog(store, [Alarm(3), Alarm(4), Alarm(5, (PLUME,))])
    assert counts(regroup(store, review, Joining.FREEZE)) == (3, 1, 2, 0, 0)
    assert groups_of(review) == {1: 1, 2: 2, 3: 3, 4: 3, 5: 2}
    with review.read() as connection:
        assert load_annotations(connection, [3, 4, 5]) == {}


def test_inheriting_a_validated_group_takes_newcomers(store, review):
    store_backlog(store, [Alarm(1)])
    regroup(store, review)
    validate_group(review, 1)
    store_backlog(store, [Alarm(2)])
    assert counts(regroup(store, review, Joining.INHERIT)) == (1, 0, 1, 0, 0)


def test_while_another_runs_nothing_happens(store, review, review_url):
    store_backlog(store, [Alarm(1)])
    other = open_review(review_url)
    with other.try_assignment_lock() as is_alone:
        assert is_alone
        report = regroup(store, review)
    other.close()
    assert report == AssignmentReport(True, 0, 0, 0, 0, 0, dict.fromkeys(SkippedReason, 0))
    assert groups_of(review) == {}
    assert regroup(store, review).processed == 1


def test_what_is_decided_while_it_plans_counts(store, review, monkeypatch):
    """Between the plan and the write a label is given, and a waiting sequence is put back by a person."""
    store_backlog(store, [Alarm(1), Alarm(2)])
    regroup(store, review)
    change_sequence(review, 2, group_id=None)
    store_backlog(store, [Alarm(1), Alarm(2), Alarm(3)])
    loaded = grouping.load_revision
    decided: Iterator[bool] = iter((True, False))

    def decide_then_load(connection):
        revision = loaded(connection)
        if next(decided):
            label_group(review, 1, smoke_type="wildfire")
            change_sequence(review, 2, group_id=1)
            change_group(review, 1, member_count=2)
        return revision

    monkeypatch.setattr(grouping, "load_revision", decide_then_load)
    assert counts(regroup(store, review)) == (1, 0, 1, 1, 0)
    with review.read() as connection:
        assert set(load_annotations(connection, [1, 2, 3])) == {3}
        assert connection.execute(select(SequenceGroup.member_count)).scalar_one() == 3


def die_in_the_middle(folder: str, url: str) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    grouping.refresh_aggregates = die
    regroup(FolderStore(folder), open_review(url))


def test_a_killed_run_leaves_the_old_state_and_the_next_one_goes_on(store, review, review_url):
    store_backlog(store, [Alarm(1)])
    regroup(store, review)
    before = rows_of(review)
    store_backlog(store, [Alarm(1), Alarm(2), Alarm(3, (PLUME,))])
    process = multiprocessing.get_context("spawn").Process(target=die_in_the_middle, args=(store.root, review_url))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert rows_of(review) == before
    assert counts(regroup(store, review)) == (2, 1, 1, 0, 0)


def test_detections_are_those_of_the_present_backlog(store):
    store_backlog(store, [Alarm(1), Alarm(3)], "alps-1")
    store_backlog(store, [Alarm(2)], "valley-2")
    wanted = {3: "alps-1", 1: "alps-1", 2: "valley-2", 4: "alps-1", 5: "gone-9"}
    expected = {number: tracked_of(Alarm(number).detections()) for number in (1, 2, 3)}
    assert StoredDetections(store).load(wanted) == expected


def empty(review: ReviewDatabase) -> None:
    with review.write() as write:
        for table in reversed(Base.metadata.sorted_tables):
            if table is not ReviewState.__table__:
                write.connection.execute(delete(table))


corner = st.sampled_from((0.0, 0.2, 0.3, 0.5, 0.6, 1.0))
span = st.tuples(corner, corner).map(sorted)
box = st.tuples(span, span).map(lambda spans: (spans[0][0], spans[1][0], spans[0][1], spans[1][1]))
arrival = st.tuples(st.integers(1, 30), st.lists(box, max_size=2), st.sampled_from((None, 1, 2)), st.integers(0, 3))
batches = st.lists(st.lists(arrival, max_size=8), max_size=3)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=batches)
def test_any_arrival_in_any_batches_gives_what_the_rule_gives(store, review, batches):
    empty(review)
    seen: dict[int, Alarm] = {}
    groups: list = []
    expected: dict[int, int | None] = {}
    for batch in batches:
        arrived = {
            number: Alarm(number, tuple(boxes), camera, minute=minute) for number, boxes, camera, minute in batch
        }
        fresh = {number: alarm for number, alarm in arrived.items() if number not in seen}
        seen |= fresh
        store_backlog(store, list(seen.values()))
        ordered = sorted(fresh.values(), key=lambda alarm: (alarm.recorded_at, alarm.id))
        boxes = {
            alarm.id: literal.representative([(0, i, alarm.boxes_with_confidence()) for i in range(3)])
            for alarm in ordered
        }
        placed = [alarm for alarm in ordered if alarm.camera_id is not None and boxes[alarm.id]]
        numbers = literal.place([(alarm.camera_id, boxes[alarm.id]) for alarm in placed], groups)
        expected |= {alarm.id: None for alarm in ordered}
        expected |= {alarm.id: number + 1 for alarm, number in zip(placed, numbers, strict=True)}
        regroup(store, review)
        assert groups_of(review) == expected
    with review.read() as connection:
        columns = (SequenceGroup.x1, SequenceGroup.y1, SequenceGroup.x2, SequenceGroup.y2, SequenceGroup.member_count)
        rows = connection.execute(select(*columns).order_by(SequenceGroup.id)).tuples().all()
    sizes = [list(expected.values()).count(number + 1) for number in range(len(groups))]
    assert rows == [(*region[:4], size) for (_, region), size in zip(groups, sizes, strict=True)]
