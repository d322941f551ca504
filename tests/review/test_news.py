"""How much was written since a state of the database, on both databases."""

from dataclasses import replace

from tests.groups.review_rows import all_detections, fill_review
from triage_assets.groups.decisions import Decisions
from triage_assets.groups.records import DatabaseState
from triage_assets.groups.relabelling import GroupChange
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.export import load_state
from triage_assets.review.news import count_annotated_since, count_groups_changed_since
from triage_assets.review.records import Label, SmokeType


def state_of(review: ReviewDatabase) -> DatabaseState:
    with review.read() as connection:
        return load_state(connection)


def count_since(review: ReviewDatabase, state: DatabaseState | None) -> tuple[int | None, int | None]:
    """Annotations and groups."""
    with review.read() as connection:
        return count_annotated_since(connection, state), count_groups_changed_since(connection, state)


def test_each_decision_counts_from_the_state_before_it_on(review: ReviewDatabase) -> None:
    fill_review(review)
    decide = Decisions(DecisionDatabase(review), all_detections())
    before = state_of(review)
    assert count_since(review, before) == (0, 0)
    assert count_since(review, None) == (2, 3), "everything that is there"
    decide.annotate(11, Label(SmokeType.OTHER), by="bob")
    decide.annotate(11, Label(SmokeType.WILDFIRE), by="bob")
    between = state_of(review)
    decide.update_group(1, GroupChange(is_validated=True), by="bob")
    assert count_since(review, before) == (1, 1), "one sequence, however often"
    assert count_since(review, between) == (0, 1)
    assert count_since(review, state_of(review)) == (0, 0)


def test_a_state_that_the_database_never_had_tells_nothing(review: ReviewDatabase) -> None:
    fill_review(review)
    state = state_of(review)
    for other in (
        replace(state, database_id="another"),
        replace(state, token="of a copy that was restored"),
        replace(state, revision=state.revision + 1),
    ):
        assert count_since(review, other) == (None, None)
