"""One run over the backlog: the plans of its organizations cut into units, and scored units committed as they come.

What lives here: what a run holds in memory and when it writes. What does not: what a plan says (`planning`), what a
part looks like (`files.parts`), and what is made of them afterwards (`predictions`).
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping

import pyarrow as pa

from triage_assets.progress import Progress
from triage_assets.scoring.files.model_record import write_record
from triage_assets.scoring.files.parts import PartsFolder, write_part
from triage_assets.scoring.model_use import ModelUse
from triage_assets.scoring.planning import plan_scoring
from triage_assets.scoring.stages import StageClock, describe_shares
from triage_assets.scoring.unit_scorer import ScoredUnit
from triage_assets.scoring.units import LoadBacklog, WorkUnit, cut_units


class BacklogPlans:
    """The plans of all organizations, of whose tables one at a time is in memory.

    ``rows`` are the plans' rows by organization key, ``units`` the work in them.
    """

    def __init__(
        self, backlogs: Mapping[str, LoadBacklog], done: Container[str], detector: str, unit_sequences: int
    ) -> None:
        self.rows: dict[str, pa.Table] = {}
        self.units: list[WorkUnit] = []
        for key in sorted(backlogs):
            plan = plan_scoring(key, *backlogs[key](), done, detector=detector)
            self.rows[key] = plan.rows
            self.units += cut_units(plan, unit_sequences)

    @property
    def n_backlog(self) -> int:
        """Sequences of the backlog."""
        return sum(map(len, self.rows.values()))

    @property
    def n_tasks(self) -> int:
        """Sequences to score."""
        return sum(map(len, self.units))


class ScoringRun:
    """Commits scored units, tells how far it is, and remembers what came of each sequence."""

    def __init__(self, folder: PartsFolder, use: ModelUse, n_tasks: int, clock: StageClock, progress: Progress) -> None:
        self._folder = folder
        self._use = use
        self._n_tasks = n_tasks
        self._n_done = 0
        self._clock = clock
        self._progress = progress
        self.n_parts = 0
        self.scored: Counter[str] = Counter()
        self.waiting: dict[str, dict[int, str]] = defaultdict(dict)
        self.runtimes: set[str] = set()
        self.workers: set[str] = set()

    def tick(self, n_sequences: int) -> None:
        """Count sequences as done."""
        self._n_done += n_sequences
        self._progress("sequences", self._n_done, self._n_tasks, describe_shares(self._clock.seconds()))

    def collect(self, units: Iterable[ScoredUnit]) -> None:
        """Commit each unit before the next is asked for."""
        self.tick(0)
        for scored in units:
            key = scored.unit.organization_key
            self.scored[key] += len(scored.rows) - scored.rows["triage_score"].null_count
            self.waiting[key].update(scored.waiting)
            if len(scored.rows):
                self._commit(scored.rows)
            if scored.runtime is not None:
                self.runtimes.add(scored.runtime)
                self.workers.add(scored.worker)

    def _commit(self, rows: pa.Table) -> None:
        with self._clock.time("write"):
            if not self.n_parts:
                # Before the first part: a run that is killed leaves no score without the options it was made with.
                write_record(self._folder, self._use)
            write_part(self._folder, rows, self._use.identity, self._use.detector)
            self.n_parts += 1
