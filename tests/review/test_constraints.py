"""What the database itself refuses, whoever writes: one row per promise, on both kinds of database."""

import pytest
from sqlalchemy import delete, inspect, select, update
from sqlalchemy.exc import IntegrityError

from tests.review.rows import (
    NOON,
    add_account,
    add_annotation,
    add_contributor,
    add_decision,
    add_group,
    add_reviewer,
    add_sequence,
)
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.models import Base, ReviewSequence, ReviewState, SequenceAnnotation, SequenceGroup

BROKEN_GROUPS = {
    "ck_sequence_groups_box_is_not_reversed": {"x1": 0.5, "x2": 0.4},
    "ck_sequence_groups_confidence_is_a_share": {"confidence": 1.01},
    # Both labels at once.
    "ck_sequence_groups_one_label": {"smoke_type": "wildfire", "false_positive_type": "sky", "labeled_at": NOON},
    # A label without the time that it was given, and below a time without a label.
    "ck_sequence_groups_labeled_at_with_a_label": {"smoke_type": "wildfire"},
    "ck_sequence_groups_labeled_by_with_a_time": {"labeled_by": 1},
    "ck_sequence_groups_validated_at_when_validated": {"is_validated": True},
    "ck_sequence_groups_validated_by_with_a_time": {"validated_by": 1},
    "ck_sequence_groups_known_smoke_type": {"smoke_type": "fog", "labeled_at": NOON},
    "ck_sequence_groups_known_false_positive_type": {"false_positive_type": "bird", "labeled_at": NOON},
    "ck_sequence_groups_member_count_is_a_count": {"member_count": -1},
    "ck_sequence_groups_scores_come_together": {"highest_score": 0.5},
}
BROKEN_SEQUENCES = {
    "ck_sequences_excluded_is_in_no_group": {"group_id": 1, "is_group_excluded": True},
    "ck_sequences_excluded_from_when_excluded": {"excluded_from": 1},
    "ck_sequences_skipped_is_in_no_group": {"group_id": 1, "skipped_reason": "no_valid_box"},
    "ck_sequences_known_skipped_reason": {"skipped_reason": "too dark"},
}
BROKEN_ANNOTATIONS = {
    "ck_sequence_annotations_known_stage": {"stage": "finished"},
    "ck_sequence_annotations_known_origin": {"origin": "machine"},
}


@pytest.fixture
def kept(review: ReviewDatabase) -> ReviewDatabase:
    """A database with one reviewer, one group, and one sequence in no group."""
    with review.write() as write:
        add_reviewer(write.connection, 1, "ana")
        add_group(write.connection, 1)
        add_sequence(write.connection, 1)
    return review


def refused(review: ReviewDatabase, constraint: str | None) -> pytest.RaisesExc[IntegrityError]:
    """A write that the named constraint must stop. SQLite does not name foreign keys."""
    is_named = constraint is not None and not (review.engine.dialect.name == "sqlite" and constraint.startswith("fk"))
    return pytest.raises(IntegrityError, match=constraint if is_named else None)


@pytest.mark.parametrize(("constraint", "changed"), BROKEN_GROUPS.items(), ids=BROKEN_GROUPS)
def test_a_group_that_breaks_a_promise_is_refused(kept: ReviewDatabase, constraint: str, changed: dict) -> None:
    with refused(kept, constraint), kept.write() as write:
        add_group(write.connection, 2, **changed)


@pytest.mark.parametrize(
    ("constraint", "changed"),
    [
        ("ck_sequence_groups_labeled_at_with_a_label", {"labeled_at": NOON}),  # a time without a label
        ("ck_sequence_groups_validated_at_when_validated", {"validated_at": NOON}),  # a time without validation
        ("ck_sequence_groups_box_is_not_reversed", {"y1": 0.5, "y2": 0.4}),
        ("ck_sequence_groups_confidence_is_a_share", {"confidence": -0.01}),
        ("ck_sequence_groups_scores_come_together", {"lowest_score": 0.5}),
    ],
)
def test_each_promise_holds_from_both_sides(kept: ReviewDatabase, constraint: str, changed: dict) -> None:
    with refused(kept, constraint), kept.write() as write:
        add_group(write.connection, 2, **changed)


@pytest.mark.parametrize(("constraint", "changed"), BROKEN_SEQUENCES.items(), ids=BROKEN_SEQUENCES)
def test_a_sequence_that_breaks_a_promise_is_refused(kept: ReviewDatabase, constraint: str, changed: dict) -> None:
    with refused(kept, constraint), kept.write() as write:
        add_sequence(write.connection, 2, **changed)


@pytest.mark.parametrize(("constraint", "changed"), BROKEN_ANNOTATIONS.items(), ids=BROKEN_ANNOTATIONS)
def test_an_annotation_that_breaks_a_promise_is_refused(kept: ReviewDatabase, constraint: str, changed: dict) -> None:
    with refused(kept, constraint), kept.write() as write:
        add_annotation(write.connection, 1, **changed)


def test_an_unknown_action_is_refused(kept: ReviewDatabase) -> None:
    with refused(kept, "ck_decisions_known_action"), kept.write() as write:
        add_decision(write.connection, action="delete")


def test_an_unknown_role_is_refused(kept: ReviewDatabase) -> None:
    with refused(kept, "ck_accounts_known_role"), kept.write() as write:
        add_account(write.connection, 1, role="admin")


def test_there_is_one_row_of_state(kept: ReviewDatabase) -> None:
    with refused(kept, "ck_review_state_is_one_row"), kept.write() as write:
        write.connection.execute(update(ReviewState).values(id=2))


def test_a_reviewer_has_a_name_of_their_own(kept: ReviewDatabase) -> None:
    with refused(kept, None), kept.write() as write:
        add_reviewer(write.connection, 2, "ana")


@pytest.mark.parametrize(
    ("constraint", "add"),
    [
        ("fk_sequence_groups_labeled_by", lambda c: add_group(c, 2, smoke_type="other", labeled_at=NOON, labeled_by=9)),
        (
            "fk_sequence_groups_validated_by",
            lambda c: add_group(c, 2, is_validated=True, validated_at=NOON, validated_by=9),
        ),
        ("fk_accounts_reviewer_id", lambda c: add_account(c, 9)),
        ("fk_sequences_group_id", lambda c: add_sequence(c, 2, group_id=9)),
        ("fk_sequences_excluded_from", lambda c: add_sequence(c, 2, is_group_excluded=True, excluded_from=9)),
        ("fk_sequence_annotations_sequence_id", lambda c: add_annotation(c, 9)),
        ("fk_annotation_contributors_sequence_id", lambda c: add_contributor(c, 1, 1)),  # not annotated yet
        ("fk_annotation_contributors_reviewer_id", lambda c: add_contributor(c, add_annotation(c, 1), 9)),
        ("fk_decisions_reviewer_id", lambda c: add_decision(c, reviewer_id=9)),
    ],
)
def test_nothing_refers_to_what_is_not_there(kept: ReviewDatabase, constraint: str, add) -> None:
    with refused(kept, constraint), kept.write() as write:
        add(write.connection)


def test_every_check_has_its_row_here() -> None:
    checks = {
        str(constraint.name)
        for table in Base.metadata.tables.values()
        for constraint in table.constraints
        if str(constraint.name).startswith("ck_")
    }
    elsewhere = {"ck_accounts_known_role", "ck_decisions_known_action", "ck_review_state_is_one_row"}
    assert checks == {*BROKEN_GROUPS, *BROKEN_SEQUENCES, *BROKEN_ANNOTATIONS} | elsewhere


def test_what_was_refused_leaves_nothing_behind(kept: ReviewDatabase) -> None:
    with pytest.raises(IntegrityError), kept.write() as write:
        add_sequence(write.connection, 2)
        add_sequence(write.connection, 3, group_id=9)
    with kept.read() as connection:
        assert connection.execute(select(ReviewSequence.id)).scalars().all() == [1]
        assert connection.execute(select(ReviewState.revision)).scalar_one() == 1


def test_members_outlive_their_group_and_annotations_go_with_their_sequence(kept: ReviewDatabase) -> None:
    with kept.write() as write:
        add_sequence(write.connection, 2, group_id=1)
        add_contributor(write.connection, add_annotation(write.connection, 2), 1)
        add_sequence(write.connection, 3, is_group_excluded=True, excluded_from=1)
    with kept.write() as write:
        write.connection.execute(delete(SequenceGroup))
    with kept.read() as connection:
        left = select(ReviewSequence.id, ReviewSequence.group_id, ReviewSequence.excluded_from).order_by("id")
        assert connection.execute(left).all() == [(1, None, None), (2, None, None), (3, None, None)]
        assert connection.execute(select(SequenceAnnotation.sequence_id)).scalars().all() == [2]
    with kept.write() as write:
        write.connection.execute(delete(ReviewSequence).where(ReviewSequence.id == 2))
        assert write.connection.execute(select(SequenceAnnotation.sequence_id)).first() is None


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, "unlabeled"),
        ({"is_unsure": True}, "unsure"),
        ({"smoke_type": "wildfire", "labeled_at": NOON}, "labeled"),
        # A group with both a label and unsure counts as labeled.
        ({"smoke_type": "wildfire", "labeled_at": NOON, "is_unsure": True}, "labeled"),
    ],
)
def test_the_label_state_follows_from_the_row(review: ReviewDatabase, changed: dict, state: str) -> None:
    with review.write() as write:
        add_group(write.connection, 1, **changed)
        assert write.connection.execute(select(SequenceGroup.label_state)).scalar_one() == state


def test_a_time_comes_back_as_the_same_moment_and_a_time_without_a_zone_is_refused(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_group(write.connection, 1, created_at=NOON)
    with review.read() as connection:
        assert connection.execute(select(SequenceGroup.created_at)).scalar_one() == NOON
    with pytest.raises(Exception, match="a time without a zone"), review.write() as write:
        add_group(write.connection, 2, created_at=NOON.replace(tzinfo=None))


def test_every_table_of_the_models_is_there(review: ReviewDatabase) -> None:
    with review.read() as connection:
        assert set(inspect(connection).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
