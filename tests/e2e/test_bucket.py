"""The whole pipeline with its store in a bucket: every asset and command, read-only credentials, two runs at once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from triage_viewer.context import Context

from tests.s3_server import FORGETFUL, PLAIN, READER, S3Server, become
from tests.viewer.conftest import serve
from triage_assets.annotator.snapshot import stored_keys
from triage_assets.orchestrate import materialize, open_instance
from triage_assets.review.database import open_review
from triage_assets.settings import load_settings
from triage_assets.shards.catalog import load_catalog, load_frames, load_index
from triage_assets.shards.verify import verify_shards
from triage_assets.store import Store, open_store

from .conftest import Workplace
from .readings import read_lists
from .test_pipeline import ASSETS

LOCATION = f"s3://{PLAIN}/triage"


@pytest.fixture
def in_bucket(make_workplace: Callable[..., Workplace], s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Twelve sequences wait; the store is in a bucket, and what cannot be there in this user's data folder."""
    workplace = make_workplace()
    monkeypatch.setenv("TRIAGE_STORE", LOCATION)
    monkeypatch.setenv("XDG_DATA_HOME", str(workplace.folder / "home"))
    return replace(workplace, store=open_store(LOCATION))


def contents(store: Store) -> dict[str, bytes]:
    """Every object of the store."""
    return {found.path: store.read(found.path) for found in store.list("")}


def test_a_backlog_becomes_worklists_in_a_bucket_and_a_second_run_does_no_work(in_bucket: Workplace) -> None:
    store = in_bucket.store
    first = in_bucket.triage("run")
    lists = read_lists(store)
    assert set.union(*lists.values()) == in_bucket.backlog_ids()
    assert "12 sequences scored" in first.output
    before, requests, events = contents(store), in_bucket.server.counts["image"], in_bucket.materializations(*ASSETS)
    assert not (in_bucket.folder / "data").exists()
    assert list((in_bucket.folder / "home").rglob("review.sqlite")) != []

    second = in_bucket.triage("run")
    assert "0 frames downloaded, 0 sequences scored" in second.output
    assert in_bucket.server.counts["image"] == requests
    assert in_bucket.materializations("frame_shards") == {"frame_shards": events["frame_shards"]}
    assert {path: data for path, data in contents(store).items() if before.get(path) != data} == {}


def test_every_command_works_on_a_bucket(in_bucket: Workplace) -> None:
    assert LOCATION in in_bucket.triage("doctor").output
    in_bucket.triage("pull")
    in_bucket.triage("run")
    assert read_lists(in_bucket.store)["dropped"] == set()
    scores = sorted(row["triage_score"] for row in json.loads(in_bucket.store.read("worklists/results.json")))
    in_bucket.triage("worklists", "--threshold", str(scores[-2]))
    assert len(read_lists(in_bucket.store)["review"]) == 2
    assert LOCATION in in_bucket.triage("models", "list").output
    in_bucket.triage("shards", "verify")
    catalog = f"shards/organization={stored_keys(in_bucket.store)[0]}/catalog.json"
    content = in_bucket.store.read(catalog)
    in_bucket.store.delete(catalog)
    in_bucket.triage("shards", "verify", code=1)
    in_bucket.triage("shards", "reindex")
    assert in_bucket.store.read(catalog) == content


def test_the_doctor_finds_a_bucket_that_cannot_hold_a_store(
    in_bucket: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAGE_STORE", f"s3://{FORGETFUL}/triage")
    said = " ".join(in_bucket.triage("doctor", code=1).output.split())
    assert "no conditional puts" in said
    assert "Name a bucket that has them, or a folder, in TRIAGE_STORE" in said


def test_predictions_alone_are_made_from_what_is_in_the_bucket(in_bucket: Workplace) -> None:
    in_bucket.triage("pull")
    requests = in_bucket.server.counts.total()
    with open_instance() as instance:
        outcome = materialize(instance, ["predictions"])
    assert outcome.troubles == ()
    assert outcome.metadata["predictions"]["scored_now"] == 12
    assert in_bucket.server.counts.total() == requests


def test_whoever_may_only_read_sees_everything_in_the_viewer_and_nothing_is_written(
    in_bucket: Workplace, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_bucket.triage("run")
    frames = load_frames(in_bucket.store, stored_keys(in_bucket.store)[0]).to_pylist()
    frame = next(row for row in frames if row["offset"] is not None)
    become(monkeypatch, READER)
    for name in ("ANNOTATOR_API_URL", "ANNOTATOR_API_LOGIN", "ANNOTATOR_API_PASSWORD"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(in_bucket.folder / "another-home"))
    before = len(s3.writes)
    with (
        closing(open_review(load_settings().review_url)) as review,
        serve(Context(open_store(LOCATION), review, "ada")) as client,
    ):
        rows = client.get("/api/v1/triage/rows").json()
        assert {row["sequence_id"] for row in rows["items"]} == in_bucket.backlog_ids()
        sequence = client.get(f"/api/v1/sequences/{frame['sequence_id']}")
        assert sequence.status_code == 200, sequence.text
        image = client.get(f"/api/v1/frames/{frame['detection_id']}")
        assert len(image.content) == frame["size"]
        paths = client.get("/api/v1/openapi.json").json()["paths"]
        plain = [path for path, verbs in paths.items() if "get" in verbs and "{" not in path]
        statuses = {path: client.get(path).status_code for path in plain}
    assert len(statuses) > 8
    assert {path: status for path, status in statuses.items() if status >= 500} == {}
    assert s3.writes[before:] == []


def test_whoever_may_only_read_is_told_so_by_a_run(
    in_bucket: Workplace, monkeypatch: pytest.MonkeyPatch, s3: S3Server
) -> None:
    in_bucket.triage("run")
    before = contents(in_bucket.store)
    become(monkeypatch, READER)
    in_bucket.triage("shards", "verify")
    in_bucket.server.backlog.add_frames(min(in_bucket.backlog_ids()), 2)
    failed = " ".join(in_bucket.triage("run", code=1).output.split())
    assert "not allowed to" in failed
    assert "Traceback" not in failed
    assert "to write also for s3:PutObject" in " ".join(in_bucket.triage("doctor", code=1).output.split())
    assert contents(in_bucket.store) == before


@pytest.mark.parametrize("n_requests", [15, 60, 110])  # in the pull, in packing, in scoring
def test_credentials_that_expire_in_the_middle_of_a_run_cost_nothing_that_was_finished(
    in_bucket: Workplace, s3: S3Server, n_requests: int
) -> None:
    s3.faults.expires_after = n_requests
    failed = " ".join(in_bucket.triage("run", code=1).output.split())
    assert "the credentials have expired" in failed
    assert "run again: what was finished is kept" in failed
    s3.faults.expires_after = None
    assert verify_shards(in_bucket.store).faults == ()
    stored = contents(in_bucket.store)
    in_bucket.triage("run")
    assert set.union(*read_lists(in_bucket.store).values()) == in_bucket.backlog_ids()
    assert verify_shards(in_bucket.store).faults == ()
    tars = {path: data for path, data in stored.items() if path.endswith(".tar")}
    assert {path: in_bucket.store.read(path) for path in tars} == tars


def test_two_runs_at_once_both_finish_and_nothing_is_lost_or_twice(in_bucket: Workplace, s3: S3Server) -> None:
    running = []
    for name in ("one", "other"):
        folder = in_bucket.folder / name
        folder.mkdir()
        (folder / "dagster.yaml").write_bytes((in_bucket.folder / "dagster.yaml").read_bytes())
        command = [sys.executable, "-c", "from triage_assets.cli import app; app()", "run"]
        running.append(
            subprocess.Popen(
                command, cwd=folder, env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
    try:
        said = [process.communicate(timeout=240)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], "\n".join(said)
    lists = read_lists(in_bucket.store)
    assert set.union(*lists.values()) == in_bucket.backlog_ids()
    assert verify_shards(in_bucket.store).faults == ()
    for key in stored_keys(in_bucket.store):
        indexes = [load_index(in_bucket.store, key, shard) for shard in load_catalog(in_bucket.store, key).shards]
        stored = [detection for index in indexes for detection in index["detection_id"].to_pylist()]
        assert len(stored) == len(set(stored)), key
    assert s3.uploads() == []
    assert "0 frames downloaded, 0 sequences scored" in in_bucket.triage("run").output
