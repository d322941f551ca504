"""Annotations in either database."""

import pytest
from sqlalchemy import select

from tests.groups.review_rows import add_sequence
from triage_assets.review.annotations import describe_clusters, load_annotations, parse_clusters, save_annotations
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.models import ReviewSequence
from triage_assets.review.records import (
    Annotation,
    BoxOnFrame,
    Cluster,
    FalsePositiveType,
    Origin,
    SmokeType,
    Stage,
)
from triage_assets.review.reviewers import reviewer_id

CLUSTERS = (
    Cluster(True, SmokeType.WILDFIRE, (), (BoxOnFrame(5, (0.1, 1 / 3, 0.25, 1.0)), BoxOnFrame(2**40, (0, 0, 1, 1)))),
    Cluster(True, None, (), ()),
    Cluster(False, None, (FalsePositiveType.OTHER, FalsePositiveType.SKY), ()),
    Cluster(False, None, (), ()),
)


def annotation(sequence_id: int, stage: Stage = Stage.SEQ_ANNOTATION_DONE) -> Annotation:
    return Annotation(sequence_id, stage, CLUSTERS, True, Origin.PERSON)


@pytest.fixture
def review_of_three(review: ReviewDatabase) -> ReviewDatabase:
    with review.write() as write:
        for sequence_id in (1, 2, 3):
            add_sequence(write.connection, sequence_id, write.revision)
    return review


def test_clusters_come_back_as_they_went() -> None:
    assert parse_clusters(describe_clusters(CLUSTERS)) == CLUSTERS


def test_an_annotation_comes_back_as_it_went(review_of_three: ReviewDatabase) -> None:
    with review_of_three.write() as write:
        save_annotations(write, (annotation(each) for each in (1, 3)), reviewer_id(write, "ada"))
    with review_of_three.read() as connection:
        found = load_annotations(connection, [3, 2, 1, 999])
        changed = select(ReviewSequence.id).where(ReviewSequence.revision == write.revision).order_by(ReviewSequence.id)
        assert connection.execute(changed).scalars().all() == [1, 3], "who looks at sequences sees the change"
    assert {each: stored.annotation for each, stored in found.items()} == {1: annotation(1), 3: annotation(3)}
    assert (found[1].contributors, found[1].created_at, found[1].updated_at) == (("ada",), write.now, write.now)


def test_saving_again_keeps_when_it_began_and_who_was_there(review_of_three: ReviewDatabase) -> None:
    with review_of_three.write() as first:
        save_annotations(first, [annotation(1, Stage.UNDER_ANNOTATION)], reviewer_id(first, "zoe"))
    with review_of_three.write() as second:
        save_annotations(second, [annotation(1)], reviewer_id(second, "ada"))
    with review_of_three.write() as third:
        save_annotations(third, [annotation(1, Stage.IN_REVIEW)], None)
    with review_of_three.read() as connection:
        stored = load_annotations(connection, [1])[1]
    assert stored.annotation.stage == Stage.IN_REVIEW
    assert stored.contributors == ("zoe", "ada")
    assert (stored.created_at, stored.updated_at) == (first.now, third.now)


def test_a_name_is_one_person(review: ReviewDatabase) -> None:
    names = ("ada", "Ada", "ada", "'; DROP TABLE reviewers; --", "ada")
    with review.write() as write:
        first, other, again, odd, last = (reviewer_id(write, name) for name in names)
    assert first == again == last
    assert len({first, other, odd}) == 3
