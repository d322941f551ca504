"""A sequence is known under the organization that the backlog has it under now, whatever it was when it was grouped."""

import pytest
from sqlalchemy import select

from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup, write_snapshot
from triage_assets.groups.bulk import BulkRequest
from triage_assets.groups.decisions import Decisions
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.models import ReviewSequence, ReviewState
from triage_assets.review.records import FalsePositiveType, Label
from triage_assets.store import Store
from triage_assets.stored_detections import StoredDetections

from .backlogs import PLUME, Alarm, store_backlog


@pytest.fixture
def store(tmp_path) -> Store:
    return FolderStore(tmp_path / "store")


def keys_of(review: ReviewDatabase) -> dict[int, str]:
    with review.read() as connection:
        return dict(connection.execute(select(ReviewSequence.id, ReviewSequence.organization_key)).tuples().all())


def revision_of(review: ReviewDatabase) -> int:
    with review.read() as connection:
        return connection.execute(select(ReviewState.revision)).scalar_one()


def test_after_a_renaming_what_was_grouped_before_can_be_labelled(store, review):
    store_backlog(store, [Alarm(1), Alarm(2), Alarm(3, ()), Alarm(4, (PLUME,))], "valley-1")
    regroup(store, review)
    with DecisionDatabase(review).write("ana") as write:
        write.exclude(2, 1)
    write_snapshot(store, review)
    store_backlog(store, [Alarm(4, (PLUME,))], "valley-1")  # this one stays
    store_backlog(store, [Alarm(1), Alarm(2), Alarm(3, ())], "dale-1")
    assert regroup(store, review).processed == 1, "the one that was skipped before"
    assert keys_of(review) == {1: "dale-1", 2: "dale-1", 3: "dale-1", 4: "valley-1"}
    keys = write_snapshot(store, review).snapshot.members.select(["sequence_id", "organization_key"]).to_pylist()
    assert [tuple(row.values()) for row in keys] == [(1, "dale-1"), (4, "valley-1")]

    decisions = Decisions(DecisionDatabase(review), StoredDetections(store))
    request = BulkRequest((1, 2), Label(false_positive_type=FalsePositiveType.ANTENNA))
    assert list(decisions.annotate_many(request, by="ana").applied) == [1, 2]


def test_nothing_is_written_where_everybody_is_where_they_were(store, review):
    store_backlog(store, [Alarm(1)], "valley-1")
    store_backlog(store, [Alarm(2)], "dale-2")
    for _ in range(3):
        regroup(store, review)
        assert revision_of(review) == 1


def test_who_left_the_backlog_stays_under_the_key_of_before(store, review):
    store_backlog(store, [Alarm(1), Alarm(2)], "valley-1")
    regroup(store, review)
    store_backlog(store, [Alarm(2)], "dale-1")
    store_backlog(store, [], "valley-1")
    regroup(store, review)
    assert keys_of(review) == {1: "valley-1", 2: "dale-1"}


@pytest.mark.parametrize("known_under", ["alps-1", "valley-2"])
def test_of_two_organizations_that_have_a_sequence_the_last_counts(store, review, known_under):
    store_backlog(store, [Alarm(1), Alarm(2, ())], known_under)
    regroup(store, review)
    for key in ("alps-1", "valley-2"):
        store_backlog(store, [Alarm(1), Alarm(2, ())], key)
    regroup(store, review)
    revision = revision_of(review)
    regroup(store, review)
    assert keys_of(review) == {1: "valley-2", 2: "valley-2"}
    assert revision_of(review) == revision


def test_newcomers_and_who_moved_come_in_one_write(store, review):
    store_backlog(store, [Alarm(1)], "valley-1")
    regroup(store, review)
    store_backlog(store, [Alarm(1), Alarm(2)], "zoo-2")
    assert regroup(store, review).joined_existing == 1
    assert keys_of(review) == {1: "zoo-2", 2: "zoo-2"}
    assert revision_of(review) == 2
