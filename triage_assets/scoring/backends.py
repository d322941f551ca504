"""Where scoring runs: work units in, scored units out, whatever does the work in between.

What lives here: the interface, and its implementation in this process. What does not: other machines (`cluster`), what
happens to one unit (`unit_scorer`), what is to be scored (`planning`) and where results are kept (`predictions`).
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from triage_assets.scoring.model_use import ModelUse
from triage_assets.scoring.stages import StageClock
from triage_assets.scoring.unit_scorer import LoadedModel, ScoredUnit, Tick, UnitScorer, load_model
from triage_assets.scoring.units import UnitPlanner, WorkUnit
from triage_assets.store import Store


class ScoringBackend(Protocol):
    """Something that scores units and gives each back with what came of it, in any order.

    What it gives for a unit is decided by the unit alone, wherever and beside whatever else it is scored.
    """

    def score(self, units: Iterable[WorkUnit], clock: StageClock, tick: Tick) -> Iterator[ScoredUnit]:
        """Score the units, each given back as soon as it is done; ``clock`` and ``tick`` count what that took."""

    def close(self) -> None:
        """Give back what it holds: threads, connections."""


class LocalBackend:
    """Scores in this process. The model is loaded with the first unit, and not at all without one.

    Within a unit, frames are decoded beside the network's work. Nothing of the next unit is begun before a unit is
    given back, so that what a unit's scores depend on ends with it.
    """

    def __init__(self, store: Store, planner: UnitPlanner, use: ModelUse) -> None:
        self._store = store
        self._planner = planner
        self._use = use
        self._model: LoadedModel | None = None

    def score(self, units: Iterable[WorkUnit], clock: StageClock, tick: Tick) -> Iterator[ScoredUnit]:
        """Score the units in order."""
        for unit in units:
            if self._model is None:
                self._model = load_model(self._use, clock)
            yield UnitScorer(self._store, self._planner, self._use, self._model, clock).score(unit, tick)

    def close(self) -> None:
        """End the engine's threads."""
        if self._model is not None:
            self._model.engine.close()
            self._model = None
