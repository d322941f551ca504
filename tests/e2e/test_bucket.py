"""The whole pipeline with its store in a bucket: every asset and command, read-only credentials, two runs at once."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from tests.s3_server import FORGETFUL, PLAIN, READER, Faults, S3Server, become
from triage_assets.annotator.snapshot import stored_keys
from triage_assets.groups.snapshot import load_snapshot
from triage_assets.orchestrate import materialize, open_instance
from triage_assets.shards.catalog import load_catalog, load_frames, load_index
from triage_assets.shards.verify import verify_shards
from triage_assets.store import Store, open_store

from .conftest import Workplace
from .readings import read_lists
from .test_pipeline import ASSETS

LOCATION = f"s3://{PLAIN}/triage"
N = 3  # each of another organization


@pytest.fixture
def in_bucket(make_workplace: Callable[..., Workplace], s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Three sequences wait; the store is in a bucket, and what cannot be there in this user's data folder."""
    workplace = make_workplace(N)
    monkeypatch.setenv("TRIAGE_STORE", LOCATION)
    monkeypatch.setenv("XDG_DATA_HOME", str(workplace.folder / "home"))
    return replace(workplace, store=open_store(LOCATION))


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    """What the first test that needed a run has made, for those after it."""
    return {}


@pytest.fixture
def ran(in_bucket: Workplace, made: dict[str, bytes]) -> Workplace:
    """The same after a run, of which this machine has nothing but the bucket."""
    if not made:
        in_bucket.triage("run")
        made |= contents(in_bucket.store)
    for path, data in made.items():
        in_bucket.store.write(path, data)
    return in_bucket


def contents(store: Store) -> dict[str, bytes]:
    """Every object of the store."""
    return {found.path: store.read(found.path) for found in store.list("")}


def test_a_backlog_becomes_worklists_in_a_bucket_and_a_second_run_does_no_work(
    in_bucket: Workplace, made: dict[str, bytes]
) -> None:
    store = in_bucket.store
    first = in_bucket.triage("run")
    lists = read_lists(store)
    assert set.union(*lists.values()) == in_bucket.backlog_ids()
    assert f"{N} sequences scored" in first.output
    before = contents(store)
    made.update(before)
    requests, events = in_bucket.server.counts["image"], in_bucket.materializations(*ASSETS)
    assert not (in_bucket.folder / "data").exists()
    assert list((in_bucket.folder / "home").rglob("review.sqlite")) != []

    second = in_bucket.triage("run")
    assert "0 frames downloaded, 0 sequences scored" in second.output
    assert in_bucket.server.counts["image"] == requests
    assert in_bucket.materializations("frame_shards") == {"frame_shards": events["frame_shards"]}
    assert {path: data for path, data in contents(store).items() if before.get(path) != data} == {}


def test_every_command_works_on_a_bucket(ran: Workplace) -> None:
    assert LOCATION in ran.triage("doctor").output
    assert read_lists(ran.store)["dropped"] == set()
    scores = sorted(row["triage_score"] for row in json.loads(ran.store.read("worklists/results.json")))
    ran.triage("worklists", "--threshold", str(scores[-2]))
    assert len(read_lists(ran.store)["review"]) == 2
    assert LOCATION in ran.triage("models", "list").output
    ran.triage("shards", "verify")
    catalog = f"shards/organization={stored_keys(ran.store)[0]}/catalog.json"
    content = ran.store.read(catalog)
    ran.store.delete(catalog)
    ran.triage("shards", "verify", code=1)
    ran.triage("shards", "reindex")
    assert ran.store.read(catalog) == content
    (name,) = {found.path.split("/")[1] for found in ran.store.list("predictions")}
    ran.triage("models", "forget", name.removeprefix("model="), "--yes", "--configured")
    assert list(ran.store.list("predictions")) == []


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
    assert outcome.metadata["predictions"]["scored_now"] == N
    assert in_bucket.server.counts.total() == requests


@contextmanager
def viewer_process() -> Iterator[httpx.Client]:
    """`triage viewer` as a process of its own, and a program of this machine that asks it."""
    command = [sys.executable, "-c", "from triage_assets.cli import app; app()", "viewer", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            announced = process.stdout.readline()
            address = next(word for word in announced.split() if word.startswith("http://127.0.0.1:"))
            with httpx.Client(base_url=f"{address}/api/v1", timeout=60.0) as client:
                yield client
        finally:
            process.terminate()
            process.wait(30)


def test_whoever_may_only_read_sees_everything_in_the_viewer_and_nothing_is_written(
    ran: Workplace, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = load_frames(ran.store, stored_keys(ran.store)[0]).to_pylist()
    frame = next(row for row in frames if row["offset"] is not None)
    become(monkeypatch, READER)
    for name in ("ANNOTATOR_API_URL", "ANNOTATOR_API_LOGIN", "ANNOTATOR_API_PASSWORD"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(ran.folder / "another-home"))
    snapshot = load_snapshot(ran.store)
    assert snapshot is not None
    n_members, n_writes = len(snapshot.members), len(s3.writes)
    with viewer_process() as client:
        rows = client.get("/triage/rows").json()
        assert {row["sequence_id"] for row in rows["items"]} == ran.backlog_ids()
        sequence = client.get(f"/sequences/{frame['sequence_id']}").json()
        assert (sequence["notices"], len(sequence["models"])) == ([], 1)
        image = client.get(f"/frames/{frame['detection_id']}")
        assert hashlib.sha256(image.content).hexdigest() == frame["sha256"]
        part = client.get(f"/frames/{frame['detection_id']}", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, image.content[10:20])
        assert client.get("/run").json()["worklists"]["stored"]["counts"]["sequences"] == N
        groups = client.get("/sequence_groups/", params={"label_state": "all", "min_members": 1}).json()
        assert sum(group["member_count"] for group in groups["items"]) == n_members > 0
        assert client.get("/triage/facets").json()["review_trouble"] is None
        assert client.post("/sequence_groups/assign").status_code == 403, "they only look"
    assert s3.writes[n_writes:] == []


def test_whoever_may_only_read_is_told_so_by_whatever_writes(ran: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(ran.store)
    become(monkeypatch, READER)
    ran.triage("shards", "verify")
    ran.triage("models", "list")
    ran.server.backlog.add_frames(min(ran.backlog_ids()), 2)
    failed = " ".join(ran.triage("run", code=1).output.split())
    assert "not allowed to" in failed
    assert "Traceback" not in failed
    examined = " ".join(ran.triage("doctor", code=1).output.split())
    assert "to write also for s3:PutObject" in examined
    assert "It can be read, which is all that `triage viewer` needs" in examined
    (ran.folder / "page").mkdir()
    (ran.folder / "page" / "index.html").touch()
    monkeypatch.setattr("triage_viewer.page_files.PAGE", ran.folder / "page")
    for name in ("ANNOTATOR_API_URL", "ANNOTATOR_API_LOGIN", "ANNOTATOR_API_PASSWORD", "TRIAGE_MODEL"):
        monkeypatch.delenv(name, raising=False)
    examined = " ".join(ran.triage("doctor", "--viewer").output.split())
    assert f"ok store: {LOCATION} can be read: " in examined
    assert contents(ran.store) == before


def test_credentials_that_expire_in_the_middle_of_runs_cost_nothing_that_was_finished(
    in_bucket: Workplace, s3: S3Server
) -> None:
    """In the pull, in packing, in scoring; and each time they are renewed."""
    tars: dict[str, bytes] = {}
    for path in ("sequences.parquet", ".tar", "index.arrow"):
        s3.faults = Faults(expires_at=path)
        failed = " ".join(in_bucket.triage("run", code=1).output.split())
        assert "the credentials have expired" in failed
        assert "run again: what was finished is kept" in failed
        s3.faults = Faults()
        assert verify_shards(in_bucket.store).faults == ()
        stored = {path: data for path, data in contents(in_bucket.store).items() if path.endswith(".tar")}
        assert {path: stored[path] for path in tars} == tars
        tars = stored
    assert len(tars) == len(stored_keys(in_bucket.store)), "nothing but scores is missing"
    in_bucket.triage("run")
    assert set.union(*read_lists(in_bucket.store).values()) == in_bucket.backlog_ids()
    assert verify_shards(in_bucket.store).faults == ()
    assert {path: in_bucket.store.read(path) for path in tars} == tars


def test_two_runs_at_once_both_finish_and_nothing_is_lost_or_twice(in_bucket: Workplace, s3: S3Server) -> None:
    """As on two machines: each has a Dagster instance and a review database of its own."""
    running = []
    for name in ("one", "other"):
        folder = in_bucket.folder / name
        folder.mkdir()
        (folder / "dagster.yaml").write_bytes((in_bucket.folder / "dagster.yaml").read_bytes())
        command = [sys.executable, "-c", "from triage_assets.cli import app; app()", "run"]
        environment = {**os.environ, "XDG_DATA_HOME": str(folder / "home")}
        running.append(
            subprocess.Popen(
                command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
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
    assert load_snapshot(in_bucket.store) is not None, "groups of one of the two"
    files = json.loads(in_bucket.store.read("worklists/model_config.json"))["files"]
    stored = {name: hashlib.sha256(in_bucket.store.read(f"worklists/{name}")).hexdigest() for name in files}
    assert stored == files, "worklists of one of the two"
