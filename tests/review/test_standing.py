"""Where one sequence stands, on both kinds of database."""

import pytest

from tests.review.rows import (
    NOON,
    add_annotation,
    add_contributor,
    add_decision,
    add_group,
    add_reviewer,
    add_sequence,
)
from triage_assets.review.audit import list_sequence_decisions
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.members import list_excluded, list_members
from triage_assets.review.records import Action, Origin, SkippedReason, Stage
from triage_assets.review.standing import load_standing


def test_a_member_stands_in_its_group_with_its_annotation_and_its_score(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_group(write.connection, 5, member_count=1)
        add_sequence(write.connection, 1, group_id=5, score=0.7, recorded_at=NOON)
        add_annotation(write.connection, 1, origin="inherited")
    with review.read() as connection:
        standing = load_standing(connection, 1)
    assert (standing.group and standing.group.id, standing.score, standing.recorded_at) == (5, 0.7, NOON)
    assert standing.annotation and standing.annotation.annotation.origin is Origin.INHERITED
    assert (standing.is_group_excluded, standing.excluded_from, standing.skipped_reason) == (False, None, None)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # Waiting for the next assignment; taken out of a group; out of one that is gone since; never to be grouped.
        ({}, (False, None, None)),
        ({"is_group_excluded": True, "excluded_from": 5}, (True, 5, None)),
        ({"is_group_excluded": True}, (True, None, None)),
        ({"skipped_reason": "no_valid_box"}, (False, None, SkippedReason.NO_VALID_BOX)),
    ],
)
def test_a_sequence_in_no_group_stands_where_its_row_says(
    review: ReviewDatabase, row: dict[str, object], expected: tuple[object, ...]
) -> None:
    with review.write() as write:
        add_group(write.connection, 5)
        add_sequence(write.connection, 1, **row)
    with review.read() as connection:
        standing = load_standing(connection, 1)
    assert (standing.group, standing.annotation, standing.score) == (None, None, None)
    assert (standing.is_group_excluded, standing.excluded_from, standing.skipped_reason) == expected


def test_the_decisions_of_a_sequence_are_those_that_name_it(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_reviewer(write.connection, 1, "ana")
        add_decision(write.connection, action="annotate", sequence_id=1, group_id=5, reviewer_id=1)
        add_decision(write.connection, action="annotate", sequence_id=2, group_id=5, reviewer_id=1)
        add_decision(write.connection, action="re_include", sequence_id=1, reviewer_id=1)
        add_decision(write.connection, action="validate", group_id=5)
    with review.read() as connection:
        first = list_sequence_decisions(connection, 1, page=1, size=1)
        second = list_sequence_decisions(connection, 1, page=2, size=1)
    assert (first.total, second.total) == (2, 2)
    assert [(each.action, each.by) for each in first.items + second.items] == [
        (Action.RE_INCLUDE, "ana"),
        (Action.ANNOTATE, "ana"),
    ]


def test_what_was_taken_out_of_a_group_comes_in_pages_oldest_first(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_group(write.connection, 5)
        add_group(write.connection, 6)
        for sequence_id in (3, 1, 2):
            add_sequence(write.connection, sequence_id, is_group_excluded=True, excluded_from=5)
        add_sequence(write.connection, 4, is_group_excluded=True, excluded_from=6)
        add_sequence(write.connection, 7, group_id=5)
    with review.read() as connection:
        pages = [list_excluded(connection, 5, page=page, size=2) for page in (1, 2)]
    assert [[each.sequence_id for each in page.items] for page in pages] == [[1, 2], [3]]
    assert [page.total for page in pages] == [3, 3]


def test_a_member_shows_who_looked(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_group(write.connection, 5, member_count=3)
        for reviewer_id, name in enumerate(("zoe", "ana"), start=1):
            add_reviewer(write.connection, reviewer_id, name)
        for sequence_id in (1, 2, 3):
            add_sequence(write.connection, sequence_id, group_id=5)
        add_annotation(write.connection, 1, has_smoke=True, is_unsure=True)
        add_annotation(write.connection, 2, origin="inherited")
        for reviewer_id in (1, 2):
            add_contributor(write.connection, 1, reviewer_id)
    with review.read() as connection:
        items = list_members(connection, 5, page=1, size=50).items
    seen = [(each.stage, each.has_smoke, each.is_unsure, each.origin, each.contributors) for each in items]
    assert seen == [
        (Stage.SEQ_ANNOTATION_DONE, True, True, Origin.PERSON, ("zoe", "ana")),
        (Stage.SEQ_ANNOTATION_DONE, False, False, Origin.INHERITED, ()),
        (None, None, None, None, ()),
    ]
