"""A backend that records what it is asked to score and answers without a network."""

from collections.abc import Iterable, Iterator, Mapping

from triage_assets.scoring.files.tables import TaskOutcome, rows_to_table
from triage_assets.scoring.model_use import ModelUse
from triage_assets.scoring.planning import SequenceTask
from triage_assets.scoring.records import (
    Preprocessing,
    ScoredTube,
    ScoringBox,
    SequenceDetails,
    SequenceScore,
    TubeEntry,
    Window,
)
from triage_assets.scoring.stages import StageClock
from triage_assets.scoring.unit_scorer import ScoredUnit, Tick
from triage_assets.scoring.units import LoadBacklog, UnitPlanner, WorkUnit

RUNTIME = "made up"


def made_up_score(task: SequenceTask) -> SequenceScore:
    entries = tuple(TubeEntry(slot, ScoringBox(0.5, 0.5, 0.1, 0.1, 0.5)) for slot in range(len(task.frames)))
    probability = (task.sequence_id % 10) / 10
    tube = ScoredTube(0, entries, 2 * probability - 1, probability, None, Window(0.5, 0.5, 0.1, 0.1))
    details = SequenceDetails(Preprocessing(len(task.frames), 0, ()), 1, 0, (tube,), "logistic", 0.42, None)
    return SequenceScore(probability >= 0.42, None, len(task.frames), 0, details)


class RecordingBackend:
    """Scores everything but the sequences in ``failing``; those that ``wait`` have frames that cannot be read."""

    def __init__(self, failing: Iterable[int] = (), *, waiting: Iterable[int] = (), last_first: bool = False) -> None:
        self.asked: list[int] = []
        self.units: list[WorkUnit] = []
        self.failing = set(failing)
        self.waiting = set(waiting)
        self.last_first = last_first

    def meet(self, use: ModelUse, backlogs: Mapping[str, LoadBacklog]) -> None:
        """Take what a backend of the project's own is made with."""
        self.use = use
        self.planner = UnitPlanner(backlogs, use.detector)

    def score(self, units: Iterable[WorkUnit], clock: StageClock, tick: Tick) -> Iterator[ScoredUnit]:
        for unit in reversed(list(units)) if self.last_first else units:
            self.units.append(unit)
            outcomes = []
            for task in self.planner.tasks(unit):
                self.asked.append(task.sequence_id)
                if task.sequence_id in self.failing:
                    outcomes.append(TaskOutcome(task, None, "it failed because of the test"))
                elif task.sequence_id not in self.waiting:
                    outcomes.append(TaskOutcome(task, made_up_score(task)))
            rows = rows_to_table(outcomes, self.use.identity, self.use.detector, RUNTIME)
            waiting = {which: "it waits because of the test" for which in unit.sequence_ids if which in self.waiting}
            tick(len(unit))
            yield ScoredUnit(unit, rows, waiting, RUNTIME)

    def close(self) -> None: ...
