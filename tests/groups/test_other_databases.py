"""A snapshot goes on only from the database that it was made from: not from another one, nor from a copy of before."""

import pytest
from sqlalchemy import Column, Table, delete, insert, select, update

from triage_assets.errors import ReviewMismatch
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup, write_snapshot
from triage_assets.groups.snapshot import load_snapshot
from triage_assets.review.annotations import save_annotations
from triage_assets.review.database import ReviewDatabase, Write, open_review
from triage_assets.review.decisions import DecisionDatabase
from triage_assets.review.models import Base, ReviewSequence, ReviewState, SequenceGroup
from triage_assets.review.records import Action, Annotation, Origin, Stage
from triage_assets.review.versions import migrating
from triage_assets.review.watch import last_decision
from triage_assets.store import Store

from .backlogs import PLUME, Alarm, store_backlog
from .test_snapshot import FILES, bytes_of, decide


@pytest.fixture
def store(tmp_path) -> Store:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def grouped(store, review) -> ReviewDatabase:
    """Two groups, one of two members."""
    store_backlog(store, [Alarm(1), Alarm(2), Alarm(3, (PLUME,))])
    regroup(store, review)
    return review


def test_another_database_is_not_built_upon(store, grouped, tmp_path):
    decide(grouped)
    write_snapshot(store, grouped)
    before = bytes_of(store)
    other = another_database(tmp_path)
    with other.write():
        pass
    with pytest.raises(ReviewMismatch, match=r"(?s)found the database .*expected the database .*TRIAGE_REVIEW_DB"):
        write_snapshot(store, other)
    assert bytes_of(store) == before
    for path in FILES:
        store.delete(path)
    assert write_snapshot(store, other).has_changed
    assert len(load_snapshot(store).groups) == 0
    other.close()


def test_an_undecided_snapshot_of_another_database_is_replaced(store, review, tmp_path):
    store_backlog(store, [Alarm(1), Alarm(2)])
    regroup(store, review)
    write_snapshot(store, review)
    other = another_database(tmp_path)
    assert write_snapshot(store, other).has_changed
    assert len(load_snapshot(store).groups) == 0
    other.close()


def validate(write: Write) -> None:
    change = update(SequenceGroup).where(SequenceGroup.id == 1)
    write.connection.execute(change.values(is_validated=True, validated_at=write.now, revision=write.revision))


def label(write: Write) -> None:
    change = update(SequenceGroup).where(SequenceGroup.id == 1)
    write.connection.execute(change.values(smoke_type="other", labeled_at=write.now, revision=write.revision))


def doubt(write: Write) -> None:
    change = update(SequenceGroup).where(SequenceGroup.id == 1)
    write.connection.execute(change.values(is_unsure=True, revision=write.revision))


def annotate(write: Write) -> None:
    save_annotations(write, [Annotation(1, Stage.READY_TO_ANNOTATE, (), False, Origin.PERSON)], None)


def exclude(write: Write) -> None:
    change = update(ReviewSequence).where(ReviewSequence.id == 2)
    values = {"group_id": None, "is_group_excluded": True, "excluded_from": 1, "revision": write.revision}
    write.connection.execute(change.values(values))


@pytest.mark.parametrize("decision", [validate, label, doubt, annotate, exclude])
@pytest.mark.parametrize("is_damaged", [False, True])
def test_nothing_that_people_decided_is_replaced_by_another_database(store, review, tmp_path, decision, is_damaged):
    store_backlog(store, [Alarm(1), Alarm(2)])
    regroup(store, review)
    with review.write() as write:
        decision(write)
    write_snapshot(store, review)
    if is_damaged:  # a file that holds no decision in any row of this table
        store.write(FILES[1], b"no Parquet file")
    before = bytes_of(store)
    other = another_database(tmp_path)
    with pytest.raises(ReviewMismatch, match="is not the one whose decisions"):
        write_snapshot(store, other)
    assert bytes_of(store) == before
    other.close()


def another_database(tmp_path) -> ReviewDatabase:
    """One with an identity of its own: those of the fixtures are all copies of one."""
    return open_review(f"sqlite:///{tmp_path / 'other.sqlite'}")


def test_a_restored_database_is_not_built_upon_although_as_much_was_decided_since(store, grouped):
    """What was decided after the copy was made is gone from the database, and so it goes from the snapshot."""
    copy = contents_of(grouped)
    decide(grouped)
    lost = write_snapshot(store, grouped)
    restore(grouped, copy)
    with grouped.write() as write:  # another decision, about another group
        annotation = Annotation(3, Stage.SEQ_ANNOTATION_DONE, (), False, Origin.PERSON)
        save_annotations(write, [annotation], None)
    report = write_snapshot(store, grouped)
    state = report.snapshot.state
    assert (state.database_id, state.revision) == (lost.snapshot.state.database_id, lost.snapshot.state.revision)
    assert report.has_changed
    found = load_snapshot(store)
    assert found.annotations["sequence_id"].to_pylist() == [3]
    assert found.groups["label_state"].to_pylist() == ["unlabeled", "unlabeled"]


def contents_of(review: ReviewDatabase) -> dict[str, list]:
    with review.read() as connection:
        return {
            table.name: [row._asdict() for row in connection.execute(select(*stored_columns(table)))]
            for table in Base.metadata.sorted_tables
        }


def restore(review: ReviewDatabase, copy: dict[str, list]) -> None:
    """Bring back every row as it was, as a file that is copied back does."""
    tables = Base.metadata.sorted_tables
    with migrating(review.engine) as connection:
        for table in reversed(tables):
            connection.execute(delete(table))
        for table in tables:
            if copy[table.name]:
                connection.execute(insert(table), copy[table.name])


def stored_columns(table: Table) -> list[Column]:
    return [column for column in table.columns if column.computed is None]


def test_decisions_are_news_after_a_restore_although_they_are_as_many(grouped, review_url):
    copy = contents_of(grouped)
    assert last_decision(review_url) is None
    seen = []
    for group_id in (1, 2):
        with DecisionDatabase(grouped).write("ana") as write:
            write.record(Action.VALIDATE, group_id, None)
        seen.append(last_decision(review_url))
        assert last_decision(review_url) == seen[-1]
        restore(grouped, copy)
    assert len(set(seen)) == 2


def test_a_database_belongs_to_the_annotator_whose_sequences_came_first(store, review, tmp_path):
    store_backlog(store, [Alarm(1)])
    regroup(store, review)
    assert annotator_of(review) is None  # nobody has said whose they are
    store.stamp("https://one.example.org/api/v1")
    store_backlog(store, [Alarm(1), Alarm(2)])
    assert regroup(store, review).joined_existing == 1
    assert annotator_of(review) == "one.example.org"

    other = FolderStore(tmp_path / "other")
    other.stamp("https://two.example.org")
    store_backlog(other, [Alarm(3)])
    before = contents_of(review)
    with pytest.raises(ReviewMismatch, match=r"found one\.example\.org; expected two\.example\.org\. Correct TRIAGE_"):
        regroup(other, review)
    assert contents_of(review) == before
    assert regroup(store, review).processed == 0


def test_every_loopback_address_is_one_annotator(store, review, tmp_path):
    store.stamp("http://127.0.0.1:5050")
    store_backlog(store, [Alarm(1)])
    regroup(store, review)
    again = FolderStore(tmp_path / "again")
    again.stamp("http://localhost:8080")
    store_backlog(again, [Alarm(1), Alarm(2)])
    assert regroup(again, review).joined_existing == 1


def annotator_of(review: ReviewDatabase) -> str | None:
    with review.read() as connection:
        return connection.execute(select(ReviewState.annotator)).scalar_one()
