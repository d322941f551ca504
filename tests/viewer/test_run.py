"""The run page's answer over a store that `triage run` has filled, and beside the Dagster instance that it used."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import torch
from triage_viewer.backlog.live import LiveBacklog
from triage_viewer.backlog.review_news import ReviewNews
from triage_viewer.context import Context
from triage_viewer.run import live, stored
from triage_viewer.run.counted import Counted, count_all
from triage_viewer.run.instance import NoInstanceError, Remembered

from tests.e2e.conftest import PROJECT, Workplace
from tests.viewer.conftest import serve
from triage_assets.annotator.snapshot import snapshot_path, stored_keys
from triage_assets.demo import DEMO_MODEL
from triage_assets.demo.backlog import DemoBacklog
from triage_assets.demo.server import DemoAnnotator
from triage_assets.folder_store import FolderStore
from triage_assets.orchestrate import materialize, open_instance
from triage_assets.review.database import open_review
from triage_assets.scoring.identity import model_fingerprint
from triage_assets.settings import DAGSTER_URL

RUN, FACETS = "/api/v1/run", "/api/v1/triage/facets"
N = 14
ASSETS = ("raw_sequences", "frame_shards", "predictions", "sequence_groups", "worklists")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the whole graph has run once."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("ran")
    shutil.copy(PROJECT / "dagster.yaml", folder)
    backlog = DemoBacklog(sequences=N, seed=3, image_size=(160, 90))
    with pytest.MonkeyPatch.context() as patch, DemoAnnotator(backlog, cache_folder=None) as server:
        for name in [name for name in os.environ if name.startswith(("ANNOTATOR_", "TRIAGE_", "DAGSTER_HOME"))]:
            patch.delenv(name)
        patch.setenv("ANNOTATOR_API_URL", server.api_url)
        patch.setenv("ANNOTATOR_API_LOGIN", server.login)
        patch.setenv("ANNOTATOR_API_PASSWORD", server.password)
        patch.chdir(folder)
        Workplace(folder, server, FolderStore(folder / "data")).triage("run")
    yield folder


@pytest.fixture
def here(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the working folder."""
    folder = tmp_path / "here"
    shutil.copytree(ran, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request looks, counts and waits for Dagster, however busy the machine is."""
    monkeypatch.setattr(stored, "_REST", 0)
    monkeypatch.setattr(live, "_STORE_SECONDS", 0.0)
    monkeypatch.setattr(live, "_DAGSTER_SECONDS", 0.0)
    monkeypatch.setattr(live, "_PATIENCE_SECONDS", 60.0)


@contextmanager
def served(store: FolderStore) -> Iterator[httpx.Client]:
    review = store.root / "review.sqlite"
    review.parent.mkdir(exist_ok=True)
    with (
        closing(open_review(f"sqlite:///{review}")) as database,
        serve(Context(store, database, "bob")) as client,
    ):
        client.timeout = httpx.Timeout(120.0)  # Dagster is loaded for the first question
        yield client


def ask(client: httpx.Client) -> Any:
    answer = client.get(RUN)
    assert answer.status_code == 200, answer.text
    return answer.json()


def run_of(folder: Path) -> Any:
    with served(FolderStore(folder / "data")) as client:
        return ask(client)


def files_below(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix not in (".sqlite-wal", ".sqlite-shm")
    }


def test_every_asset_is_told_as_the_store_and_dagster_have_it(here: Path) -> None:
    store = FolderStore(here / "data")
    keys = sorted(stored_keys(store))
    run = run_of(here)
    assert {name: run[name]["trouble"] for name in ASSETS} == dict.fromkeys(ASSETS)
    assert (run["dagster"]["state"], run["dagster"]["active_runs"], run["dagster"]["last_failed_run"]) == (
        "reachable",
        [],
        None,
    )

    sequences = run["raw_sequences"]["stored"]
    assert sequences["sequences"] == N
    assert [each["key"] for each in sequences["organizations"]] == keys
    assert {each["stage"] for each in sequences["organizations"]} == {"ready_to_annotate"}
    shards = run["frame_shards"]["stored"]
    assert shards["frames"] == sum(each["detections"] for each in sequences["organizations"])
    assert shards["bytes"] == sum(found.size_bytes for found in store.list("shards") if found.path.endswith(".tar"))
    [model] = run["predictions"]["stored"]["models"]
    assert model["coverage"] == {"backlog": N, "scored": N, "dropped": 0, "waiting": 0}
    assert [each["backlog"] for each in model["organizations"]] == [
        each["sequences"] for each in sequences["organizations"]
    ]
    groups = run["sequence_groups"]["stored"]
    assert groups["members"] + groups["excluded"] + sum(groups["skipped"].values()) == N
    assert groups["groups"] == groups["labeled"] + groups["unsure"] + groups["unlabeled"]
    worklists = run["worklists"]["stored"]
    counts = worklists["counts"]
    assert counts["sequences"] == counts["review"] + counts["unlabeled"] == N
    for name in ("missing", "gone", "scored_since", "decided_since", "groups_changed_since"):
        assert worklists[name] == 0, name
    assert groups["waiting"] == 0

    for name in ("raw_sequences", "frame_shards"):
        events = run[name]["events"]
        assert [each["key"] for each in events["organizations"]] == keys
        assert {each["run_state"] for each in events["organizations"]} == {"success"}
        for check in {each["name"] for each in events["checks"]}:
            assert [each["key"] for each in events["checks"] if each["name"] == check] == keys
    for name in ("predictions", "sequence_groups", "worklists"):
        events = run[name]["events"]
        assert events["last"]["run_state"] == "success"
        assert events["behind"] == []
        assert {each["is_passed"] for each in events["checks"]} == {True}
        assert {each["key"] for each in events["checks"]} == {None}
    for name in ASSETS:
        events = run[name]["events"]
        made = [events["last"], *events["organizations"]]
        assert all(each["data_version"] for each in made), name
        assert {each["code_version"] for each in made} == {
            model_fingerprint(DEMO_MODEL) if name == "predictions" else None
        }, name


def test_what_the_worklists_are_behind_is_counted(here: Path) -> None:
    store = FolderStore(here / "data")
    first, second, *_ = sorted(stored_keys(store))
    n_first = next(
        each["sequences"] for each in run_of(here)["raw_sequences"]["stored"]["organizations"] if each["key"] == first
    )
    store.delete(snapshot_path(first))
    run = run_of(here)
    assert run["raw_sequences"]["stored"]["sequences"] == N - n_first
    assert (run["worklists"]["stored"]["gone"], run["worklists"]["stored"]["missing"]) == (n_first, 0)
    assert run["predictions"]["stored"]["models"][0]["coverage"]["backlog"] == N - n_first

    # A snapshot that cannot be read: nothing is counted over the whole backlog, and everything else is.
    store.write(snapshot_path(second), b"damaged")
    run = run_of(here)
    assert run["raw_sequences"]["stored"]["sequences"] is None
    troubled = [each for each in run["raw_sequences"]["stored"]["organizations"] if each["trouble"]]
    assert [each["key"] for each in troubled] == [second]
    assert "triage pull" in troubled[0]["trouble"]
    assert troubled[0]["sequences"] is None
    assert run["worklists"]["stored"]["gone"] is None
    assert run["sequence_groups"]["stored"]["waiting"] is None
    assert "not counted" in run["predictions"]["stored"]["models"][0]["trouble"]


def spoil(pattern: str, data: bytes | None) -> Callable[[FolderStore], None]:
    """Overwrite or delete what matches."""

    def change(store: FolderStore) -> None:
        found = [stored.path for stored in store.list("") if Path(stored.path).match(pattern)]
        assert found, pattern
        for path in found:
            store.delete(path) if data is None else store.write(path, data)

    return change


def at(*names: str | int) -> Callable[[Any], Any]:
    def take(run: Any) -> Any:
        for name in names:
            run = run[name]
        return run

    return take


MODEL = ("predictions", "stored", "models", 0)
DAMAGES = [
    # A killed run leaves parts without the table that names them.
    (spoil("current.arrow", None), at(*MODEL, "trouble"), "no table of the present backlog"),
    (spoil("current.arrow", b"no table"), at(*MODEL, "trouble"), "cannot be read. Delete it and run again"),
    (spoil("model.json", b"{"), at(*MODEL, "trouble"), "Materialize predictions"),
    (spoil("catalog.json", b"{"), at("frame_shards", "stored", "organizations", 0, "trouble"), "triage shards reindex"),
    (spoil("catalog.json", None), at("frame_shards", "stored", "organizations", 0, "trouble"), "triage shards reindex"),
    (spoil("ungrouped.parquet", None), at("sequence_groups", "trouble"), "materialize sequence_groups"),
    (spoil("members.parquet", b"PAR1"), at("sequence_groups", "trouble"), "Materialize sequence_groups"),
    (spoil("results.parquet", b"PAR1"), at("worklists", "trouble"), "not all of one run"),
    (spoil("model_config.json", b"{"), at("worklists", "trouble"), "cannot be read"),
]


@pytest.mark.parametrize(("change", "where", "says"), DAMAGES)
def test_what_cannot_be_read_is_said_in_its_place(
    here: Path, change: Callable[[FolderStore], None], where: Callable[[Any], Any], says: str
) -> None:
    change(FolderStore(here / "data"))
    run = run_of(here)
    assert says in where(run)
    assert str(here) not in where(run)
    shown = [stage for stage in ASSETS if run[stage]["stored"] is not None]
    assert len(shown) >= 4, "the others are shown all the same"


def test_a_store_that_is_not_there_is_nothing_yet_and_no_trouble(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert [(run[name]["stored"], run[name]["trouble"], run[name]["events"]) for name in ASSETS] == [(None,) * 3] * 5


def test_decisions_since_the_worklists_are_counted_until_those_follow(here: Path) -> None:
    with served(FolderStore(here / "data")) as client:
        assert client.get(FACETS).json()["decided_since"] == 0
        row = client.get("/api/v1/triage/rows", params={"limit": 1}).json()["items"][0]
        path = f"/api/v1/annotations/sequences/{row['sequence_id']}"
        assert client.put(path, json={"smoke_type": "wildfire"}).status_code == 200
        facets = client.get(FACETS).json()
        assert (facets["decided_since"], facets["review_trouble"]) == (1, None)
        assert ask(client)["worklists"]["stored"]["decided_since"] == 1
        group = client.get("/api/v1/sequence_groups/", params={"min_members": 1}).json()["items"][0]
        client.patch(f"/api/v1/sequence_groups/{group['id']}", json={"is_validated": True}).raise_for_status()
        assert client.get(FACETS).json()["groups_changed_since"] == 1

        before = client.get(FACETS).json()["version"]
        with open_instance() as instance:
            assert materialize(instance, ["sequence_groups", "worklists"]).troubles == ()
        for _ in range(600):
            facets = client.get(FACETS).json()
            if facets["version"] != before and not facets["decided_since"]:
                break
            time.sleep(0.1)
        assert (facets["decided_since"], facets["groups_changed_since"], facets["review_trouble"]) == (0, 0, None)
        assert ask(client)["worklists"]["stored"]["counts"]["labeled"] == 1


def test_worklists_of_another_review_database_are_said_to_be(here: Path) -> None:
    for file in (here / "data").glob("review.sqlite*"):
        file.unlink()
    with served(FolderStore(here / "data")) as client:
        facets = client.get(FACETS).json()
    assert (facets["decided_since"], facets["groups_changed_since"]) == (None, None)
    assert "another review database" in facets["review_trouble"]


def test_a_failed_run_is_told_with_what_it_failed_with(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_MODEL", "/nowhere/model.zip")
    with open_instance() as instance:
        assert materialize(instance, ["worklists"]).error is not None
    run = run_of(here)
    failed = run["dagster"]["last_failed_run"]
    assert (failed["state"], failed["assets"], failed["key"]) == ("failure", ["worklists"], None)
    assert failed["error"].startswith("The model package /nowhere/model.zip cannot be read")
    assert run["worklists"]["events"]["last"]["run_state"] == "success", "the last that was made"


def test_newer_inputs_failing_checks_and_runs_under_way_are_told(here: Path) -> None:
    key = stored_keys(FolderStore(here / "data"))[0]
    with open_instance() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("raw_sequences", partition=key))
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey("worklists"),
                check_name="files_are_of_one_run",
                passed=False,
                metadata={},
                description="results.json differs",
            )
        )
        instance.add_run(
            dg.DagsterRun(
                job_name="score_backlog",
                run_id="3ae2b8a8-4a0c-4a68-9f8a-6a4f0f1f0001",
                status=dg.DagsterRunStatus.STARTED,
                asset_selection=frozenset({dg.AssetKey("predictions")}),
                tags={"dagster/partition": key},
            )
        )
    run = run_of(here)
    assert {name: run[name]["events"]["behind"] for name in ASSETS} == {
        "raw_sequences": None,
        "frame_shards": None,
        "predictions": ["raw_sequences"],
        "sequence_groups": ["raw_sequences"],
        "worklists": ["raw_sequences"],
    }
    newest = next(each for each in run["raw_sequences"]["events"]["organizations"] if each["key"] == key)
    assert (newest["run_id"], newest["run_state"]) == (None, None), "reported by hand"
    check = next(each for each in run["worklists"]["events"]["checks"] if each["name"] == "files_are_of_one_run")
    assert (check["is_passed"], check["severity"], check["description"]) == (False, "error", "results.json differs")
    [active] = run["dagster"]["active_runs"]
    assert (active["state"], active["assets"], active["key"]) == ("started", ["predictions"], key)
    assert run["dagster"]["active_runs_total"] == 1


@pytest.mark.parametrize(
    ("home", "config", "state", "says"),
    [
        # A shared store, and a machine on which nobody runs anything.
        (None, None, "absent", "No Dagster instance is known here"),
        (None, (PROJECT / "dagster.yaml").read_text("utf-8"), "absent", "has not run anything here yet"),
        ("empty", None, "absent", "has not run anything here yet"),
        ("nowhere", None, "unreachable", "DAGSTER_HOME cannot be used"),
        (None, "storage: [", "unreachable", "cannot be read. Correct dagster.yaml"),
    ],
)
def test_without_an_instance_the_store_is_told_and_nothing_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None, config: str | None, state: str, says: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "data").mkdir()
    if home is not None:
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / home))
    if config is not None:
        (tmp_path / "dagster.yaml").write_text(config, "utf-8")
    with served(FolderStore(tmp_path / "data")) as client:
        before = files_below(tmp_path)
        run = ask(client)
        assert files_below(tmp_path) == before
    assert (run["dagster"]["state"], run["worklists"]["events"]) == (state, None)
    assert says in run["dagster"]["note"]
    assert (run["dagster"]["active_runs_total"], run["dagster"]["daemon_seen_at"]) == (None, None)


def test_a_damaged_storage_is_said_and_not_passed_on(here: Path) -> None:
    for file in (here / ".dagster").rglob("*.db"):
        file.write_bytes(b"no database at all" * 100)
    run = run_of(here)
    assert run["dagster"]["state"] == "unreachable"
    assert "Correct dagster.yaml" in run["dagster"]["note"]
    assert run["worklists"]["stored"]["counts"]["sequences"] == N


def test_looking_creates_nothing(here: Path) -> None:
    with served(FolderStore(here / "data")) as client:
        ask(client)
        before = {name for name in files_below(here) if not name.endswith(("-wal", "-shm"))}
        ask(client)
        assert {name for name in files_below(here) if not name.endswith(("-wal", "-shm"))} == before


def test_the_backlog_is_counted_again_only_when_a_file_is_another(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[object] = []

    def count(*arguments: Any) -> Counted:
        counted.append(arguments)
        return count_all(*arguments)

    monkeypatch.setattr(stored, "count_all", count)
    store = FolderStore(here / "data")
    with served(store) as client:
        for _ in range(3):
            ask(client)
        assert len(counted) == 1
        store.delete(snapshot_path(stored_keys(store)[0]))
        ask(client)
        assert len(counted) == 2


def test_a_store_that_changes_all_the_time_is_counted_a_tenth_of_it(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, counted_at = [0.0], list[float]()

    def count(*arguments: Any) -> Counted:
        counted_at.append(now[0])
        now[0] += 4.0
        return count_all(*arguments)

    monkeypatch.setattr(stored, "count_all", count)
    monkeypatch.setattr(stored, "_REST", 10)
    store = FolderStore(here / "data")
    with closing(open_review(f"sqlite:///{here}/data/review.sqlite")) as review, closing(LiveBacklog(store)) as backlog:
        reader = stored.StoreReader(store, backlog, ReviewNews(review), clock=lambda: now[0])
        for number in range(60):
            store.write(f"groups/written {number % 2}", b"." * number)
            reader.look()
            now[0] += 1.0
        store.delete("groups/written 0")
        now[0] += 40.0
        reader.look()
    assert counted_at == [0.0, 40.0, now[0] - 4.0]


def test_a_dagster_that_does_not_answer_keeps_nobody_waiting(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PATIENCE_SECONDS", 0.01)
    store, is_over = FolderStore(here / "data"), threading.Event()

    def look() -> Remembered:
        is_over.wait()
        raise NoInstanceError("nothing")

    with closing(open_review(f"sqlite:///{here}/data/review.sqlite")) as review, closing(LiveBacklog(store)) as backlog:
        run = live.LiveRun(store, backlog, ReviewNews(review), DAGSTER_URL, look)
        try:
            for _ in range(3):
                read = run.read()
                assert (read.dagster.state, read.dagster.asked_at, read.worklists.events) == ("asking", None, None)
            assert read.raw_sequences.stored and read.raw_sequences.stored.sequences == N
        finally:
            is_over.set()


def test_the_viewer_loads_without_dagster() -> None:
    code = "import sys, triage_viewer.app; print([name for name in sys.modules if name.startswith('dagster')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
