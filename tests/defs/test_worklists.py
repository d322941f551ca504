"""The asset `worklists` beside the review database: it warns where groups or scores cannot be had, and never fails."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from sqlalchemy import select

from tests.review.rows import add_annotation, add_group, add_sequence
from triage_assets.annotator.records import SequenceRow
from triage_assets.annotator.snapshot import SnapshotWriter, detections_array, snapshot_path
from triage_assets.defs.resources import ModelsResource, ReviewResource, StoreResource
from triage_assets.defs.worklists import worklists
from triage_assets.demo import DEMO_MODEL
from triage_assets.folder_store import FolderStore
from triage_assets.grouping import write_snapshot
from triage_assets.review.database import open_review
from triage_assets.review.models import ReviewSequence
from triage_assets.review.scores import record_scores

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


def split(store: FolderStore, url: str | None = None) -> tuple[dg.ExecuteInProcessResult, dict[str, str]]:
    """What came of one run, and the checks that did not pass."""
    resources = {
        "store": StoreResource(location=str(store.root)),
        "models": ModelsResource(paths=[str(DEMO_MODEL)]),
        "review": ReviewResource(url=url or database_url(store)),
    }
    done = dg.materialize([worklists], resources=resources)
    assert done.success
    evaluations = done.get_asset_check_evaluations()
    return done, {each.check_name: str(each.description) for each in evaluations if not each.passed}


def test_without_groups_every_sequence_is_by_itself_and_a_check_says_so(store: FolderStore) -> None:
    _, warned = split(store)
    assert list(warned) == ["every_model_has_scores", "groups_are_at_hand"]
    assert not (store.root / "review.sqlite").exists()


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
