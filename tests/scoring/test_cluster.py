"""Scoring on a real scheduler with real worker processes on loopback, some of which are killed."""

import itertools
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from distributed import Client
from distributed.client import ClosedClientError
from distributed.scheduler import KilledWorker

from triage_assets.errors import ClusterError, PackageError, ScoringError
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.cluster import backend as backend_module
from triage_assets.scoring.cluster.backend import ClusterBackend, _Ledger
from triage_assets.scoring.cluster.session import ClusterSession, Patience
from triage_assets.scoring.cluster.worker import ClusterJob, Versions
from triage_assets.scoring.identity import read_identity
from triage_assets.scoring.model_use import ModelUse, Permissions
from triage_assets.scoring.predictions import score_backlog
from triage_assets.scoring.records import RuntimeChoice
from triage_assets.scoring.units import WorkUnit

from .backlogs import Backlog, backlog_of, frames_of, read_tables
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
        self._numbers = itertools.count()

    def start(self, n_workers: int = 2, **environment: str) -> "Cluster":
        # A restarted scheduler waits until its port, which the system still keeps for the last one, is free.
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"]
        where += ["--dashboard-address", "127.0.0.1:0"]  # its other routes are served on a port all the same
        self.scheduler = self._run("dask_scheduler", "scheduler", *where, **environment)
        self._wait_until_it_listens()
        for _ in range(n_workers):
            self.add_worker(**environment)
        self.wait_for_workers(n_workers)
        return self

    def _wait_until_it_listens(self) -> None:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError((self.folder / "scheduler.log").read_text())

    def add_worker(self, *, cwd: Path | None = None, **environment: str) -> None:
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder / "dask")]
        name = f"worker-{next(self._numbers)}"
        self.workers.append(
            self._run("dask_worker", name, self.address, "--name", name, *options, cwd=cwd, **environment)
        )

    def wait_for_workers(self, n_workers: int) -> None:
        if n_workers:
            with self._client() as client:
                client.wait_for_workers(n_workers, timeout=60)

    def held_by(self, name: str) -> list[str]:
        """What the scheduler has given a worker and not had back."""
        with self._client() as client:
            workers = client.scheduler_info(n_workers=-1)["workers"]
            (address,) = [address for address, about in workers.items() if about["name"] == name]
            return list(client.processing()[address])

    def _client(self) -> Client:
        return Client(self.address, set_as_default=False)

    def _run(
        self, module: str, name: str, *arguments: str, cwd: Path | None = None, **environment: str
    ) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
        inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        whole = {**inherited, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT), **environment}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=cwd or self.folder, env=whole, stdout=log, stderr=log)

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


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers that no test kills."""
    cluster = Cluster(tmp_path_factory.mktemp("shared"))
    yield cluster.start()
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
    held = []

    def kill_when_it_holds_units():
        # From a thread: scoring goes on meanwhile, and hands out what the stopped worker is to hold.
        while not held:
            held.extend(cluster.held_by("worker-0"))
        cluster.workers[0].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_when_it_holds_units, daemon=True)

    def stop_and_kill():
        # Stopped first, it cannot end what it has been given before it is killed.
        cluster.workers[0].send_signal(signal.SIGSTOP)
        killer.start()

    stop = AtSequence(4, stop_and_kill)
    report = run(store, loaders, cluster, progress=stop)
    killer.join()
    assert held, "units were with the worker when it was killed"
    assert cluster.workers[0].wait() == -signal.SIGKILL
    assert cluster.workers[1].poll() is None
    assert (report.n_scored, report.n_dropped, stop.seen[-1]) == (80, {}, 80)
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


def test_what_a_cluster_took_is_reported(store, shared):
    report = run(store, packed(store, *large_backlogs()), shared)
    assert (report.runtime, report.n_workers) == ("torch cpu float32", 2)
    assert report.seconds > 0
    assert all(report.stage_seconds[stage] > 0 for stage in ("read", "decode", "crop", "embed", "judge", "write"))
    assert set(report.current["runtime"].to_pylist()) == {"torch cpu float32"}


def test_automatic_choices_are_made_once_for_all_workers(store, shared):
    report = run(store, packed(store, *large_backlogs()), shared, choice=RuntimeChoice())
    assert len(set(report.current["runtime"].to_pylist())) == 1
    assert report.n_dropped == {}


def test_a_model_is_sent_to_workers_that_do_not_have_its_file(store, tmp_path, shared, monkeypatch):
    loaders = packed(store, backlog_of(1, 2))
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd/m.zip").write_bytes(MODEL.read_bytes())
    # A relative path means another file, here none, in a worker's folder.
    monkeypatch.chdir(tmp_path / "cwd")
    report = run(store, loaders, shared, model=Path("m.zip"))
    assert (report.n_scored, report.n_dropped) == (2, {})


def test_a_model_is_sent_to_a_worker_that_comes_later_without_its_file(store, tmp_path, cluster, monkeypatch):
    loaders = packed(store, *large_backlogs())
    has_it, has_not = tmp_path / "has it", tmp_path / "has it not"
    for folder in (has_it, has_not):
        folder.mkdir()
    (has_it / "m.zip").write_bytes(MODEL.read_bytes())
    monkeypatch.chdir(has_it)
    cluster.start(0)
    cluster.add_worker(cwd=has_it)
    cluster.wait_for_workers(1)

    def join():
        cluster.add_worker(cwd=has_not)
        cluster.wait_for_workers(2)

    report = run(store, loaders, cluster, model=Path("m.zip"), progress=AtSequence(8, join))
    assert (report.n_scored, report.n_dropped, report.n_workers) == (80, {}, 2)


def test_units_that_cannot_be_submitted_are_submitted_again(store, shared, monkeypatch):
    submit = ClusterSession.submit
    numbers = itertools.count(1)

    def submit_if_connected(session, *arguments, **options):
        if next(numbers) == 3:
            raise ClosedClientError("the connection is lost between two units")
        return submit(session, *arguments, **options)

    monkeypatch.setattr(ClusterSession, "submit", submit_if_connected)
    report = run(store, packed(store, *large_backlogs()), shared)
    assert (report.n_scored, report.n_dropped) == (80, {})


def test_a_suspect_that_cannot_be_submitted_or_is_lost_on_trial_stays_one():
    unit = WorkUnit("sdis-07-1", "000001-aaaaaaaa", (1, 2), "digest")
    ledger = _Ledger(deque(), suspects=deque([unit]))
    assert ledger.next_unit(1) is unit
    assert (ledger.next_unit(1), ledger.is_open) == (unit, True)
    ledger.hand_out("future")
    assert ledger.next_unit(1) is None
    ledger.put_back(*ledger.in_flight)
    assert (list(ledger.suspects), list(ledger.waiting)) == ([unit], [])


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


@contextmanager
def silent():
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def patient_web_server():
    """Waits for the rest of a request that never comes."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def prompt_web_server():
    """Answers with an error at once; Dask takes its first bytes for a length of 3 EiB."""

    def answer():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("open_server", [silent, patient_web_server, prompt_web_server])
def test_what_takes_connections_but_is_no_scheduler_is_an_error_that_names_the_ports(store, open_server):
    loaders = packed(store, backlog_of(1, 2))
    with open_server() as port, pytest.raises(ClusterError, match=r"cannot be reached.* 8786 .* 8787 "):
        run(store, loaders, Named(f"tcp://127.0.0.1:{port}"), patience=Patience(connect_seconds=1.0))


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


def test_a_worker_that_is_lost_during_the_proof_does_not_end_the_run(store, cluster):
    loaders = packed(store, backlog_of(1, 2))
    cluster.start()
    cluster.workers[1].send_signal(signal.SIGSTOP)
    impatient = Patience(pauses_seconds=(), losses=0, workers_seconds=2.0)
    with pytest.raises(ClusterError, match="some worker has not said within 2 s what it is"):
        run(store, loaders, cluster, patience=impatient)
    killer = threading.Timer(2.0, cluster.workers[1].kill)
    killer.start()
    report = run(store, loaders, cluster)
    killer.join()
    assert (report.n_scored, report.n_dropped, report.n_workers) == (2, {}, 1)


def test_a_worker_that_does_not_see_the_store_is_named(store, shared, tmp_path, monkeypatch):
    loaders = packed(store, backlog_of(1))
    elsewhere = FolderStore(tmp_path / "only here")
    shutil.copytree(store.root, elsewhere.root)
    # Both processes see all of this machine's folders; the store says another one to whoever is sent it.
    monkeypatch.setattr(FolderStore, "__reduce__", lambda _: (FolderStore, (tmp_path / "not mounted",)))
    with pytest.raises(ClusterError, match=r"Worker tcp://\S+ does not see the store .*Mount the same folder"):
        run(elsewhere, loaders, shared)


def test_a_worker_of_another_version_is_refused(store, shared, monkeypatch):
    loaders = packed(store, backlog_of(1))
    monkeypatch.setattr(backend_module, "ClusterJob", partial(ClusterJob, versions=Versions(engine=77)))
    with pytest.raises(ClusterError, match=r"Worker tcp://\S+ would score otherwise.*expected engine version 77"):
        run(store, loaders, shared)


def test_a_worker_of_another_version_is_refused_when_it_comes_later(store, cluster, tmp_path):
    loaders = packed(store, *large_backlogs())
    # Python imports this at its start; it stands for an installation with another torch.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.metadata as m\nv = m.version\nm.version = lambda n: '9.9.9' if n == 'torch' else v(n)\n"
    )
    cluster.start(1)

    def join():
        cluster.add_worker(PYTHONPATH=f"{tmp_path}{os.pathsep}{PROJECT}")
        cluster.wait_for_workers(2)

    with pytest.raises(ClusterError, match=r"Worker tcp://\S+ would score otherwise.*torch 9\.9\.9; expected"):
        run(store, loaders, cluster, progress=AtSequence(8, join))


def broken_tables(store, key):
    """Read the tables in a test's own process, and fail in any other."""
    if "PYTEST_CURRENT_TEST" not in os.environ:
        raise ZeroDivisionError("a fault that nobody foresaw")
    return read_tables(store, key)


def test_a_fault_in_a_worker_is_no_fault_of_the_cluster(store, shared):
    packed(store, backlog_of(1))
    loaders = {"sdis-07-1": partial(broken_tables, store, "sdis-07-1")}
    with pytest.raises(ScoringError, match=r"A worker of the cluster at \S+ failed; found ZeroDivisionError: a fault"):
        run(store, loaders, shared)


def test_a_model_that_a_worker_refuses_is_refused_in_the_same_words(store, shared, tmp_path):
    changes = {"manifest.yaml": edited_manifest(MODEL, {}, ["logistic_calibrator"])}
    model = write_edited(MODEL, tmp_path / "m.zip", changes)
    loaders = packed(store, backlog_of(1))
    with pytest.raises(PackageError) as here:
        run(store, loaders, model=model)
    with pytest.raises(PackageError) as there:
        run(store, loaders, shared, model=model)
    assert str(there.value) == str(here.value)


class LethalStore(FolderStore):
    """Kills the process that reads certain bytes out of a shard, unless it is a test's own."""

    def __init__(self, root, victim):
        super().__init__(root)
        self.victim = victim

    def __reduce__(self):
        return LethalStore, (self.root, self.victim)

    def read_range(self, path, offset, size):
        data = super().read_range(path, offset, size)
        if "PYTEST_CURRENT_TEST" not in os.environ and self.victim in data:
            os.kill(os.getpid(), signal.SIGKILL)
        return data


@contextmanager
def supervised(cluster):
    """Start another worker for each that dies."""
    ended = threading.Event()

    def supervise():
        while not ended.wait(0.2):
            for worker in [each for each in cluster.workers if each.poll() is not None]:
                cluster.workers.remove(worker)
                cluster.add_worker()

    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    try:
        yield
    finally:
        ended.set()
        supervisor.join()


def test_only_the_sequence_that_kills_workers_is_dropped_of_its_unit(store, tmp_path, cluster):
    loaders = packed(store, backlog_of(*range(1, 17)))
    local = FolderStore(tmp_path / "local")
    shutil.copytree(store.root, local.root)
    expected = {row["sequence_id"]: row["triage_score"] for row in run(local, loaders).current.to_pylist()}
    cluster.start(3, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    with supervised(cluster):
        report = run(LethalStore(store.root, frames_of(10)[0].image), loaders, cluster)
    assert (report.n_scored, report.n_dropped) == (15, {"predict_failed": 1})
    rows = {row["sequence_id"]: row for row in report.current.to_pylist()}
    assert "A worker process died over this sequence alone" in rows.pop(10)["dropped_error"]
    # A smaller unit makes other batches, and those other last digits.
    assert {which: row["triage_score"] for which, row in rows.items()} == pytest.approx(
        {which: score for which, score in expected.items() if which != 10}, abs=1e-5
    )


class LethalSession:
    """A session with a cluster whose workers die over everything."""

    model_was_sent = True

    def __init__(self):
        self.n_submitted = 0

    def n_threads(self):
        return 2

    def submit(self, *_, **__):
        self.n_submitted += 1
        return self.n_submitted

    def wait_for_any(self, futures):
        return list(futures)

    def result(self, future):
        raise KilledWorker(str(future), None, 3)

    def close(self):
        pass


def test_workers_that_die_over_everything_are_not_asked_for_each_sequence(store, monkeypatch):
    session = LethalSession()
    monkeypatch.setattr(backend_module, "open_session", lambda *_, **__: session)
    report = run(store, packed(store, backlog_of(*range(1, 65))), Named("tcp://127.0.0.1:1"))
    assert (report.n_scored, report.n_dropped) == (0, {"predict_failed": 64})
    errors = set(report.current["dropped_error"].to_pylist())
    assert {error.partition(";")[0] for error in errors} == {
        f"4 worker processes in a row died over {what} alone"
        for what in ("this sequence", "these 2 sequences", "these 4 sequences")
    }
    n_units = 64 // UNIT
    assert session.n_submitted <= n_units + backend_module._HOPELESS_TRIALS + n_units
