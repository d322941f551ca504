"""Scoring on a Dask cluster: units handed out, scored units taken back, whatever becomes of workers in between.

What lives here: who is asked to do what, and what a lost worker, scheduler or connection leads to. What does not: the
worker's side (`worker`), and the connection by itself (`session`).
"""

import logging
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from distributed import Future
from distributed.scheduler import KilledWorker

from triage_assets.scoring.cluster.session import (
    CONNECTION_LOST,
    ClusterSession,
    Patience,
    give_up,
    open_session,
    worker_failed,
)
from triage_assets.scoring.cluster.worker import ClusterJob, Landmark, RemoteUnit, resolve_on_worker, score_on_worker
from triage_assets.scoring.frames import shard_path
from triage_assets.scoring.model_use import ModelUse
from triage_assets.scoring.records import AUTO
from triage_assets.scoring.stages import StageClock
from triage_assets.scoring.unit_scorer import ScoredUnit, Tick, fail_unit
from triage_assets.scoring.units import LoadBacklog, UnitPlanner, WorkUnit
from triage_assets.store import Store

logger = logging.getLogger(__name__)

# One that is scored and one that waits beside it, so that no worker waits for this process.
_UNITS_PER_THREAD = 2
# Their words about connections would repeat, with tracebacks, what is said here in a line.
_NOISY_LOGGERS = ("distributed.client", "distributed.core", "distributed.comm", "distributed.batched")


@dataclass
class _Ledger:
    """Where every unit is that is not done: waiting, in flight, or suspected of having killed workers.

    Dask blames a worker's death on everything that the worker had been given. So a unit that it gives up is tried once
    more with nothing beside it, and only what kills workers alone is given up for good.
    """

    waiting: deque[WorkUnit]
    in_flight: "dict[Future[RemoteUnit], WorkUnit]" = field(default_factory=dict)
    suspects: deque[WorkUnit] = field(default_factory=deque)
    on_trial: WorkUnit | None = None

    @property
    def is_open(self) -> bool:
        return bool(self.waiting or self.in_flight or self.suspects)

    def next_unit(self, capacity: int) -> WorkUnit | None:
        """What to submit now, if anything."""
        if self.waiting and self.on_trial is None:
            return self.waiting.popleft() if len(self.in_flight) < capacity else None
        if self.suspects and not self.in_flight:
            self.on_trial = self.suspects.popleft()
            return self.on_trial
        return None

    def take(self, future: "Future[RemoteUnit]") -> WorkUnit:
        return self.in_flight.pop(future)

    def put_back(self) -> None:
        """After the connection is lost nothing is in flight any more."""
        if self.on_trial is not None and self.in_flight:
            self.suspects.appendleft(self.on_trial)
        else:
            self.waiting.extendleft(reversed(self.in_flight.values()))
        self.on_trial = None
        self.in_flight.clear()


class ClusterBackend:
    """Scores on the workers of a Dask scheduler. Nothing is connected before the first unit."""

    def __init__(
        self,
        store: Store,
        backlogs: Mapping[str, LoadBacklog],
        use: ModelUse,
        address: str,
        *,
        patience: Patience | None = None,
    ) -> None:
        self._store = store
        self._backlogs = backlogs
        self._use = use
        self._address = address
        self._patience = patience or Patience()
        self._session: ClusterSession | None = None

    def score(self, units: Iterable[WorkUnit], clock: StageClock, tick: Tick) -> Iterator[ScoredUnit]:
        """Score the units in any order. Raises `ClusterError`, and what a worker finds wrong with model or store."""
        ledger = _Ledger(deque(units))
        job = ClusterJob(uuid.uuid4().hex, self._store, self._use, self._landmark(ledger.waiting))
        n_losses = 0
        with _quiet_logs():
            while ledger.is_open:
                try:
                    if self._session is None:
                        self._session = open_session(self._address, job, self._patience, is_first=n_losses == 0)
                    job = self._resolve(self._session, job)
                    for remote in self._advance(self._session, job, ledger):
                        n_losses = 0
                        clock.add(remote.stage_seconds)
                        tick(len(remote.scored.unit))
                        yield remote.scored
                except CONNECTION_LOST as error:
                    n_losses += 1
                    if n_losses > self._patience.losses:
                        raise give_up(self._address, n_losses, error) from None
                    text = " ".join(str(error).split())[:200] or type(error).__name__
                    logger.warning("Lost the cluster at %s (%s); connecting again", self._address, text)
                    ledger.put_back()
                    self.close()

    def close(self) -> None:
        """End the connection; what is in flight is given up."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _advance(self, session: ClusterSession, job: ClusterJob, ledger: _Ledger) -> Iterator[RemoteUnit]:
        """Hand out what can be handed out, wait for something to end, and give what has been scored."""
        capacity = _UNITS_PER_THREAD * session.n_threads()
        while (unit := ledger.next_unit(capacity)) is not None:
            ledger.in_flight[session.submit(score_on_worker, job, self._backlogs[unit.organization_key], unit)] = unit
        for future in session.wait_for_any(ledger.in_flight):
            try:
                remote = session.result(future)
            except KilledWorker as error:
                blamed = self._blame(ledger, ledger.take(future), error)
                if blamed is not None:
                    yield RemoteUnit(blamed, {})
                continue
            ledger.take(future)
            ledger.on_trial = None
            yield remote

    def _blame(self, ledger: _Ledger, unit: WorkUnit, error: KilledWorker) -> ScoredUnit | None:
        """Put the unit on trial by itself, or give it up where it has been."""
        if ledger.on_trial is None:
            logger.warning("Workers died over %s; it will be tried once more by itself", unit)
            ledger.suspects.append(unit)
            return None
        ledger.on_trial = None
        text = (
            f"{error.allowed_failures + 1} worker processes in a row died while they scored these {len(unit)} "
            "sequences; the workers' logs may say why (often: too little memory)"
        )
        logger.warning("%s: given up, %s", unit, text)
        return fail_unit(UnitPlanner(self._backlogs, self._use.detector), unit, self._use, text)

    def _resolve(self, session: ClusterSession, job: ClusterJob) -> ClusterJob:
        """Let one worker find out, once, what all of them run the network on."""
        if AUTO not in (job.use.choice.runtime, job.use.choice.device):
            return job
        try:
            choice = session.result(session.submit(resolve_on_worker, job))
        except KilledWorker as error:
            raise worker_failed(self._address, error) from None
        return ClusterJob(job.run_id, job.store, job.use.on(choice), job.landmark)

    def _landmark(self, units: Iterable[WorkUnit]) -> Landmark | None:
        """A shard that this process sees; shards are never changed, and no two have the same name."""
        for path in dict.fromkeys(shard_path(unit.organization_key, unit.shard) for unit in units):
            size = self._store.size(path)
            if size is not None:
                return Landmark(path, size)
        return None


@contextmanager
def _quiet_logs() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _NOISY_LOGGERS]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)
