"""What starts runs: the poll of a real annotator, the nightly pass, and the conditions that follow upstream changes."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import insert

from triage_assets.annotator.records import partition_key
from triage_assets.definitions import defs
from triage_assets.defs import automation
from triage_assets.defs.automation import follow_changes, follow_with_predictions, nightly, poll_annotator
from triage_assets.defs.following import FOLLOWED, look_upstream
from triage_assets.defs.resources import AnnotatorResource, ReviewResource, StoreResource
from triage_assets.demo.backlog import DemoBacklog
from triage_assets.demo.server import DemoAnnotator
from triage_assets.review.database import open_review
from triage_assets.review.models import DecisionRow
from triage_assets.review.records import Action
from triage_assets.settings import load_settings


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoAnnotator]:
    with DemoAnnotator(DemoBacklog(sequences=12, image_size=(160, 90)), cache_folder=None) as running:
        monkeypatch.setenv("ANNOTATOR_API_URL", running.api_url)
        monkeypatch.setenv("ANNOTATOR_API_LOGIN", running.login)
        monkeypatch.setenv("ANNOTATOR_API_PASSWORD", running.password)
        yield running


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as kept_in_a_folder:
        yield kept_in_a_folder


def keys_of(server: DemoAnnotator) -> set[str]:
    return {partition_key(sequence.organization) for sequence in server.backlog.sequences}


def poll(instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
    result = poll_annotator(context, annotator=AnnotatorResource(), store=StoreResource(location=None))
    assert isinstance(result, dg.SensorResult)
    return result


def test_the_poll_asks_for_what_changed_and_nothing_else(server: DemoAnnotator, instance: dg.DagsterInstance) -> None:
    first = poll(instance, None)
    assert {request.partition_key for request in first.run_requests or ()} == keys_of(server)
    assert [set(request.partition_keys) for request in first.dynamic_partitions_requests or ()] == [keys_of(server)]

    quiet = poll(instance, first.cursor)
    assert not quiet.run_requests
    assert "nothing new at the annotator" in str(quiet.skip_reason)

    (added,) = server.backlog.add_sequences(1)
    organization = next(s for s in server.backlog.sequences if s.id == added).organization
    third = poll(instance, quiet.cursor)
    assert [request.partition_key for request in third.run_requests or ()] == [partition_key(organization)]
    assert server.refused_writes == []


def test_a_pull_that_never_came_about_is_asked_for_again(
    server: DemoAnnotator, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = poll(instance, None)
    failed, *pulled = sorted(keys_of(server))
    for key in pulled:
        report(instance, "raw_sequences", key)
    later = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: later)
    second = poll(instance, first.cursor)
    assert [request.partition_key for request in second.run_requests or ()] == [failed]


def test_an_organization_that_vanished_is_pulled_once_more(
    server: DemoAnnotator, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    first = poll(instance, None)
    (tmp_path / "data/sequences/organization=left-behind-9").mkdir(parents=True)
    (tmp_path / "data/sequences/organization=left-behind-9/sequences.parquet").write_bytes(b"PAR1")
    second = poll(instance, first.cursor)
    assert [request.partition_key for request in second.run_requests or ()] == ["left-behind-9"]
    assert not poll(instance, second.cursor).run_requests


def test_a_poll_is_one_request_per_organization(server: DemoAnnotator, instance: dg.DagsterInstance) -> None:
    poll(instance, None)
    assert server.counts["listing"] <= len(keys_of(server)) + 1
    assert server.counts["detections"] == server.counts["url"] == 0


def test_the_nightly_pass_registers_and_pulls_every_organization(
    server: DemoAnnotator, instance: dg.DagsterInstance
) -> None:
    context = dg.build_schedule_context(instance=instance)
    requests = nightly(context, annotator=AnnotatorResource(), store=StoreResource(location=None))
    assert {request.partition_key for request in requests} == keys_of(server)
    assert set(instance.get_dynamic_partitions("organizations")) == keys_of(server)


def report(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=partition))


def follow(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[set[str], str | None]:
    """What one look asks for, and the cursor that it leaves."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
    result = follow_changes(context, review=ReviewResource(url=None))
    assert isinstance(result, dg.SensorResult)
    asked = [key.to_user_string() for request in result.run_requests or () for key in request.asset_selection or ()]
    return set(asked), result.cursor


def make(instance: dg.DagsterInstance, *assets: str) -> None:
    """Let assets be materialized as they are in a run: each notes what it knew of."""
    for asset in assets:
        decisions = ReviewResource(url=None).last_decision() if asset == "sequence_groups" else None
        noted = {FOLLOWED: dg.MetadataValue.json(look_upstream(instance, asset, decisions=decisions))}
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, metadata=noted))


BOTH = {"sequence_groups", "worklists"}


@pytest.mark.parametrize(
    ("upstream", "partition", "asked"),
    [
        ("raw_sequences", "a-1", BOTH),  # one organization of many was pulled
        ("sequence_groups", None, {"worklists"}),  # somebody grouped by hand
        ("predictions", None, {"worklists"}),  # scores are new
        ("frame_shards", "a-1", set()),  # frames alone say nothing new about groups or scores
    ],
)
def test_a_change_is_followed_by_what_it_concerns_and_once(
    instance: dg.DagsterInstance, upstream: str, partition: str | None, asked: set[str]
) -> None:
    assert follow(instance) == (set(), "")
    report(instance, "raw_sequences", "b-2")
    make(instance, "sequence_groups", "worklists")
    assert follow(instance)[0] == set()
    if upstream == "sequence_groups":
        make(instance, upstream)
    else:
        report(instance, upstream, partition)
    assert follow(instance)[0] == asked
    make(instance, *sorted(asked))
    assert follow(instance)[0] == set()


def test_a_backlog_that_arrives_while_the_sensor_looks_is_never_split_without_being_grouped(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(instance, "raw_sequences", "a-1")
    make(instance, "sequence_groups", "worklists")

    def look_slowly(instance: dg.DagsterInstance, asset: str) -> Mapping[str, object]:
        found = look_upstream(instance, asset)
        report(instance, "raw_sequences", "b-2")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(automation, "look_upstream", look_slowly)
        assert follow(instance)[0] == set()
    assert follow(instance)[0] == BOTH


def test_what_arrives_while_a_run_ends_is_not_missed(instance: dg.DagsterInstance) -> None:
    report(instance, "raw_sequences", "a-1")
    known = {FOLLOWED: dg.MetadataValue.json(look_upstream(instance, "sequence_groups"))}
    report(instance, "raw_sequences", "b-2")  # the run has begun, and may have read this or not
    instance.report_runless_asset_event(dg.AssetMaterialization("sequence_groups", metadata=known))
    assert follow(instance)[0] == BOTH


def test_a_run_that_failed_is_asked_for_again_later_and_later(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    report(instance, "raw_sequences", "a-1")
    began, cursor, asked_after = 1_800_000_000.0, None, []
    for seconds in (*range(0, 90, 10), 150, 160, 86_400, 89_990, 90_000):
        monkeypatch.setattr(time, "time", lambda now=began + seconds: now)
        asked, left = follow(instance, cursor)
        cursor = left or cursor  # a look that skips leaves the cursor as it was
        if asked:
            asked_after.append(seconds)
    assert asked_after == [0, 10, 20, 40, 80, 160, 86_400, 90_000]


def test_a_run_under_way_is_not_asked_for_again(instance: dg.DagsterInstance) -> None:
    report(instance, "raw_sequences", "a-1")
    job = defs.resolve_job_def("regroup_and_split")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTING)
    assert follow(instance)[0] == set()


def test_scoring_follows_new_frames_where_it_is_switched_on(instance: dg.DagsterInstance) -> None:
    def asked() -> int:
        context = dg.build_sensor_context(instance=instance, definitions=defs)
        result = follow_with_predictions(context)
        assert isinstance(result, dg.SensorResult)
        return len(result.run_requests or ())

    assert asked() == 0
    report(instance, "frame_shards", "a-1")
    assert asked() == 1
    make(instance, "predictions")
    assert asked() == 0


def test_a_decision_is_followed_once_and_no_database_is_made_for_looking(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    report(instance, "raw_sequences", "a-1")
    make(instance, "sequence_groups", "worklists")
    assert follow(instance)[0] == set()
    assert not (tmp_path / "data").exists()

    def decide(action: Action) -> None:
        with review.write() as write:
            row = {"at": write.now, "revision": write.revision, "action": action, "details": {}}
            write.connection.execute(insert(DecisionRow).values(row))

    with contextlib.closing(open_review(load_settings().review_url)) as review:
        assert follow(instance)[0] == set()
        decide(Action.INHERIT)
        assert follow(instance)[0] == set()  # nobody decided that
        decide(Action.VALIDATE)
        assert follow(instance)[0] == BOTH
        make(instance, "sequence_groups", "worklists")
        assert follow(instance)[0] == set()
