"""The figures are counts of the snapshot, and each broken promise is named."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup, write_snapshot
from triage_assets.groups.records import ANNOTATIONS, GROUPS, INVARIANTS, MEMBERS, UNGROUPED, DatabaseState
from triage_assets.groups.snapshot import GroupsSnapshot, load_snapshot
from triage_assets.groups.summary import check_snapshot, summarize
from triage_assets.review.database import open_review

from .backlogs import ANTENNA, PLUME, Alarm, store_backlog

EMPTY = GroupsSnapshot(
    DatabaseState("0" * 32, 0, "1" * 32),
    GROUPS.empty_table(),
    MEMBERS.empty_table(),
    UNGROUPED.empty_table(),
    ANNOTATIONS.empty_table(),
)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory) -> GroupsSnapshot:
    """Camera 7: groups of three and of one; camera 8: one of two; one sequence is in none."""
    folder = tmp_path_factory.mktemp("summary")
    store, review = FolderStore(folder), open_review(f"sqlite:///{folder / 'review.sqlite'}")
    alarms = [
        Alarm(1),
        Alarm(2),
        Alarm(3),
        Alarm(4, (PLUME,)),
        Alarm(5, camera_id=8),
        Alarm(6, camera_id=8),
        Alarm(7, ()),
    ]
    store_backlog(store, alarms)
    regroup(store, review)
    write_snapshot(store, review)
    review.close()
    return load_snapshot(store)


def with_column(table: pa.Table, name: str, values: list) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))


def test_clicks_saved_are_all_but_one_of_each_group(snapshot):
    summary = summarize(snapshot)
    assert (summary.n_groups, summary.n_recurring, summary.n_sequences, summary.n_clicks_saved) == (3, 2, 7, 3)
    assert summary.share_saved == 3 / 7
    assert summary.sizes == ((1, 1), (2, 1), (3, 1))
    assert [
        (camera.camera_id, camera.n_groups, camera.n_sequences, camera.n_clicks_saved) for camera in summary.cameras
    ] == [
        (7, 2, 4, 2),
        (8, 1, 2, 1),
    ]
    assert [camera.share_saved for camera in summary.cameras] == [0.5, 0.5]


def test_groups_are_counted_by_what_people_said(snapshot):
    groups = with_column(snapshot.groups, "label_state", ["labeled", "unsure", "unlabeled"])
    groups = with_column(groups, "is_validated", [True, True, False])
    summary = summarize(replace(snapshot, groups=groups))
    assert (summary.n_labeled, summary.n_unsure, summary.n_unlabeled, summary.n_validated) == (1, 1, 1, 2)


def test_no_groups_save_nothing():
    summary = summarize(EMPTY)
    assert (summary.n_groups, summary.share_saved, summary.sizes, summary.cameras) == (0, 0.0, (), ())


@pytest.mark.parametrize("of", ["snapshot", "nothing"])
def test_an_assignment_keeps_every_promise(snapshot, of):
    verdicts = check_snapshot(snapshot if of == "snapshot" else EMPTY)
    assert [(verdict.name, verdict.holds) for verdict in verdicts] == [(name, True) for name in INVARIANTS]


def members(snapshot, name, values):
    return replace(snapshot, members=with_column(snapshot.members, name, values))


def groups(snapshot, name, values):
    return replace(snapshot, groups=with_column(snapshot.groups, name, values))


BROKEN = [
    (lambda s: members(s, "camera_id", [7, 7, 7, 7, 8, 9]), {"members_are_of_their_groups_camera_and_azimuth"}),
    (lambda s: members(s, "azimuth", [45, 45, 45, 46, 45, 45]), {"members_are_of_their_groups_camera_and_azimuth"}),
    # A group that is not there is of no camera, and its member is missing in the one where it was.
    (
        lambda s: members(s, "group_id", [1, 1, 99, 2, 3, 3]),
        {"members_are_of_their_groups_camera_and_azimuth", "member_counts_agree_with_members"},
    ),
    (lambda s: groups(s, "member_count", [3, 1, 5]), {"member_counts_agree_with_members"}),
    (lambda s: members(s, "sequence_id", [1, 2, 2, 4, 5, 6]), {"nobody_is_in_two_groups"}),
    (lambda s: members(s, "sequence_id", [1, 2, 3, 4, 5, 7]), {"excluded_and_skipped_are_in_no_group"}),
    (
        lambda s: groups(groups(s, "smoke_type", ["other", None, None]), "false_positive_type", ["dust", None, "sky"]),
        {"labels_are_one_or_none"},
    ),
    (lambda s: groups(s, "x1", [0.1, float("nan"), 0.1]), {"regions_are_boxes"}),
    (lambda s: groups(s, "x1", [ANTENNA[2] + 0.1, 0.6, 0.1]), {"regions_are_boxes"}),
    (lambda s: groups(s, "confidence", [0.5, 1.5, 0.5]), {"regions_are_boxes"}),
]


@pytest.mark.parametrize(("damage", "broken"), BROKEN)
def test_a_broken_promise_is_named(snapshot, damage, broken):
    verdicts = check_snapshot(damage(snapshot))
    assert {verdict.name for verdict in verdicts if not verdict.holds} == broken


def test_the_fixture_is_what_the_table_of_damages_assumes(snapshot):
    assert snapshot.members["group_id"].to_pylist() == [1, 1, 1, 2, 3, 3]
    assert pc.sum(snapshot.groups["member_count"]).as_py() == 6
