"""Scores in the review database: what is written, what is not, and what groups say of their members afterwards."""

from collections.abc import Mapping

import numpy as np
import pytest
from sqlalchemy import select

from tests.review.rows import NOON, add_group, add_sequence
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.models import ReviewSequence, ReviewState, SequenceGroup
from triage_assets.review.scores import record_scores

NONE = float("nan")


@pytest.fixture
def grouped(review: ReviewDatabase) -> ReviewDatabase:
    """Group 1 of sequences 1 and 2, group 2 of sequence 3; sequence 4 is in none. Nothing has a score."""
    with review.write() as write:
        add_group(write.connection, 1, member_count=2)
        add_group(write.connection, 2, member_count=1)
        for sequence_id, group_id in {1: 1, 2: 1, 3: 2, 4: None}.items():
            add_sequence(write.connection, sequence_id, group_id=group_id)
    return review


def record(review: ReviewDatabase, scores: Mapping[int, float]) -> int:
    return record_scores(review, np.array(list(scores), np.int64), np.array(list(scores.values()), np.float64))


def scores_in(review: ReviewDatabase) -> dict[int, float | None]:
    with review.read() as connection:
        rows = connection.execute(select(ReviewSequence.id, ReviewSequence.score)).all()
    return {row.id: row.score for row in rows}


def extremes_in(review: ReviewDatabase) -> dict[int, tuple[float | None, float | None]]:
    query = select(SequenceGroup.id, SequenceGroup.lowest_score, SequenceGroup.highest_score)
    with review.read() as connection:
        return {row.id: (row.lowest_score, row.highest_score) for row in connection.execute(query)}


def revisions_in(review: ReviewDatabase) -> tuple[int, dict[int, int], dict[int, int]]:
    """Of the database, of its sequences and of its groups."""
    with review.read() as connection:
        sequences = connection.execute(select(ReviewSequence.id, ReviewSequence.revision)).all()
        groups = connection.execute(select(SequenceGroup.id, SequenceGroup.revision)).all()
        number = connection.execute(select(ReviewState.revision)).scalar_one()
    return number, {row.id: row.revision for row in sequences}, {row.id: row.revision for row in groups}


def test_scores_are_kept_to_the_last_digit_and_groups_know_their_extremes(grouped: ReviewDatabase) -> None:
    scores = {4: 1e-17, 2: 0.1 + 0.2, 1: 0.9, 3: 1.0}
    assert record(grouped, scores) == 4
    assert scores_in(grouped) == scores
    assert extremes_in(grouped) == {1: (0.1 + 0.2, 0.9), 2: (1.0, 1.0)}


def test_the_same_scores_again_count_no_revision(grouped: ReviewDatabase) -> None:
    scores = {1: 0.9, 2: 0.1, 3: 0.5, 4: NONE}
    assert record(grouped, scores) == 3
    before = revisions_in(grouped)
    assert record(grouped, scores) == 0
    assert revisions_in(grouped) == before


def test_new_scores_are_one_write_and_no_row_is_newer_for_them(grouped: ReviewDatabase) -> None:
    record(grouped, {1: 0.9, 2: 0.1, 3: 0.5, 4: 0.2})
    before = revisions_in(grouped)
    assert record(grouped, {1: 0.9, 2: 0.3, 3: 0.5, 4: 0.2}) == 1
    number, sequences, groups = revisions_in(grouped)
    assert number == before[0] + 1
    assert (sequences, groups) == before[1:]
    assert extremes_in(grouped)[1] == (0.3, 0.9)


def test_a_lost_score_is_none_and_a_group_without_any_has_no_extremes(grouped: ReviewDatabase) -> None:
    record(grouped, {1: 0.9, 2: 0.1, 3: 0.5})
    assert record(grouped, {1: NONE, 2: 0.1, 3: NONE}) == 2
    assert scores_in(grouped) == {1: None, 2: 0.1, 3: None, 4: None}
    assert extremes_in(grouped) == {1: (0.1, 0.1), 2: (None, None)}


def test_sequences_that_are_not_known_are_left_out(grouped: ReviewDatabase) -> None:
    assert record(grouped, {1: 0.9, 99: 0.5}) == 1
    assert scores_in(grouped) == {1: 0.9, 2: None, 3: None, 4: None}
    assert record(grouped, {99: 0.5}) == 0


def test_a_sequence_that_is_not_named_keeps_its_score(grouped: ReviewDatabase) -> None:
    record(grouped, {1: 0.9, 2: 0.1})
    assert record(grouped, {2: 0.2}) == 1
    assert scores_in(grouped)[1] == 0.9


def test_nothing_is_written_where_nothing_is_known(review: ReviewDatabase) -> None:
    before = revisions_in(review)
    assert record(review, {1: 0.9}) == 0
    assert record(review, {}) == 0
    assert revisions_in(review) == before


def test_a_new_score_is_no_update_of_its_group(grouped: ReviewDatabase) -> None:
    record(grouped, {1: 0.9})
    with grouped.read() as connection:
        rows = connection.execute(select(SequenceGroup.updated_at, SequenceGroup.member_count)).all()
    assert sorted(rows) == [(NOON, 1), (NOON, 2)]
