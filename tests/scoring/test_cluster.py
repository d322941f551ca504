"""Scoring on a real scheduler with real worker processes on loopback, some of which are killed."""

import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from triage_assets.errors import ClusterError, PackageError
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.cluster.backend import ClusterBackend
from triage_assets.scoring.cluster.session import Patience
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.model_use import ModelUse, Permissions
from triage_assets.scoring.predictions import score_backlog
from triage_assets.scoring.records import RuntimeChoice

from .backlogs import Backlog, backlog_of, read_tables
from .packages import edited_manifest, write_edited
from .reference import MODEL

PROJECT = Path(__file__).resolve().parents[2]
TORCH = RuntimeChoice("torch", "cpu")
UNIT = 4
HURRIED = Patience(connect_seconds=5.0, pauses_seconds=(1.0, 2.0, 4.0, 8.0, 8.0), workers_seconds=30.0)


class Cluster:
    """A scheduler and workers, each a process of its own that can be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, n_workers: int = 2, **environment: str) -> "Cluster":
        # A restarted scheduler waits until its port, which the system still keeps for the last one, is free.
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"]
        self.scheduler = self._run("dask_scheduler", "scheduler", *where, **environment)
        self._wait_until_it_listens()
        for _ in range(n_workers):
            self.add_worker(**environment)
        return self

    def _wait_until_it_listens(self) -> None:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError((self.folder / "scheduler.log").read_text())

    def add_worker(self, **environment: str) -> None:
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder / "dask")]
        name = f"worker-{len(self.workers)}"
        self.workers.append(self._run("dask_worker", name, self.address, *options, **environment))

    def _run(self, module: str, name: str, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
        inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        whole = {**inherited, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT), **environment}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=whole, stdout=log, stderr=log)

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        self.scheduler.kill()
        self.scheduler.wait()

    def stop(self) -> None:
        for process in [*self.workers, *([self.scheduler] if self.scheduler else [])]:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    folder = tmp_path / "cluster"
    folder.mkdir()
    cluster = Cluster(folder)
    yield cluster
    cluster.stop()


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def packed(store: FolderStore, *backlogs: Backlog):
    """The backlogs with their shards in the store, and what reads them in any process."""
    for backlog in backlogs:
        backlog.pack(store)
    return {backlog.key: backlog.save(store) for backlog in backlogs}


def large_backlogs():
    shards = {which: f"00000{1 + which % 2}-aaaaaaaa" for which in range(1, 61)}
    return replace(backlog_of(*range(1, 61)), shards=shards), backlog_of(*range(101, 121), key="another-2")


def run(store, loaders, cluster=None, *, model=MODEL, patience=HURRIED, choice=TORCH, **options):
    backend = None
    if cluster is not None:
        use = ModelUse(read_identity(model), "annotator", choice, Permissions())
        backend = ClusterBackend(store, loaders, use, cluster.address, patience=patience)
    return score_backlog(store, model, loaders, backend=backend, choice=choice, unit_sequences=UNIT, **options)


def predictions(store):
    root = store.root / "predictions"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def scored_here(store, tmp_path, loaders):
    """What a run in this process makes of the same backlog."""
    copy = FolderStore(tmp_path / "local")
    shutil.copytree(store.root, copy.root)
    local = {key: partial(read_tables, copy, key) for key in loaders}
    report = run(copy, local)
    assert (report.n_dropped, report.n_workers) == ({}, 1)
    return predictions(copy)


def test_a_store_means_the_same_folder_in_a_process_that_works_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(FolderStore(Path("data")))
    monkeypatch.chdir("/")
    assert pickle.loads(sent).root == tmp_path / "data"


class AtSequence:
    """Progress that does something once, when so many sequences are done."""

    def __init__(self, n_done, act):
        self.n_done = n_done
        self.act = act
        self.acted = False
        self.seen = []

    def __call__(self, unit, done, total, note=""):
        self.seen.append(done)
        if done >= self.n_done and not self.acted:
            self.acted = True
            self.act()


def test_a_killed_worker_changes_no_byte_of_the_predictions(store, tmp_path, cluster):
    loaders = packed(store, *large_backlogs())
    expected = scored_here(store, tmp_path, loaders)
    cluster.start()
    kill = AtSequence(12, lambda: cluster.workers[0].send_signal(signal.SIGKILL))
    report = run(store, loaders, cluster, progress=kill)
    assert kill.acted and cluster.workers[0].wait() == -signal.SIGKILL
    assert cluster.workers[1].poll() is None
    assert (report.n_scored, report.n_dropped, kill.seen[-1]) == (80, {}, 80)
    assert predictions(store) == expected


def test_a_restarted_scheduler_costs_only_what_was_in_flight(store, tmp_path, cluster):
    loaders = packed(store, *large_backlogs())
    expected = scored_here(store, tmp_path, loaders)
    cluster.start()

    def restart():
        cluster.kill_scheduler()
        cluster.start()  # workers end with their scheduler; whatever supervises them starts new ones

    report = run(store, loaders, cluster, progress=AtSequence(12, restart))
    assert (report.n_scored, report.n_dropped) == (80, {})
    assert predictions(store) == expected


def test_what_a_cluster_took_is_reported(store, cluster):
    report = run(store, packed(store, *large_backlogs()), cluster.start())
    assert (report.runtime, report.n_workers) == ("torch cpu float32", 2)
    assert report.seconds > 0
    assert all(report.stage_seconds[stage] > 0 for stage in ("read", "decode", "crop", "embed", "judge", "write"))
    assert set(report.current["runtime"].to_pylist()) == {"torch cpu float32"}


def test_automatic_choices_are_made_once_for_all_workers(store, cluster):
    report = run(store, packed(store, *large_backlogs()), cluster.start(), choice=RuntimeChoice())
    assert len(set(report.current["runtime"].to_pylist())) == 1
    assert report.n_dropped == {}


def test_a_model_is_sent_to_workers_that_do_not_have_its_file(store, tmp_path, cluster, monkeypatch):
    loaders = packed(store, backlog_of(1, 2))
    cluster.start(1)
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd/m.zip").write_bytes(MODEL.read_bytes())
    # A relative path means another file, here none, in a worker's folder.
    monkeypatch.chdir(tmp_path / "cwd")
    report = run(store, loaders, cluster, model=Path("m.zip"))
    assert (report.n_scored, report.n_dropped) == (2, {})


def test_a_run_with_nothing_to_score_does_not_ask_for_the_cluster(store):
    loaders = packed(store, backlog_of(1, 2))
    run(store, loaders)
    report = score_backlog(store, MODEL, loaders, choice=TORCH, cluster="tcp://127.0.0.1:1")
    assert (report.n_scored, report.n_reused, report.n_workers) == (0, 2, 0)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "gopher://127.0.0.1:1"])
def test_an_unreachable_cluster_is_an_error_that_says_what_to_do(store, address):
    loaders = packed(store, backlog_of(1, 2))
    with pytest.raises(ClusterError, match=rf"{address} cannot be reached.*TRIAGE_SCORING_CLUSTER"):
        run(store, loaders, Named(address), patience=Patience(connect_seconds=1.0))
    assert not (store.root / "predictions").exists()


class Named:
    """A cluster that is only an address."""

    def __init__(self, address):
        self.address = address


def test_a_cluster_that_does_not_come_back_ends_the_run_and_keeps_what_was_scored(store, cluster):
    loaders = packed(store, *large_backlogs())
    cluster.start(1)
    impatient = Patience(connect_seconds=1.0, pauses_seconds=(0.2, 0.2), workers_seconds=5.0)
    with pytest.raises(ClusterError, match=r"cannot be reached.*after 3 attempts"):
        run(store, loaders, cluster, patience=impatient, progress=AtSequence(12, cluster.stop))
    report = run(store, loaders)
    assert report.n_reused >= 8
    assert (report.n_scored + report.n_reused, report.n_dropped) == (80, {})


def test_a_cluster_without_workers_is_an_error(store, cluster):
    loaders = packed(store, backlog_of(1))
    cluster.start(0)
    with pytest.raises(ClusterError, match=r"has no workers.*dask worker"):
        run(store, loaders, cluster, patience=replace(HURRIED, workers_seconds=1.0))


def test_a_worker_that_does_not_see_the_store_is_named(store, cluster, tmp_path, monkeypatch):
    loaders = packed(store, backlog_of(1))
    cluster.start(1)
    elsewhere = FolderStore(tmp_path / "only here")
    shutil.copytree(store.root, elsewhere.root)
    # Both processes see all of this machine's folders; the store says another one to whoever is sent it.
    monkeypatch.setattr(FolderStore, "__reduce__", lambda _: (FolderStore, (tmp_path / "not mounted",)))
    with pytest.raises(ClusterError, match=r"Worker tcp://\S+ does not see the store .*Mount the same folder"):
        run(elsewhere, loaders, cluster)


def test_a_worker_of_another_version_is_refused(store, cluster, monkeypatch):
    loaders = packed(store, backlog_of(1))
    cluster.start(1)
    monkeypatch.setattr("triage_assets.scoring.cluster.session.ENGINE_VERSION", 77)
    with pytest.raises(ClusterError, match=r"Worker tcp://\S+ would score otherwise.*expected engine version 77"):
        run(store, loaders, cluster)


def test_a_model_that_a_worker_refuses_is_refused_in_the_same_words(store, cluster, tmp_path):
    changes = {"manifest.yaml": edited_manifest(MODEL, {}, ["logistic_calibrator"])}
    model = write_edited(MODEL, tmp_path / "m.zip", changes)
    loaders = packed(store, backlog_of(1))
    with pytest.raises(PackageError) as here:
        run(store, loaders, model=model)
    with pytest.raises(PackageError) as there:
        run(store, loaders, cluster.start(1), model=model)
    assert str(there.value) == str(here.value)


def lethal_tables(store, key, victim):
    """Read the tables, and kill the process that does where the victim is among them, unless it is a test's own."""
    backlog, frames = read_tables(store, key)
    if "PYTEST_CURRENT_TEST" not in os.environ and victim in backlog["sequence_id"].to_pylist():
        os.kill(os.getpid(), signal.SIGKILL)
    return backlog, frames


def test_a_unit_that_kills_every_worker_is_dropped_and_the_rest_is_scored(store, cluster, monkeypatch):
    loaders = packed(store, backlog_of(*range(1, 13)), backlog_of(99, key="lethal-9"))
    loaders["lethal-9"] = partial(lethal_tables, store, "lethal-9", 99)
    cluster.start(3, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")

    def replace_the_dead():
        for worker in [each for each in cluster.workers if each.poll() is not None]:
            cluster.workers.remove(worker)
            cluster.add_worker()

    ended = threading.Event()

    def supervise():
        while not ended.wait(0.2):
            replace_the_dead()

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    try:
        report = run(store, loaders, cluster)
    finally:
        ended.set()
        supervisor.join()
    assert (report.n_scored, report.n_dropped) == (12, {"predict_failed": 1})
    rows = {row["sequence_id"]: row for row in report.current.to_pylist()}
    assert "1 worker processes in a row died" in rows[99]["dropped_error"]
