"""Scoring one work unit: its sequences planned, read and scored, and what came of them as rows.

What lives here: what happens to one unit in whichever process has it, from loading the model on. What does not: which
units there are (`units`), who gets them (`backends`, `cluster`), and where rows are kept (`files.parts`).
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from triage_assets.errors import ScoringError, ShardError, StoreError
from triage_assets.scoring.failures import failing_alone
from triage_assets.scoring.files.tables import TaskOutcome, rows_to_table
from triage_assets.scoring.frames import BoxFinder, find_all_boxes, read_sequence
from triage_assets.scoring.model_use import ModelUse
from triage_assets.scoring.planning import SequenceTask
from triage_assets.scoring.records import DETECTOR_BUNDLED, SequenceInput
from triage_assets.scoring.stages import StageClock
from triage_assets.scoring.units import BacklogChanged, UnitPlanner, WorkUnit
from triage_assets.store import Store

if TYPE_CHECKING:
    from triage_assets.scoring.engine import ScoringEngine

logger = logging.getLogger(__name__)

Tick = Callable[[int], None]
"""Called with the number of sequences that are done since the last call."""


@dataclass(frozen=True, slots=True)
class ScoredUnit:
    """What came of one unit: ``rows`` (`PART_SCHEMA`) of what was scored or failed, and why the rest has to wait.

    ``waiting`` says by sequence id why its frames could not be read, for the next run to try again.
    """

    unit: WorkUnit
    rows: pa.Table
    waiting: Mapping[int, str]
    runtime: str | None
    worker: str = "local"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that is ready to score, and how it finds boxes where the annotator's are not used."""

    engine: "ScoringEngine"
    find_boxes: BoxFinder | None


def load_model(use: ModelUse, clock: StageClock) -> LoadedModel:
    """Load the package and make its engine, for a process that is there to score.

    Raises `PackageError` and `SettingsError`.
    """
    from triage_assets.scoring.engine import ScoringEngine
    from triage_assets.scoring.package import load_package
    from triage_assets.scoring.runtimes.device import claim_lanes

    unsafe = use.permissions.allow_unsafe_load
    package = load_package(
        use.identity.path, allow_uncalibrated=use.permissions.allow_uncalibrated, allow_unsafe_load=unsafe
    )
    find_boxes = None
    if use.detector == DETECTOR_BUNDLED:
        from triage_assets.scoring.detector import load_detector

        find_boxes = load_detector(package, allow_unsafe_load=unsafe)
    return LoadedModel(ScoringEngine(package, use.choice, lanes=claim_lanes(), clock=clock), find_boxes)


class UnitScorer:
    """Scores units with a loaded model; what it spends is counted by the engine's clock."""

    def __init__(
        self, store: Store, planner: UnitPlanner, use: ModelUse, model: LoadedModel, clock: StageClock
    ) -> None:
        self._store = store
        self._planner = planner
        self._use = use
        self._model = model
        self._clock = clock

    def score(self, unit: WorkUnit, tick: Tick) -> ScoredUnit:
        """Score a unit. A unit of a backlog that has changed since is left to wait as a whole."""
        runtime = self._model.engine.runtime
        waiting: dict[int, str] = {}
        try:
            tasks = self._planner.tasks(unit)
        except BacklogChanged:
            logger.info("%s: the backlog has changed meanwhile, they are left to the next run", unit)
            text = "the backlog changed while it was being scored: materialize predictions again"
            tick(len(unit))
            return ScoredUnit(unit, self._rows([]), dict.fromkeys(unit.sequence_ids, text), runtime)
        outcomes = []
        for outcome in self._outcomes(tasks, waiting):
            outcomes.append(outcome)
            tick(1)
        tick(len(waiting))
        return ScoredUnit(unit, self._rows(outcomes), waiting, runtime)

    def _rows(self, outcomes: list[TaskOutcome]) -> pa.Table:
        return rows_to_table(outcomes, self._use.identity, self._use.detector, self._model.engine.runtime)

    def _outcomes(self, tasks: tuple[SequenceTask, ...], waiting: dict[int, str]) -> Iterator[TaskOutcome]:
        under_way: deque[SequenceTask] = deque()
        failed: list[TaskOutcome] = []

        def inputs() -> Iterator[SequenceInput]:
            for task in tasks:
                try:
                    with failing_alone(f"sequence {task.sequence_id}", StoreError, ShardError):
                        sequence = self._read(task)
                except (StoreError, ShardError) as error:
                    logger.warning("Sequence %d cannot be read: %s", task.sequence_id, error)
                    waiting[task.sequence_id] = str(error)
                except ScoringError as error:
                    failed.append(TaskOutcome(task, None, str(error)))
                else:
                    under_way.append(task)
                    yield sequence

        for outcome in self._model.engine.score(inputs()):
            task = under_way.popleft()
            yield TaskOutcome(task, outcome.score, None if outcome.error is None else str(outcome.error))
        yield from failed

    def _read(self, task: SequenceTask) -> SequenceInput:
        with self._clock.time("read"):
            sequence = read_sequence(self._store, task)
        if self._model.find_boxes is None:
            return sequence
        with self._clock.time("detect"):
            return find_all_boxes(
                sequence, self._model.find_boxes, self._model.engine.package.settings.classifier.max_frames
            )


def fail_unit(planner: UnitPlanner, unit: WorkUnit, use: ModelUse, error: str) -> ScoredUnit:
    """The unit with every sequence dropped for the same reason, which lies outside this process."""
    try:
        outcomes = [TaskOutcome(task, None, error) for task in planner.tasks(unit)]
    except BacklogChanged:
        outcomes = []
    rows = rows_to_table(outcomes, use.identity, use.detector, None)
    return ScoredUnit(unit, rows, {} if outcomes else dict.fromkeys(unit.sequence_ids, error), None)
