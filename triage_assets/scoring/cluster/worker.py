"""The worker's side of scoring on a cluster: what a Dask worker is asked, does, and keeps in memory.

What lives here: functions that run in worker processes, and what travels to and from them. What does not: who asks, and
what is done when a worker is lost (`backend`).

Workers read the store themselves; they are sent a unit's description and send its rows back. Loaded models and tables
stay in the process for the units that follow.
"""

import hashlib
import importlib.metadata
import logging
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from distributed import Worker, WorkerPlugin, get_worker

from triage_assets.errors import ClusterError, PackageError
from triage_assets.scoring.identity import ENGINE_VERSION, model_fingerprint
from triage_assets.scoring.model_use import ModelUse
from triage_assets.scoring.records import RuntimeChoice
from triage_assets.scoring.stages import StageClock
from triage_assets.scoring.unit_scorer import LoadedModel, ScoredUnit, UnitScorer, load_model
from triage_assets.scoring.units import LoadBacklog, UnitPlanner, WorkUnit
from triage_assets.store import Store

logger = logging.getLogger(__name__)

# A store with several models is scored by one after the other; the one before the last is not asked for again.
_MODELS_IN_MEMORY = 2
_ORGANIZATIONS_IN_MEMORY = 2

SAME_IMAGE = "Start scheduler and workers with the same installation as this process (docs/scale.md)."


@dataclass(frozen=True, slots=True)
class Landmark:
    """An object of the store that every worker must see, with its size in bytes."""

    path: str
    size_bytes: int


def torch_version() -> str:
    """The version of torch that is installed, without importing it and without its build (``+cpu``)."""
    return importlib.metadata.version("torch").partition("+")[0]


@dataclass(frozen=True, slots=True)
class Versions:
    """What decides a score beside the model and the frames; made without arguments, that of the process."""

    engine: int = ENGINE_VERSION
    torch: str = field(default_factory=torch_version)

    def __str__(self) -> str:
        return f"engine version {self.engine}, torch {self.torch}"


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """What all units of one run have in common; a kilobyte, so it travels with each of them."""

    run_id: str
    store: Store
    use: ModelUse
    landmark: Landmark | None
    versions: Versions = field(default_factory=Versions)


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker is and what it sees."""

    versions: Versions
    sees_store: bool
    has_model: bool


@dataclass(frozen=True, slots=True)
class RemoteUnit:
    """A scored unit with the seconds that it took by stage."""

    scored: ScoredUnit
    stage_seconds: Mapping[str, float]


class ModelDelivery(WorkerPlugin):
    """Carries a model package to workers that have no such file: once to each, also to those that come later."""

    def __init__(self, sha256: str, data: bytes) -> None:
        self.sha256 = sha256
        self.data = data

    def setup(self, worker: Worker) -> None:  # noqa: ARG002
        """Keep the package in the worker's process, to be written down when it is loaded."""
        _delivered[self.sha256] = self.data

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """Give the memory back."""
        _delivered.pop(self.sha256, None)


_delivered: dict[str, bytes] = {}
_models: OrderedDict[ModelUse, "_LoadedUse"] = OrderedDict()
_planners: OrderedDict[str, UnitPlanner] = OrderedDict()
# One unit is scored at a time: a batch on the network has all of the process's threads, and a second engine its memory.
_lock = threading.Lock()


def describe_worker(job: ClusterJob) -> WorkerFacts:
    """What this worker is, and whether it sees what the job needs."""
    return WorkerFacts(Versions(), _sees(job), _find_model(job.use) is not None)


def require_fit(address: str, versions: Versions, job: ClusterJob, *, sees_store: bool) -> None:
    """Raise `ClusterError` for a worker that would score otherwise, or other frames, than the run that asks it."""
    if versions != job.versions:
        raise ClusterError(
            f"Worker {address} would score otherwise than this run",
            found=versions,
            expected=job.versions,
            do=SAME_IMAGE,
        )
    if not sees_store:
        raise ClusterError(
            f"Worker {address} does not see the store {job.store.location}",
            found="no such folder there, or one with other contents",
            expected="the same store under the same path on every worker",
            do="Mount the same folder at this path on every machine of the cluster.",
        )


def resolve_on_worker(job: ClusterJob) -> RuntimeChoice:
    """What every worker is to run the network on, found out on this one."""
    from triage_assets.scoring.package import load_package
    from triage_assets.scoring.runtimes.choice import resolve_runtime

    permissions = job.use.permissions
    package = load_package(
        _model_path(job.use),
        allow_uncalibrated=permissions.allow_uncalibrated,
        allow_unsafe_load=permissions.allow_unsafe_load,
    )
    with _lock:
        return resolve_runtime(package, job.use.choice)


def score_on_worker(job: ClusterJob, load: LoadBacklog, unit: WorkUnit, *, model_was_sent: bool) -> RemoteUnit | None:
    """Score a unit of the backlog that ``load`` reads; None where that needs a model that is still to be sent.

    Workers come while a run goes on, so each looks for itself at every unit whether it can take part. Raises
    `ClusterError` where it cannot.
    """
    require_fit(get_worker().address, Versions(), job, sees_store=_sees(job))
    with _lock:
        if not model_was_sent and job.use not in _models and _find_model(job.use) is None:
            return None
        model = _model(job.use)
        planner = _planner(job, unit.organization_key, load)
        before = model.clock.seconds()
        scorer = UnitScorer(job.store, planner, job.use, model.loaded, model.clock)
        scored = scorer.score(unit, lambda _: None)
        after = model.clock.seconds()
    return RemoteUnit(
        ScoredUnit(unit, scored.rows, scored.waiting, scored.runtime, get_worker().address),
        {stage: after[stage] - before[stage] for stage in after},
    )


@dataclass(frozen=True, slots=True)
class _LoadedUse:
    loaded: LoadedModel
    clock: StageClock


def _model(use: ModelUse) -> _LoadedUse:
    if use not in _models:
        path = _model_path(use)
        while len(_models) >= _MODELS_IN_MEMORY:
            _, oldest = _models.popitem(last=False)
            oldest.loaded.engine.close()
        clock = StageClock()
        _models[use] = _LoadedUse(load_model(use.at(path), clock), clock)
    _models.move_to_end(use)
    return _models[use]


def _planner(job: ClusterJob, key: str, load: LoadBacklog) -> UnitPlanner:
    """The planner of this run: what an earlier run has read says nothing of the backlog now."""
    if job.run_id not in _planners:
        _planners.clear()
        _planners[job.run_id] = UnitPlanner({}, job.use.detector, kept_organizations=_ORGANIZATIONS_IN_MEMORY)
    planner = _planners[job.run_id]
    planner.add(key, load)
    return planner


def _sees(job: ClusterJob) -> bool:
    mark = job.landmark
    return mark is None or job.store.size(mark.path) == mark.size_bytes


def _model_path(use: ModelUse) -> Path:
    path = _find_model(use)
    if path is None:
        raise PackageError(
            f"Worker {get_worker().address} does not have the model {use.identity.name}",
            found=f"no file {use.identity.path} with SHA-256 {use.identity.sha256}",
            do="Run again: the package is sent to workers that lack it. Or put it in the image of all.",
        )
    return path


def _find_model(use: ModelUse) -> Path | None:
    """A file with the model's bytes: its own path where this machine has it, else the one that was delivered."""
    identity = use.identity
    if _hash(identity.path) == identity.sha256:
        return identity.path
    data = _delivered.get(identity.sha256)
    is_whole = data is not None and hashlib.sha256(data).hexdigest() == identity.sha256
    return _write_down(identity.sha256) if is_whole else None


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder that goes when the process ends."""
    return tempfile.TemporaryDirectory(prefix="triage-models-")


@cache
def _write_down(sha256: str) -> Path:
    path = Path(_folder().name) / f"{sha256}.zip"
    path.write_bytes(_delivered[sha256])
    return path


def _hash(path: Path) -> str | None:
    try:
        return model_fingerprint(path)
    except PackageError:
        return None
