"""One run over the backlog: the plans of its organizations in turn, and outcomes collected into parts.

What lives here: what a run holds in memory and when it writes. What does not: what a plan says (`planning`), what a
part looks like (`parts`), and what is made of them afterwards (`predictions`).
"""

import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping

import pyarrow as pa

from triage_assets.progress import Progress
from triage_assets.scoring.backends import TaskOutcome
from triage_assets.scoring.identity import ModelIdentity
from triage_assets.scoring.model_record import Permissions, write_record
from triage_assets.scoring.parts import PartsFolder, write_part
from triage_assets.scoring.planning import ScoringPlan, SequenceTask, plan_scoring
from triage_assets.scoring.records import INCOMPLETE

# The backlog (snapshot columns) and the live frames of one organization, read when they are needed.
LoadBacklog = Callable[[], tuple[pa.Table, pa.Table]]

_PART_SECONDS = 60.0


class BacklogPlans:
    """The plan of every organization, made once to count and again when its turn comes: one is in memory at a time.

    ``rows`` are the plans' rows by organization key, ``n_tasks`` counts the sequences to score.
    """

    def __init__(self, backlogs: Mapping[str, LoadBacklog], done: Container[str], detector: str) -> None:
        self._backlogs = backlogs
        self._done = done
        self._detector = detector
        self._waiting: list[str] = []
        self.rows: dict[str, pa.Table] = {}
        self.n_tasks = 0

    @property
    def n_backlog(self) -> int:
        """Sequences of the backlog."""
        return sum(map(len, self.rows.values()))

    def make(self) -> None:
        """Plan every organization."""
        for key in sorted(self._backlogs):
            plan = self._plan(key)
            if plan.n_tasks:
                self._waiting.append(key)
                self.n_tasks += plan.n_tasks

    def tasks(self) -> Iterator[SequenceTask]:
        """The sequences to score, one organization after the other."""
        for key in self._waiting:
            yield from self._plan(key).tasks()

    def _plan(self, key: str) -> ScoringPlan:
        backlog, frames = self._backlogs[key]()
        plan = plan_scoring(key, backlog, frames, self._done, detector=self._detector)
        self.rows[key] = plan.rows
        return plan


class ScoringRun:
    """Collects outcomes into parts and remembers what came of each sequence."""

    def __init__(
        self,
        folder: PartsFolder,
        identity: ModelIdentity,
        detector: str,
        permissions: Permissions,
        part_sequences: int,
    ) -> None:
        self._folder = folder
        self._identity = identity
        self._detector = detector
        self._permissions = permissions
        self._part_sequences = part_sequences
        self._part: list[TaskOutcome] = []
        self._started = 0.0
        self.parts: list[str] = []
        self.scored: Counter[str] = Counter()
        self.unreadable: dict[str, str] = {}

    def collect(self, outcomes: Iterable[TaskOutcome], n_waiting: int, progress: Progress) -> None:
        """Write a part whenever one is full or old enough, and the rest at the end."""
        for n_done, outcome in enumerate(outcomes, start=1):
            if outcome.dropped_reason == INCOMPLETE:
                self.unreadable[outcome.task.frames_fingerprint] = outcome.dropped_error or ""
            else:
                self._add(outcome)
            progress("sequences", n_done, n_waiting)
        self._flush()

    def _add(self, outcome: TaskOutcome) -> None:
        if outcome.score is not None:
            self.scored[outcome.task.organization_key] += 1
        if not self._part:
            self._started = time.monotonic()
        self._part.append(outcome)
        if len(self._part) >= self._part_sequences or time.monotonic() - self._started >= _PART_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if not self._part:
            return
        if not self.parts:
            # Before the first part, so that a run that is killed leaves no score without the options it was made with.
            write_record(self._folder, self._identity, self._detector, self._permissions)
        self.parts.append(write_part(self._folder, self._part, self._identity, self._detector))
        self._part = []
