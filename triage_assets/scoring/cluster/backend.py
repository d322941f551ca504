"""Scoring on a Dask cluster: units handed out, scored units taken back, whatever becomes of workers in between.

What lives here: who is asked to do what, and what a lost worker, scheduler or connection leads to. What does not: the
worker's side (`worker`), and the connection by itself (`session`).
"""

import logging
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

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
from triage_assets.scoring.units import BacklogChanged, LoadBacklog, UnitPlanner, WorkUnit, digest_of
from triage_assets.store import Store

logger = logging.getLogger(__name__)

# One that is scored and one that waits beside it, so that no worker waits for this process.
_UNITS_PER_THREAD = 2
# One lethal sequence of a unit of 64 is found within 7 trials that end in death; a few neighbours are within 16. Where
# nothing survives in so many, it is not the sequences, and each further trial would cost workers for nothing.
_HOPELESS_TRIALS = 16
# Their words about connections would repeat, with tracebacks, what is said here in a line.
_NOISY_LOGGERS = ("distributed.client", "distributed.core", "distributed.comm", "distributed.batched")


@dataclass
class _Ledger:
    """Where every unit is that is not done: waiting, in flight, or suspected of having killed workers.

    Dask blames a worker's death on everything that the worker had been given. So a unit that it gives up is tried once
    more with nothing beside it, and only what kills workers alone is cut in two or given up for good.
    """

    waiting: deque[WorkUnit]
    in_flight: "dict[Future[RemoteUnit | None], WorkUnit]" = field(default_factory=dict)
    suspects: deque[WorkUnit] = field(default_factory=deque)
    on_trial: WorkUnit | None = None
    n_deaths: int = 0
    """Trials in a row that ended in death."""

    @property
    def is_open(self) -> bool:
        return bool(self.waiting or self.in_flight or self.suspects)

    def next_unit(self, capacity: int) -> WorkUnit | None:
        """What to submit now, if anything. It stays where it is until it has been: submitting fails too."""
        if self.on_trial is not None or len(self.in_flight) >= capacity:
            return None
        if self.waiting:
            return self.waiting[0]
        return self.suspects[0] if self.suspects and not self.in_flight else None

    def hand_out(self, future: "Future[RemoteUnit | None]") -> None:
        """The unit that `next_unit` has named is submitted."""
        if self.waiting:
            self.in_flight[future] = self.waiting.popleft()
        else:
            self.in_flight[future] = self.on_trial = self.suspects.popleft()

    def take(self, future: "Future[RemoteUnit | None]") -> WorkUnit:
        return self.in_flight.pop(future)

    def put_back(self, *futures: "Future[RemoteUnit | None]") -> None:
        """What is in flight there is to be handed out again, as what it was."""
        units = [self.take(future) for future in futures]
        if self.on_trial in units:
            self.suspects.appendleft(self.on_trial)
            self.on_trial = None
        else:
            self.waiting.extendleft(reversed(units))


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
        self._planner = UnitPlanner(backlogs, use.detector)

    def score(self, units: Iterable[WorkUnit], clock: StageClock, tick: Tick) -> Iterator[ScoredUnit]:
        """Score the units in any order; what killed workers comes back as smaller units.

        Raises `ClusterError`, and what a worker finds wrong with model or store.
        """
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
                    ledger.put_back(*ledger.in_flight)
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
            load = self._backlogs[unit.organization_key]
            sent = session.model_was_sent
            ledger.hand_out(session.submit(score_on_worker, job, load, unit, model_was_sent=sent))
        for future in session.wait_for_any(ledger.in_flight):
            try:
                remote = session.result(future)
            except KilledWorker as error:
                dropped = self._blame(ledger, ledger.take(future), error)
                if dropped is not None:
                    yield RemoteUnit(dropped, {})
                continue
            if remote is None:  # a worker that has come since the proof, and lacks the model
                session.send_model(job)
                ledger.put_back(future)
                continue
            ledger.take(future)
            ledger.on_trial, ledger.n_deaths = None, 0
            yield remote

    def _blame(self, ledger: _Ledger, unit: WorkUnit, error: KilledWorker) -> ScoredUnit | None:
        """Put the unit on trial by itself, or its halves where it has been, or give up what cannot be halved."""
        if ledger.on_trial is None:
            logger.warning("Workers died over %s; it will be tried once more by itself", unit)
            ledger.suspects.append(unit)
            return None
        ledger.on_trial = None
        ledger.n_deaths += 1
        halves = _halve(self._planner, unit) if ledger.n_deaths < _HOPELESS_TRIALS else ()
        if halves:
            logger.warning("Workers died over %s alone; its halves will be tried", unit)
            ledger.suspects.extendleft(reversed(halves))
            return None
        n_died = error.allowed_failures + 1
        who = "A worker process" if n_died == 1 else f"{n_died} worker processes in a row"
        what = "this sequence" if len(unit) == 1 else f"these {len(unit)} sequences"
        text = f"{who} died over {what} alone; the workers' logs may say why (often: too little memory)"
        logger.warning("%s: given up. %s", unit, text)
        return fail_unit(self._planner, unit, self._use, text)

    def _resolve(self, session: ClusterSession, job: ClusterJob) -> ClusterJob:
        """Let one worker find out, once, what all of them run the network on."""
        if AUTO not in (job.use.choice.runtime, job.use.choice.device):
            return job
        try:
            choice = session.result(session.submit(resolve_on_worker, job))
        except KilledWorker as error:
            raise worker_failed(self._address, error) from None
        return replace(job, use=job.use.on(choice))

    def _landmark(self, units: Iterable[WorkUnit]) -> Landmark | None:
        """A shard that this process sees; shards are never changed, and no two have the same name."""
        for path in dict.fromkeys(shard_path(unit.organization_key, unit.shard) for unit in units):
            size = self._store.size(path)
            if size is not None:
                return Landmark(path, size)
        return None


def _halve(planner: UnitPlanner, unit: WorkUnit) -> tuple[WorkUnit, ...]:
    """The unit as two, none where it is one sequence or the backlog has changed."""
    try:
        tasks = planner.tasks(unit) if len(unit) > 1 else ()
    except BacklogChanged:
        return ()
    middle = len(tasks) // 2
    return tuple(
        replace(
            unit,
            sequence_ids=tuple(task.sequence_id for task in half),
            digest=digest_of(task.frames_fingerprint for task in half),
        )
        for half in (tasks[:middle], tasks[middle:])
        if half
    )


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
