"""One connection to a Dask scheduler whose workers have proven to be of this version and to see the store.

What lives here: connecting, the proof, and every call into Dask's client with the errors it may end in. What does not:
what is submitted, and what follows from a connection that is lost (`backend`).
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from distributed import Client, Future, wait
from distributed.client import ClosedClientError
from distributed.scheduler import KilledWorker

from triage_assets.errors import ClusterError, ScoringError, TriageError
from triage_assets.scoring.cluster.worker import (
    SAME_IMAGE,
    ClusterJob,
    ModelDelivery,
    WorkerFacts,
    describe_worker,
    require_fit,
)

T = TypeVar("T")

# What Dask's client raises once its scheduler is gone: OSError includes CommClosedError and TimeoutError.
CONNECTION_LOST = (OSError, CancelledError, ClosedClientError)

# How long one wait for results lasts before the cluster is looked at again.
_LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a cluster is waited for.

    ``connect_seconds`` is for one attempt. After a loss, attempts follow after each of ``pauses_seconds``; a run
    survives ``losses`` in a row without a scored unit between them. ``workers_seconds`` is how long there may be no
    worker, and how long the workers may take to say what they are.
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

    @property
    def model_was_sent(self) -> bool:
        """Whether every worker has been given the model, also each that is still to come."""
        return self._plugin is not None

    def submit(self, function: Callable[..., T], *arguments: object, **options: object) -> "Future[T]":
        """Ask any worker to run the function."""
        return self._client.submit(function, *arguments, **options, pure=False)

    def result(self, future: "Future[T]") -> T:
        """What it gave. Raises what it raised where that is an error of ours, `KilledWorker`, and what says that the
        connection is lost; anything else becomes a `ScoringError`.
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

    def n_workers(self) -> int:
        """How many workers there are."""
        return len(self._client.nthreads())

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
        """Wait for a worker and hold all that are there against what the job needs. Raises `ClusterError`.

        A worker that is lost meanwhile proves nothing, and is missed only where no other has answered.
        """
        try:
            self._client.wait_for_workers(1, timeout=self._patience.workers_seconds)
        except TimeoutError:
            if self._client.status != "running":
                raise
            raise _no_workers(self._address, self._patience) from None
        deadline = self._patience.workers_seconds
        try:
            answers = self._client.run(describe_worker, job, on_error="return", callback_timeout=deadline)
        except TimeoutError:
            raise TimeoutError(f"some worker has not said within {deadline:.0f} s what it is") from None
        facts = {worker: found for worker, found in sorted(answers.items()) if not isinstance(found, CONNECTION_LOST)}
        if not facts:
            raise OSError("every worker was lost before it could say what it is")
        proven = [_prove_one(worker, found, job) for worker, found in facts.items()]
        if not all(found.has_model for found in proven):
            self.send_model(job)

    def send_model(self, job: ClusterJob) -> None:
        """Give the model to all workers that are there, and to each that comes later; once."""
        if self._plugin is None:
            identity = job.use.identity
            name = f"triage-model-{job.run_id}"
            self._client.register_plugin(ModelDelivery(identity.sha256, identity.path.read_bytes()), name)
            self._plugin = name

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
        except (OSError, ValueError, ImportError) as error:
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
        do="Start it or correct TRIAGE_SCORING_CLUSTER (a scheduler's own port is 8786 by default, 8787 its "
        "dashboard's), or unset that to score on this machine; finished work is kept.",
    )


class _PunctualClient(Client):
    """A client whose attempts to connect end, whatever is at the address.

    Dask's own timeout leaves out the handshake, for which a server of another protocol lets it wait for ever.
    """

    async def _ensure_connected(self, timeout: float | None = None) -> None:
        try:
            attempt = super()._ensure_connected(timeout=timeout)  # type: ignore[no-untyped-call]
            await asyncio.wait_for(attempt, timeout)
        except TimeoutError:
            raise OSError(f"nothing there has answered as a Dask scheduler within {timeout} s") from None
        except (OSError, ImportError):  # ImportError: the scheduler has other versions
            raise
        except Exception as error:
            # The bytes of another protocol, read as lengths and pickles, fail in any way, MemoryError among them.
            text = (
                "what is there does not speak Dask's protocol: another server, or TLS that is not configured for Dask"
            )
            raise OSError(text) from error


def _connect(address: str, patience: Patience) -> Client:
    return _PunctualClient(  # type: ignore[no-untyped-call]
        address, timeout=patience.connect_seconds, set_as_default=False, name="triage"
    )


def _prove_one(worker: str, found: WorkerFacts | BaseException, job: ClusterJob) -> WorkerFacts:
    if not isinstance(found, WorkerFacts):
        raise ClusterError(
            f"Worker {worker} cannot say what it is",
            found=f"{type(found).__name__}: {' '.join(str(found).split())[:200]}",
            expected="a worker with this version of triage-assets",
            do=SAME_IMAGE,
        )
    require_fit(worker, found.versions, job, sees_store=found.sees_store)
    return found


def _no_workers(address: str, patience: Patience) -> ClusterError:
    return ClusterError(
        f"The scoring cluster at {address} has no workers",
        found=f"none within {patience.workers_seconds:.0f} s",
        expected="at least one",
        do=f"Start workers: dask worker {address}. What was finished is kept.",
    )


def worker_failed(address: str, error: BaseException) -> ScoringError:
    """The error for a failure of a worker over one model, which says nothing of how another model would fare."""
    return ScoringError(
        f"A worker of the cluster at {address} failed",
        found=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
        do="Its log has the whole traceback. What was finished is kept; run again.",
    )
