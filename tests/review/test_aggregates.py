"""What is kept about the members of a group agrees with the members, whatever people do."""

import random

import pytest
from sqlalchemy import func, select

from tests.review.rows import NOON, add_annotation, add_contributor, add_group, add_reviewer, add_sequence
from triage_assets.review.aggregates import refresh_aggregates
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.models import AnnotationContributor, GroupAnnotator, ReviewSequence, SequenceGroup
from triage_assets.review.records import Annotation, Origin, Stage

MEMBERS = {1: (1, 2, 3), 2: (4,), 3: ()}


@pytest.fixture
def grouped(review: ReviewDatabase) -> ReviewDatabase:
    """Groups of three members, one and none, whose rows say nothing of them yet; sequence 9 is in none."""
    with review.write() as write:
        for group_id, members in MEMBERS.items():
            add_group(write.connection, group_id, member_count=7, highest_score=0.7, lowest_score=0.7)
            for sequence_id in members:
                add_sequence(write.connection, sequence_id, group_id=group_id, score=sequence_id / 10)
        add_sequence(write.connection, 9)
    return review


def kept(review: ReviewDatabase) -> dict[int, tuple[int, float | None, float | None]]:
    row = SequenceGroup
    query = select(row.id, row.member_count, row.lowest_score, row.highest_score)
    with review.read() as connection:
        return {each.id: tuple(each[1:]) for each in connection.execute(query)}


def annotators(review: ReviewDatabase) -> set[tuple[int, int]]:
    with review.read() as connection:
        return {tuple(row) for row in connection.execute(select(GroupAnnotator.group_id, GroupAnnotator.reviewer_id))}


def annotators_of_members(review: ReviewDatabase) -> set[tuple[int, int]]:
    """What the table of annotators must say, literally."""
    pairs = select(ReviewSequence.group_id, AnnotationContributor.reviewer_id).join(
        AnnotationContributor, AnnotationContributor.sequence_id == ReviewSequence.id
    )
    with review.read() as connection:
        return {tuple(row) for row in connection.execute(pairs) if row.group_id is not None}


def test_groups_are_counted_and_scored_also_where_nobody_is_left(grouped: ReviewDatabase) -> None:
    with grouped.write() as write:
        refresh_aggregates(write, [1, 2, 3])
    assert kept(grouped) == {1: (3, 0.1, 0.3), 2: (1, 0.4, 0.4), 3: (0, None, None)}


def test_other_groups_are_left_alone(grouped: ReviewDatabase) -> None:
    with grouped.write() as write:
        refresh_aggregates(write, [2])
    assert kept(grouped) == {1: (7, 0.7, 0.7), 2: (1, 0.4, 0.4), 3: (7, 0.7, 0.7)}


def test_a_change_of_membership_stamps_its_groups(grouped: ReviewDatabase) -> None:
    with grouped.write() as write:
        refresh_aggregates(write, [1])
    with grouped.read() as connection:
        rows = connection.execute(select(SequenceGroup.id, SequenceGroup.updated_at, SequenceGroup.revision))
        stamps = {row.id: (row.updated_at, row.revision) for row in rows}
    assert stamps == {1: (write.now, write.revision), 2: (NOON, 1), 3: (NOON, 1)}


def test_annotators_come_and_go_with_the_members_that_they_annotated(grouped: ReviewDatabase) -> None:
    chance = random.Random(3)
    people = DecisionDatabase(grouped)
    placed = {sequence_id: group_id for group_id, members in MEMBERS.items() for sequence_id in members} | {9: None}
    seen = set()
    for _ in range(60):
        sequence_id = chance.choice(list(placed))
        with people.write(by=chance.choice(["ana", "bo", "zoe"])) as writer:
            state = writer.sequences([sequence_id])[sequence_id]
            match chance.choice(["annotate", "exclude", "re-include"]):
                case "annotate":
                    stage = Stage.SEQ_ANNOTATION_DONE
                    writer.save_annotations([Annotation(sequence_id, stage, (), False, Origin.PERSON)])
                case "exclude" if state.group_id is not None:
                    writer.exclude(sequence_id, state.group_id)
                case "re-include" if state.is_group_excluded:
                    writer.re_include(sequence_id, state.excluded_from)
        assert annotators(grouped) == annotators_of_members(grouped)
        seen |= annotators(grouped)
    assert len(seen) >= 4, "the walk went nowhere"
    assert annotators(grouped) != seen, "nobody ever left"


def test_an_assignment_brings_the_annotators_of_those_who_join(grouped: ReviewDatabase) -> None:
    with grouped.write() as write:
        add_reviewer(write.connection, 1, "ana")
        add_contributor(write.connection, add_annotation(write.connection, 9), 1)
        write.connection.execute(ReviewSequence.__table__.update().values(group_id=3).where(ReviewSequence.id == 9))
        refresh_aggregates(write, [3])
    assert annotators(grouped) == {(3, 1)} == annotators_of_members(grouped)


def test_more_groups_than_one_statement_can_name_are_refreshed(review: ReviewDatabase) -> None:
    with review.write() as write:
        for group_id in range(1, 4):
            add_group(write.connection, group_id)
            add_sequence(write.connection, group_id, group_id=group_id)
        refresh_aggregates(write, list(range(1, 40_000)))
    with review.read() as connection:
        assert connection.execute(select(func.sum(SequenceGroup.member_count))).scalar_one() == 3
