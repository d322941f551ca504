"""What starts runs: the poll of a real annotator, the nightly pass, and the conditions that follow upstream changes."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import insert

from triage_assets.annotator.records import partition_key
from triage_assets.definitions import defs
from triage_assets.defs.automation import follow_decisions, nightly, poll_annotator
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


def requested(instance: dg.DagsterInstance, asset: str, cursor: object = None) -> tuple[int, object]:
    selection = dg.AssetSelection.assets(asset)
    result = dg.evaluate_automation_conditions(defs, instance, asset_selection=selection, cursor=cursor)
    return result.total_requested, result.cursor


@pytest.mark.parametrize(
    ("asset", "upstream", "partition"),
    [
        ("sequence_groups", "raw_sequences", "a-1"),  # one organization of many was pulled
        ("worklists", "raw_sequences", "a-1"),
        ("worklists", "sequence_groups", None),  # groups are new
        ("worklists", "predictions", None),  # scores are new
        ("predictions", "frame_shards", "a-1"),  # frames are new
    ],
)
def test_the_follower_runs_once_for_each_change(
    instance: dg.DagsterInstance, asset: str, upstream: str, partition: str | None
) -> None:
    instance.add_dynamic_partitions("organizations", ["a-1", "b-2"])
    count, cursor = requested(instance, asset)
    assert count == 0
    report(instance, upstream, partition)
    count, cursor = requested(instance, asset, cursor)
    assert count == 1
    count, cursor = requested(instance, asset, cursor)
    assert count == 0


def look_for_decisions(instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=defs)
    result = follow_decisions(context, review=ReviewResource(url=None))
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_decision_is_followed_once_and_no_database_is_made_for_looking(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    assert "nobody has decided" in str(look_for_decisions(instance, None).skip_reason)
    assert not (tmp_path / "data").exists()

    with contextlib.closing(open_review(load_settings().review_url)) as review:
        assert not look_for_decisions(instance, None).run_requests
        with review.write() as write:
            write.connection.execute(insert(DecisionRow).values(at=write.now, action=Action.INHERIT, details={}))
        assert not look_for_decisions(instance, None).run_requests  # nobody decided that
        with review.write() as write:
            write.connection.execute(insert(DecisionRow).values(at=write.now, action=Action.VALIDATE, details={}))
    first = look_for_decisions(instance, None)
    assert len(first.run_requests or ()) == 1
    assert not look_for_decisions(instance, first.cursor).run_requests
