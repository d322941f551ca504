"""A copy of the groups that a store holds: what it shows is what the database shows that decides."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Connection, func, select

from tests.groups.backlogs import ANTENNA, PLUME, Alarm, store_backlog
from triage_assets.errors import StoreError
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup, write_snapshot
from triage_assets.groups.decisions import Decisions
from triage_assets.groups.snapshot import GroupsSnapshot, advance, load_snapshot
from triage_assets.groups_copy import RESULTS, is_for_looking, load_copied, write_copy
from triage_assets.review.account_records import Role
from triage_assets.review.accounts import Accounts
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.decisions import DecisionDatabase, DecisionReader
from triage_assets.review.export import load_changes
from triage_assets.review.group_items import GroupListItem
from triage_assets.review.listing import list_groups
from triage_assets.review.members import list_excluded, list_members
from triage_assets.review.models import DecisionRow
from triage_assets.review.news import count_annotated_since, count_groups_changed_since
from triage_assets.review.records import FalsePositiveType, GroupFilter, Label, Member, Stage
from triage_assets.review.scores import record_scores
from triage_assets.store import Store
from triage_assets.stored_detections import StoredDetections

ALARMS = [
    *(Alarm(number) for number in (1, 2, 3)),
    *(Alarm(number, (PLUME,)) for number in (4, 5)),
    Alarm(6, ()),  # skipped: no box
    Alarm(7, azimuth=None),  # skipped: no angle
    Alarm(8, (ANTENNA, PLUME), camera_id=9),
]
SCORES = {1: 0.25, 2: 0.75, 4: 0.5}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def decided(store: Store, review: ReviewDatabase) -> ReviewDatabase:
    """Two groups of people's making and one of a sequence alone, in the database and in the store."""
    store_backlog(store, ALARMS)
    regroup(store, review)
    ids, scores = np.array([*SCORES, 8]), np.array([*SCORES.values(), np.nan])
    record_scores(review, ids, scores)
    store.write(RESULTS, encode(pa.table({"sequence_id": pa.array(ids, pa.int32()), "triage_score": scores})))
    decisions = Decisions(DecisionDatabase(review), StoredDetections(store))
    decisions.set_validated(1, True, by='Ana "the eye", O\'Neill')
    decisions.annotate(1, Label(false_positive_type=FalsePositiveType.ANTENNA), is_unsure=False,
        stage=Stage.SEQ_ANNOTATION_DONE, seen=None, by="bob")  # fmt: skip
    decisions.remove_member(1, 3, by="bob")
    decisions.remove_member(2, 5, by="bob")
    decisions.set_validated(2, True, by="bob")
    write_snapshot(store, review)
    return review


def encode(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def copy_of(store: Store, folder: Path) -> ReviewDatabase:
    write_copy(folder / "copy.sqlite", load_copied(store))
    return open_review(f"sqlite:///{folder / 'copy.sqlite'}")


def snapshot_of(review: ReviewDatabase) -> GroupsSnapshot:
    with review.read() as connection:
        return advance(None, load_changes(connection))


def shown(connection: Connection) -> tuple[list[GroupListItem], list[Member], list[Member]]:
    """What the pages of groups show, but who contributed, and what number a change of it had."""
    everything = GroupFilter(min_members=0, label_state=None)
    items = list_groups(connection, everything, order_by="created_at", descending=False, page=1, size=100).items
    groups = [replace(item, group=replace(item.group, revision=0), annotators=()) for item in items]
    pages = [(list_members, []), (list_excluded, [])]
    for list_them, found in pages:
        for item in items:
            members = list_them(connection, item.group.id, page=1, size=100).items
            found += [replace(member, contributors=()) for member in members]
    return groups, pages[0][1], pages[1][1]


def test_a_copy_has_the_snapshot_that_it_was_made_of(store: Store, decided: ReviewDatabase, tmp_path: Path) -> None:
    with closing(copy_of(store, tmp_path)) as copy:
        assert snapshot_of(copy) == load_snapshot(store) == snapshot_of(decided)
        with copy.read() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def test_a_copy_shows_the_groups_as_the_database_does(store: Store, decided: ReviewDatabase, tmp_path: Path) -> None:
    with closing(copy_of(store, tmp_path)) as copy, copy.read() as ours, decided.read() as theirs:
        groups, members, excluded = shown(ours)
        assert (groups, members, excluded) == shown(theirs)
        assert [item.group.validated_by for item in groups] == ['Ana "the eye", O\'Neill', "bob", None]
        assert (groups[0].group.highest_score, groups[0].group.lowest_score) == (0.75, 0.25)
        assert [member.sequence_id for member in excluded] == [3, 5]
        assert all(member.first_boxes for member in members)


def test_a_copy_knows_no_decisions_one_by_one(store: Store, decided: ReviewDatabase, tmp_path: Path) -> None:
    with closing(copy_of(store, tmp_path)) as copy, copy.read() as connection:
        assert connection.execute(select(func.count()).select_from(DecisionRow)).scalar_one() == 0


def test_nothing_is_newer_than_the_state_that_a_copy_is_of(
    store: Store, decided: ReviewDatabase, tmp_path: Path
) -> None:
    snapshot = load_snapshot(store)
    assert snapshot is not None
    with closing(copy_of(store, tmp_path)) as copy, copy.read() as connection:
        assert count_annotated_since(connection, snapshot.state) == 0
        assert count_groups_changed_since(connection, snapshot.state) == 0
        assert count_annotated_since(connection, replace(snapshot.state, token="another")) is None


def test_sequences_that_left_the_backlog_stay_in_their_groups(
    store: Store, decided: ReviewDatabase, tmp_path: Path
) -> None:
    store_backlog(store, [alarm for alarm in ALARMS if alarm.id not in (1, 3, 6)])
    with closing(copy_of(store, tmp_path)) as copy:
        assert snapshot_of(copy) == load_snapshot(store)
        with copy.read() as connection:
            _, members, excluded = shown(connection)
            known = DecisionReader(connection).sequences([6])
    gone = [member for member in (*members, *excluded) if member.sequence_id in (1, 3)]
    assert [(each.first_detection_id, each.first_boxes) for each in gone] == [(None, ())] * 2
    assert [each.last_seen_at for each in gone] == [each.recorded_at for each in gone]
    assert known[6].group_id is None


def test_of_a_sequence_in_two_backlogs_the_last_is_shown(store: Store, decided: ReviewDatabase, tmp_path: Path) -> None:
    """As an assignment takes it."""
    later = Alarm(1, n_frames=5)
    for key in ("alps-3", "west-2"):
        store_backlog(store, [later if key == "west-2" else Alarm(1, n_frames=9)], key)
    with closing(copy_of(store, tmp_path)) as copy, copy.read() as connection:
        _, members, _ = shown(connection)
    (first,) = [member for member in members if member.sequence_id == 1]
    assert first.last_seen_at == later.recorded_at + timedelta(seconds=150)


def test_an_empty_snapshot_is_an_empty_copy(store: Store, review: ReviewDatabase, tmp_path: Path) -> None:
    write_snapshot(store, review)
    tables = load_copied(store)
    assert tables is not None
    assert tables.changed_at is None
    with closing(copy_of(store, tmp_path)) as copy:
        assert snapshot_of(copy) == load_snapshot(store)


def test_a_copy_is_as_of_its_last_change(store: Store, decided: ReviewDatabase) -> None:
    tables = load_copied(store)
    assert tables is not None
    assert tables.changed_at == max(snapshot_of(decided).groups["updated_at"].to_pylist())


@pytest.mark.parametrize(
    "results",
    [
        None,  # nothing was split yet
        b"no Parquet",
        encode(pa.table({"sequence_id": [1]})),  # by a version that scored in other words
    ],
)
def test_without_scores_that_can_be_read_there_are_none(
    store: Store, decided: ReviewDatabase, tmp_path: Path, results: bytes | None
) -> None:
    store.delete(RESULTS)
    if results is not None:
        store.write(RESULTS, results)
    with closing(copy_of(store, tmp_path)) as copy, copy.read() as connection:
        groups, members, _ = shown(connection)
    assert {item.group.highest_score for item in groups} == {None}
    assert {member.score for member in members} == {None}


def test_who_reads_the_copy_before_goes_on_and_then_sees_the_newer_one(
    store: Store, decided: ReviewDatabase, tmp_path: Path
) -> None:
    with closing(copy_of(store, tmp_path)) as copy:
        with copy.read() as connection:
            before = shown(connection)
            Decisions(DecisionDatabase(decided), StoredDetections(store)).set_validated(2, False, by="ana")
            write_snapshot(store, decided)
            write_copy(tmp_path / "copy.sqlite", load_copied(store))
            assert shown(connection) == before
        assert snapshot_of(copy) == load_snapshot(store) == snapshot_of(decided)
    left = {path.name for path in tmp_path.iterdir()}
    assert {name for name in left if name.startswith("copy")} == {"copy.sqlite"}


def test_nothing_is_written_to_the_store(store: FolderStore, decided: ReviewDatabase, tmp_path: Path) -> None:
    before = {found.path: (found, store.read(found.path)) for found in store.list("")}
    copy_of(store, tmp_path).close()
    assert {found.path: (found, store.read(found.path)) for found in store.list("")} == before


# When somebody only looks


def test_somebody_without_a_database_looks(store: Store, decided: ReviewDatabase, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "review.sqlite"
    assert is_for_looking(store, f"sqlite:///{mine}")
    assert not mine.parent.exists()


def test_somebody_whose_database_has_accounts_alone_looks(
    store: Store, decided: ReviewDatabase, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'mine.sqlite'}"
    with closing(open_review(url)) as mine:
        Accounts(mine).add("ana", Role.VIEWER, "a hash")
    assert is_for_looking(store, url)


def test_who_has_grouped_decides(store: Store, decided: ReviewDatabase, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mine.sqlite'}"
    with closing(open_review(url)) as mine:
        regroup(store, mine)
    assert not is_for_looking(store, url)


def test_whose_groups_the_store_holds_decides_also_while_there_is_none(
    store: Store, review: ReviewDatabase, review_url: str
) -> None:
    write_snapshot(store, review)
    assert not is_for_looking(store, review_url)


def test_nobody_looks_at_a_store_that_holds_no_groups(store: Store, tmp_path: Path) -> None:
    assert not is_for_looking(store, f"sqlite:///{tmp_path / 'mine.sqlite'}")


def test_groups_that_cannot_be_read_are_looked_at_by_who_has_none(
    store: Store, decided: ReviewDatabase, review_url: str, tmp_path: Path
) -> None:
    store.write("groups/groups.parquet", b"no Parquet")
    assert is_for_looking(store, f"sqlite:///{tmp_path / 'mine.sqlite'}")
    assert not is_for_looking(store, review_url)
    with pytest.raises(StoreError, match=r"groups/groups\.parquet cannot be read"):
        load_copied(store)
