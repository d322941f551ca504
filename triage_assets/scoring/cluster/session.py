"""One connection to a Dask scheduler whose workers have proven to be of this version and to see the store.

What lives here: connecting, the proof, and every call into Dask's client with the errors it may end in. What does not:
what is submitted, and what follows from a connection that is lost (`backend`).
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from distributed import Client, Future, wait
from distributed.client import ClosedClientError
from distributed.scheduler import KilledWorker

from triage_assets.errors import ClusterError, TriageError
from triage_assets.scoring.cluster.worker import (
    ClusterJob,
    ModelDelivery,
    WorkerFacts,
    describe_worker,
    torch_version,
    unseen_store,
)
from triage_assets.scoring.identity import ENGINE_VERSION

T = TypeVar("T")

# What Dask's client raises once its scheduler is gone: OSError includes CommClosedError and TimeoutError.
CONNECTION_LOST = (OSError, CancelledError, ClosedClientError)

# How long one wait for results lasts before the cluster is looked at again.
_LOOK_SECONDS = 5.0
_SAME_IMAGE = "Start scheduler and workers with the same installation as this process (docs/scale.md)."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a cluster is waited for.

    ``connect_seconds`` is for one attempt. After a loss, attempts follow after each of ``pauses_seconds``; a run
    survives ``losses`` in a row without a scored unit between them. ``workers_seconds`` is how long there may be no
    worker.
    """

    connect_seconds: float = 10.0
    pauses_seconds: tuple[float, ...] = (1.0, 4.0, 15.0, 30.0, 60.0)
    losses: int = 5
    workers_seconds: float = 120.0


class ClusterSession:
    """A client with the few calls that scoring needs."""

    def __init__(self, client: Client, address: str, patience: Patience) -> None:
        self._client = client
        self._address = address
        self._patience = patience
        self._n_threads = 0
        self._looked_at = 0.0
        self._worked_at = time.monotonic()
        self._plugin: str | None = None

    def submit(self, function: Callable[..., T], *arguments: object) -> "Future[T]":
        """Ask any worker to run the function."""
        return self._client.submit(function, *arguments, pure=False)

    def result(self, future: "Future[T]") -> T:
        """What it gave. Raises what it raised where that is an error of ours, `KilledWorker`, and what says that the
        connection is lost; anything else becomes a `ClusterError`.
        """
        if future.status == "error":
            error = future.exception()
            if isinstance(error, TriageError | KilledWorker):
                raise error
            raise worker_failed(self._address, error) from error
        return future.result()

    def wait_for_any(self, futures: "Iterable[Future[T]]") -> "list[Future[T]]":
        """Those that have ended, none if nothing ends for a while. Raises `ClusterError` when no worker is left."""
        pending = list(futures)
        if not pending:  # no worker is there to be given anything
            time.sleep(1.0)
            return []
        with suppress(TimeoutError), self._client.as_current():
            return list(wait(pending, timeout=_LOOK_SECONDS, return_when="FIRST_COMPLETED").done)
        if self._client.status != "running":
            raise OSError(f"the client is {self._client.status}")
        return []

    def n_threads(self) -> int:
        """How many units the workers can score at once, looked up now and then: workers come and go."""
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS or not self._n_threads:
            self._n_threads = sum(self._client.nthreads().values())
            self._looked_at = now
            if self._n_threads:
                self._worked_at = now
            elif now - self._worked_at > self._patience.workers_seconds:
                raise _no_workers(self._address, self._patience)
        return self._n_threads

    def prove(self, job: ClusterJob) -> None:
        """Wait for a worker and hold all that are there against what the job needs. Raises `ClusterError`."""
        try:
            self._client.wait_for_workers(1, timeout=self._patience.workers_seconds)
        except TimeoutError:
            if self._client.status != "running":
                raise
            raise _no_workers(self._address, self._patience) from None
        facts = self._client.run(describe_worker, job, on_error="return")
        for worker, found in sorted(facts.items()):
            _require_fit(worker, found, job)
        if not all(found.has_model for found in facts.values()):
            identity = job.use.identity
            self._plugin = f"triage-model-{job.run_id}"
            self._client.register_plugin(ModelDelivery(identity.sha256, identity.path.read_bytes()), self._plugin)

    def close(self) -> None:
        """Give up what is in flight, and the connection."""
        with suppress(*CONNECTION_LOST, RuntimeError):
            if self._plugin is not None and self._client.status == "running":
                self._client.unregister_worker_plugin(self._plugin)
        with suppress(*CONNECTION_LOST, RuntimeError):
            self._client.close(timeout=self._patience.connect_seconds)


def open_session(address: str, job: ClusterJob, patience: Patience, *, is_first: bool) -> ClusterSession:
    """Connect and prove the workers. At first one attempt must do; after a loss there are several.

    Raises `ClusterError` for a cluster that is not there or not fit.
    """
    pauses = () if is_first else patience.pauses_seconds
    for pause in (*pauses, None):
        try:
            session = ClusterSession(_connect(address, patience), address, patience)
        except (OSError, ValueError) as error:
            if pause is None:
                raise give_up(address, 1 + len(pauses), error) from None
            time.sleep(pause)
        else:
            break
    try:
        session.prove(job)
    except BaseException:
        session.close()
        raise
    return session


def give_up(address: str, n_attempts: int, error: BaseException) -> ClusterError:
    """The error for a scheduler that cannot be reached, or not for long."""
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return ClusterError(
        f"The scoring cluster at {address} cannot be reached",
        found=text if n_attempts == 1 else f"{text}, after {n_attempts} attempts",
        expected="a Dask scheduler, given as tcp://host:8786",
        do="Start it or correct TRIAGE_SCORING_CLUSTER, or unset that to score on this machine; finished work is kept.",
    )


def _connect(address: str, patience: Patience) -> Client:
    return Client(address, timeout=patience.connect_seconds, set_as_default=False, name="triage")


def _require_fit(worker: str, found: WorkerFacts | BaseException, job: ClusterJob) -> None:
    if not isinstance(found, WorkerFacts):
        raise ClusterError(
            f"Worker {worker} cannot say what it is",
            found=f"{type(found).__name__}: {' '.join(str(found).split())[:200]}",
            expected="a worker with this version of triage-assets",
            do=_SAME_IMAGE,
        )
    theirs = (found.engine_version, found.torch_version)
    ours = (ENGINE_VERSION, torch_version())
    if theirs != ours:
        raise ClusterError(
            f"Worker {worker} would score otherwise than this process",
            found="engine version {}, torch {}".format(*theirs),
            expected="engine version {}, torch {}".format(*ours),
            do=_SAME_IMAGE,
        )
    if not found.sees_store:
        raise unseen_store(worker, job.store)


def _no_workers(address: str, patience: Patience) -> ClusterError:
    return ClusterError(
        f"The scoring cluster at {address} has no workers",
        found=f"none within {patience.workers_seconds:.0f} s",
        expected="at least one",
        do=f"Start workers: dask worker {address}. What was finished is kept.",
    )


def worker_failed(address: str, error: BaseException) -> ClusterError:
    """The error for a failure of a worker that is none of a sequence."""
    return ClusterError(
        f"A worker of the cluster at {address} failed",
        found=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
        do="Its log has the whole traceback. What was finished is kept; run again.",
    )
