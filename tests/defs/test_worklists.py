"""The asset `worklists` beside the review database: what it does without groups, decisions or scores.

It fails only where it would forget what people decided.
"""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from sqlalchemy import select

from tests.groups.backlogs import PLUME, Alarm, store_backlog
from tests.review.rows import add_annotation, add_group, add_sequence
from tests.shards.shard_backlogs import Downloads, make_backlog
from triage_assets.annotator.records import SequenceRow
from triage_assets.annotator.snapshot import SnapshotWriter, detections_array, snapshot_path
from triage_assets.defs.resources import ModelsResource, ReviewResource, StoreResource
from triage_assets.defs.sequence_groups import sequence_groups
from triage_assets.defs.worklists import worklists
from triage_assets.demo import DEMO_MODEL
from triage_assets.errors import StoreError
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import write_snapshot
from triage_assets.review.database import ReviewDatabase, open_review
from triage_assets.review.models import ReviewSequence, ReviewState
from triage_assets.review.scores import record_scores
from triage_assets.shards.catalog import change_catalog
from triage_assets.shards.packing import pack_frames

KEY = "valley-1"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A store with a backlog of three sequences, which nothing has scored."""
    target = FolderStore(tmp_path / "store")
    rows = [
        SequenceRow(
            id=number, organization_id=1, organization_name="Valley", camera_id=7, camera_name="north ridge",
            azimuth=45, recorded_at=NOON, last_seen_at=NOON + timedelta(minutes=1), created_at=None, lat=None, lon=None,
            source_api=None, alert_api_id=None, is_wildfire_alertapi=None, annotator_group_id=None,
        )
        for number in (1, 2, 3)
    ]  # fmt: skip
    writer = SnapshotWriter(KEY, "Valley", "ready_to_annotate")
    writer.write(rows, detections_array([(), (), ()]))
    target.write(snapshot_path(KEY), writer.finish())
    return target


def database_url(store: FolderStore) -> str:
    return f"sqlite:///{store.root / 'review.sqlite'}"


def group_all(store: FolderStore) -> None:
    """One group of all three, which is where their snapshot is from; sequence 1 is labelled."""
    review = open_review(database_url(store))
    with review.write() as write:
        add_group(write.connection, 1, member_count=3)
        for number in (1, 2, 3):
            add_sequence(write.connection, number, group_id=1)
        add_annotation(write.connection, 1)
    write_snapshot(store, review)
    review.close()


def resources_of(store: FolderStore, url: str | None = None) -> dict[str, object]:
    return {
        "store": StoreResource(location=str(store.root)),
        "models": ModelsResource(paths=[str(DEMO_MODEL)]),
        "review": ReviewResource(url=url or database_url(store)),
    }


def split(store: FolderStore, url: str | None = None) -> tuple[dg.ExecuteInProcessResult, dict[str, str]]:
    """What came of one run, and the checks that did not pass."""
    # Definitions are resolved for the instance that is open; one of an earlier test may be gone and not forgotten.
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([worklists], resources=resources_of(store, url), instance=instance)
    assert done.success
    evaluations = done.get_asset_check_evaluations()
    return done, {each.check_name: str(each.description) for each in evaluations if not each.passed}


def test_without_groups_every_sequence_is_by_itself_and_a_check_says_so(store: FolderStore) -> None:
    _, warned = split(store)
    assert list(warned) == ["every_model_has_scores", "groups_are_at_hand"]
    assert not (store.root / "review.sqlite").exists()


def test_an_organization_that_has_frames_and_no_backlog_is_named(store: FolderStore) -> None:
    pack_frames(store, "lost-9", make_backlog(1), Downloads())
    change_catalog(store, "never-packed-10", lambda empty: empty)
    _, warned = split(store)
    assert warned["every_organization_has_a_backlog"].startswith("split without lost-9, of which there are frames")


def test_decisions_of_the_snapshot_reach_the_lists(store: FolderStore) -> None:
    group_all(store)
    done, warned = split(store)
    assert list(warned) == ["every_model_has_scores"]
    metadata = done.asset_materializations_for_node("worklists")[0].metadata
    assert [metadata[name].value for name in ("backlog", "labeled", "dropped")] == [3, 1, 2]


def test_a_sequence_without_a_score_loses_the_one_it_had_on_the_groups_page(store: FolderStore) -> None:
    group_all(store)
    review = open_review(database_url(store))
    record_scores(review, np.array([1, 2]), np.array([0.5, 0.7]))
    split(store)
    with review.read() as connection:
        assert set(connection.scalars(select(ReviewSequence.score))) == {None}
    review.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///{root}/broken.sqlite", "cannot be used"),  # a file that is no database
        ("sqlite:///{root}", "cannot be used"),  # a folder
        ("mysql://somebody:secret@nowhere/review", "a database of kind 'mysql'"),
    ],
)
def test_a_review_database_that_cannot_be_written_loses_no_worklist(store: FolderStore, url: str, reason: str) -> None:
    (store.root / "broken.sqlite").write_bytes(b"no database" * 100)
    _, warned = split(store, url.format(root=store.root))
    assert reason in warned["scores_reach_the_groups_page"]
    assert "secret" not in warned["scores_reach_the_groups_page"]
    assert store.read_or_none("worklists/model_config.json") is not None


def files_below(store: FolderStore, *folders: str) -> dict[Path, tuple[bytes, int]]:
    """Every file with its content and when it was written."""
    paths = [path for folder in folders for path in (store.root / folder).rglob("*") if path.is_file()]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


BROKEN = "mysql://somebody:secret@nowhere/review"


@pytest.mark.parametrize("url", [None, BROKEN])  # the labels that are listed are enough, whatever the database says
def test_a_snapshot_that_is_gone_loses_no_label_of_the_lists(store: FolderStore, url: str | None) -> None:
    group_all(store)
    split(store)
    before = files_below(store, "worklists")
    shutil.rmtree(store.root / "groups")
    with pytest.raises(StoreError) as refused:
        split(store, url)
    assert "1 sequences in" in refused.value.found
    assert "`triage worklists`" in str(refused.value)
    assert files_below(store, "worklists") == before


def test_annotations_that_no_snapshot_shows_yet_are_not_taken_for_none(
    store: FolderStore, review: ReviewDatabase, review_url: str
) -> None:
    split(store, review_url)
    before = files_below(store, "worklists")
    with review.write() as write:
        add_sequence(write.connection, 1)
        add_annotation(write.connection, 1)
    with pytest.raises(StoreError, match=r"found no .*groups, and annotations in the review database"):
        split(store, review_url)
    assert files_below(store, "worklists") == before
    write_snapshot(store, review)
    done, _ = split(store, review_url)
    assert done.asset_materializations_for_node("worklists")[0].metadata["labeled"].value == 1


def test_damaged_labels_are_not_taken_for_none(store: FolderStore) -> None:
    store.write("worklists/labels.json", b'{"cou')
    with pytest.raises(StoreError, match=r"labels\.json cannot be read.*Materialize sequence_groups"):
        split(store)
    group_all(store)
    split(store)


def test_the_same_again_writes_no_file_and_counts_no_revision(
    store: FolderStore, review: ReviewDatabase, review_url: str
) -> None:
    store_backlog(store, [Alarm(1), Alarm(2), Alarm(3, (PLUME,)), Alarm(4, ())], KEY)

    def run() -> tuple[dict[Path, tuple[bytes, int]], int]:
        with dg.DagsterInstance.ephemeral() as instance:
            for asset in (sequence_groups, worklists):
                assert dg.materialize([asset], resources=resources_of(store, review_url), instance=instance).success
        with review.read() as connection:
            revision = connection.execute(select(ReviewState.revision)).scalar_one()
        return files_below(store, "groups", "worklists"), revision

    first = run()
    assert run() == first
    # Scores that change once are written into the review database by `worklists`, after the groups of that run.
    assert record_scores(review, np.array([1, 2]), np.array([0.5, 0.7])) == 2
    second = run()
    with review.read() as connection:
        assert set(connection.scalars(select(ReviewSequence.score))) == {None}
    assert run() == second
    assert second[0] == first[0], "scores are no part of the files"
