"""The snapshot is the database at one revision: never a mix, the same bytes by any way, made anew when in doubt."""

import json
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, update

from tests.stores import OvertakenStore
from triage_assets.errors import NewerFormat, StoreError
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import regroup, write_snapshot
from triage_assets.groups import snapshot as snapshot_module
from triage_assets.groups.records import ANNOTATIONS, FOLDER, GROUPS, MEMBERS, UNGROUPED
from triage_assets.groups.snapshot import load_snapshot
from triage_assets.review.annotations import save_annotations
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.models import ReviewSequence, ReviewState, SequenceGroup
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
from triage_assets.store import Store

from .backlogs import PLUME, Alarm, store_backlog

FILES = tuple(f"{FOLDER}/{name}.parquet" for name in ("groups", "members", "ungrouped", "annotations"))


@pytest.fixture
def store(tmp_path) -> Store:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def grouped(store, review) -> ReviewDatabase:
    """Two groups, one of two members, and two sequences in none."""
    store_backlog(store, [Alarm(1), Alarm(2), Alarm(3, (PLUME,)), Alarm(4, ()), Alarm(5, (PLUME,))])
    regroup(store, review)
    with review.write() as write:
        change = update(ReviewSequence).where(ReviewSequence.id == 5)
        write.connection.execute(
            change.values(group_id=None, is_group_excluded=True, excluded_from=2, revision=write.revision)
        )
        change = update(SequenceGroup).where(SequenceGroup.id == 2)
        write.connection.execute(change.values(member_count=1, revision=write.revision))
    return review


def decide(review: ReviewDatabase) -> None:
    """Ana validates and labels the first group, and annotates a member of it."""
    with review.write() as write:
        ana = reviewer_id(write, 'Ana "the eye", O\'Neill\n')
        change = update(SequenceGroup).where(SequenceGroup.id == 1)
        write.connection.execute(
            change.values(
                smoke_type="wildfire",
                labeled_at=write.now,
                labeled_by=ana,
                is_validated=True,
                validated_at=write.now,
                validated_by=ana,
                revision=write.revision,
                updated_at=write.now,
            )
        )
        box = BoxOnFrame(100, (0.1, 0.1, 0.2, 0.3))
        clusters = (
            Cluster(True, SmokeType.WILDFIRE, (), (box,)),
            Cluster(False, None, (FalsePositiveType.DUST, FalsePositiveType.ROAD), (box,)),
        )
        save_annotations(write, [Annotation(1, Stage.SEQ_ANNOTATION_DONE, clusters, True, Origin.PERSON)], ana)


def bytes_of(store: Store) -> dict[str, bytes]:
    return {path: store.read(path) for path in FILES}


def test_nothing_written_is_no_snapshot(store):
    assert load_snapshot(store) is None


def test_an_empty_database_has_an_empty_snapshot(store, review):
    assert write_snapshot(store, review).has_changed
    found = load_snapshot(store)
    assert (len(found.groups), len(found.members), len(found.ungrouped), len(found.annotations)) == (0, 0, 0, 0)
    assert not write_snapshot(store, review).has_changed


def test_the_tables_say_what_the_database_says(store, grouped):
    decide(grouped)
    report = write_snapshot(store, grouped)
    found = load_snapshot(store)
    assert report.snapshot == found
    assert (len(found.groups), len(found.members), len(found.ungrouped), len(found.annotations)) == (2, 3, 2, 1)
    schemas = (found.groups.schema, found.members.schema, found.ungrouped.schema, found.annotations.schema)
    assert schemas == (GROUPS, MEMBERS, UNGROUPED, ANNOTATIONS)
    assert found.members.select(["sequence_id", "group_id"]).to_pylist() == [
        {"sequence_id": 1, "group_id": 1},
        {"sequence_id": 2, "group_id": 1},
        {"sequence_id": 3, "group_id": 2},
    ]
    assert found.members["recorded_at"].to_pylist() == [Alarm(number).recorded_at for number in (1, 2, 3)]
    nowhere = ("sequence_id", "is_group_excluded", "excluded_from", "skipped_reason")
    assert [tuple(row[name] for name in nowhere) for row in found.ungrouped.to_pylist()] == [
        (4, False, None, "no_valid_box"),
        (5, True, 2, None),
    ]
    first, second = found.groups.to_pylist()
    assert (first["validated_by"], first["labeled_by"]) == ('Ana "the eye", O\'Neill\n',) * 2
    assert (first["label_state"], first["smoke_type"], first["is_validated"]) == ("labeled", "wildfire", True)
    assert (second["label_state"], second["labeled_at"], second["member_count"]) == ("unlabeled", None, 1)
    assert (second["x1"], second["y1"], second["x2"], second["y2"]) == PLUME
    (annotation,) = found.annotations.to_pylist()
    assert (annotation["stage"], annotation["origin"], annotation["is_unsure"]) == (
        "seq_annotation_done",
        "person",
        True,
    )
    assert (annotation["smoke_types"], annotation["false_positive_types"]) == (["wildfire"], ["dust", "road"])
    clusters = json.loads(annotation["annotation"])
    assert clusters[0] == {
        "is_smoke": True,
        "smoke_type": "wildfire",
        "false_positive_types": [],
        "bboxes": [{"detection_id": 100, "xyxyn": [0.1, 0.1, 0.2, 0.3]}],
    }


def test_step_by_step_gives_the_same_bytes_as_at_once(store, grouped, tmp_path):
    write_snapshot(store, grouped)
    decide(grouped)
    write_snapshot(store, grouped)
    store_backlog(store, [Alarm(2), Alarm(6), Alarm(7, azimuth=1)])
    regroup(store, grouped)
    report = write_snapshot(store, grouped)
    at_once = FolderStore(tmp_path / "another")
    assert write_snapshot(at_once, grouped) == report
    assert bytes_of(at_once) == bytes_of(store)


def test_unchanged_rows_write_nothing(store, grouped):
    first = write_snapshot(store, grouped)
    before = bytes_of(store)
    with grouped.write():
        pass  # a revision of its own, and no row
    second = write_snapshot(store, grouped)
    assert (second.has_changed, second.data_version) == (False, first.data_version)
    assert bytes_of(store) == before


def test_rows_that_were_deleted_are_noticed(store, grouped):
    write_snapshot(store, grouped)
    with grouped.write() as write:
        write.connection.execute(delete(ReviewSequence).where(ReviewSequence.id == 3))
    assert len(write_snapshot(store, grouped).snapshot.members) == 2
    assert load_snapshot(store).members["sequence_id"].to_pylist() == [1, 2]


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],  # cut short
        lambda data: b"no Parquet file",
        lambda data: b"",
        lambda data: data[:8] + bytes(len(data) // 2 - 8) + data[len(data) // 2 :],  # zeros in the middle of its pages
    ],
)
def test_a_damaged_file_is_refused_by_readers_and_made_anew(store, grouped, path, damage):
    write_snapshot(store, grouped)
    before = bytes_of(store)
    store.write(path, damage(before[path]))
    with pytest.raises(StoreError, match=r"Materialize sequence_groups"):
        load_snapshot(store)
    write_snapshot(store, grouped)
    assert bytes_of(store) == before


def test_files_of_two_revisions_are_never_read_together(store, grouped, monkeypatch):
    monkeypatch.setattr(snapshot_module, "_PAUSE_SECONDS", 0.01)
    write_snapshot(store, grouped)
    old = store.read(FILES[1])
    decide(grouped)
    write_snapshot(store, grouped)
    whole = bytes_of(store)
    store.write(FILES[1], old)
    with pytest.raises(StoreError, match=r"not all of one revision.*Materialize sequence_groups"):
        load_snapshot(store)
    store.delete(FILES[1])
    with pytest.raises(StoreError, match=r"members missing"):
        load_snapshot(store)
    write_snapshot(store, grouped)
    assert bytes_of(store) == whole


def test_a_reader_waits_for_a_writer_that_is_under_way(store, grouped):
    write_snapshot(store, grouped)
    old = store.read(FILES[0])
    decide(grouped)
    write_snapshot(store, grouped)
    new = store.read(FILES[0])
    store.write(FILES[0], old)

    def finish() -> None:
        time.sleep(0.1)
        store.write(FILES[0], new)

    writer = threading.Thread(target=finish)
    writer.start()
    assert load_snapshot(store).groups["label_state"].to_pylist() == ["labeled", "unlabeled"]
    writer.join()


@pytest.mark.parametrize("path", FILES)
def test_two_runs_at_once_leave_the_files_of_one_state(store, grouped, path):
    """The other run, after a decision, writes its snapshot while ours has written a part of its own."""

    def other_run() -> None:
        decide(grouped)
        write_snapshot(store, grouped)

    write_snapshot(OvertakenStore(store.root, path, other_run), grouped)
    assert load_snapshot(store) is not None, "and not files of two revisions"
    assert write_snapshot(store, grouped).snapshot.groups["is_validated"].to_pylist() == [True, False]


def test_a_newer_format_is_refused_and_left_alone(store, grouped):
    write_snapshot(store, grouped)
    table = pq.read_table(pa.BufferReader(store.read(FILES[0])))
    metadata = {**table.schema.metadata, b"format_version": b"2"}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink)
    newer = sink.getvalue().to_pybytes()
    store.write(FILES[0], newer)
    for use in (lambda: load_snapshot(store), lambda: write_snapshot(store, grouped)):
        with pytest.raises(NewerFormat, match=r"newer version of this project.*format version 2"):
            use()
    assert store.read(FILES[0]) == newer


def test_a_database_that_was_set_back_is_not_built_upon(store, grouped):
    write_snapshot(store, grouped)
    decide(grouped)
    write_snapshot(store, grouped)
    with grouped.write() as write:
        write.connection.execute(update(SequenceGroup).values(member_count=9))
        write.connection.execute(update(ReviewState).values(revision=1))
    report = write_snapshot(store, grouped)
    assert (report.has_changed, report.snapshot.state.revision) == (True, 1)
    assert load_snapshot(store).groups["member_count"].to_pylist() == [9, 9]


@pytest.mark.parametrize(
    ("origin", "stands"),
    [
        (Origin.PROPAGATED, False),  # copied from the group that it was taken out of
        (Origin.INHERITED, False),
        (Origin.PERSON, True),  # somebody looked at this very sequence
        (Origin.BULK, True),  # and here somebody named it
    ],
)
def test_a_copied_label_stands_only_while_its_sequence_is_in_the_group(
    store: Store, grouped: ReviewDatabase, origin: Origin, stands: bool
) -> None:
    cluster = Cluster(False, None, (FalsePositiveType.ANTENNA,), (BoxOnFrame(1, (0.1, 0.1, 0.2, 0.2)),))
    labels = [Annotation(number, Stage.SEQ_ANNOTATION_DONE, (cluster,), False, origin) for number in (1, 5)]
    with grouped.write() as write:
        save_annotations(write, labels, None)
    write_snapshot(store, grouped)
    snapshot = load_snapshot(store)
    assert snapshot is not None
    assert snapshot.standing_annotations()["sequence_id"].to_pylist() == ([1, 5] if stands else [1])

    with grouped.write() as write:
        change = update(ReviewSequence).where(ReviewSequence.id == 5)
        values = {"group_id": 2, "is_group_excluded": False, "excluded_from": None, "revision": write.revision}
        write.connection.execute(change.values(values))
        write.connection.execute(
            update(SequenceGroup).where(SequenceGroup.id == 2).values(member_count=2, revision=write.revision)
        )
    write_snapshot(store, grouped)
    back = load_snapshot(store)
    assert back is not None
    assert back.standing_annotations()["sequence_id"].to_pylist() == [1, 5]
