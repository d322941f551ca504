"""Work units: what scoring is divided into, whoever does it, and how a unit's description becomes sequences again.

What lives here: cutting a plan into units, and planning just the sequences of one unit out of its organization's
tables. What does not: reading frames (`frames`), scoring (`unit_scorer`), and where either runs (`backends`).
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triage_assets.scoring.planning import (
    BACKLOG_COLUMNS,
    FRAME_COLUMNS,
    ScoringPlan,
    SequenceTask,
    plan_scoring,
)

# The backlog (snapshot columns) and the live frames of one organization, read when they are needed.
LoadBacklog = Callable[[], tuple[pa.Table, pa.Table]]

# A run that is killed loses the unit in hand: at 2.3 CPU seconds a sequence, a minute of two cores. Committing a unit
# costs about 0.01 s (docs/scale.md), so larger units would save nothing; smaller ones would make batches less full.
UNIT_SEQUENCES = 64


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """Some sequences of one organization whose first frames are in one shard, ordered by id.

    ``digest`` is of the frames' fingerprints of all of them: who scores the unit can tell that it sees the same
    backlog as who cut it.
    """

    organization_key: str
    shard: str
    sequence_ids: tuple[int, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.sequence_ids)

    def __str__(self) -> str:
        first, last = self.sequence_ids[0], self.sequence_ids[-1]
        return f"{len(self)} sequences ({first} to {last}) of {self.organization_key}, shard {self.shard}"


class BacklogChanged(Exception):  # noqa: N818  # no fault, and never shown: the unit waits for the next run
    """The unit's sequences or their frames are no longer those that it was cut from."""


def cut_units(plan: ScoringPlan, limit: int = UNIT_SEQUENCES) -> Iterator[WorkUnit]:
    """The plan's work in units of at most ``limit`` sequences, in order of shard and sequence.

    A later run over what is left cuts the same units again where whole units were finished, since all but the last
    one of a shard are full.
    """
    for shard, group in groupby(plan.waiting(), key=lambda waiting: waiting.shard):
        members = list(group)
        for start in range(0, len(members), limit):
            chosen = members[start : start + limit]
            yield WorkUnit(
                plan.organization_key,
                shard,
                tuple(waiting.sequence_id for waiting in chosen),
                digest_of(waiting.frames_fingerprint for waiting in chosen),
            )


def digest_of(fingerprints: Iterable[str]) -> str:
    """What a unit says of its sequences' fingerprints, in their order."""
    return hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()


class UnitPlanner:
    """Makes units into tasks, with the tables of the last few organizations in memory."""

    def __init__(self, backlogs: Mapping[str, LoadBacklog], detector: str, *, kept_organizations: int = 1) -> None:
        self._backlogs = dict(backlogs)
        self._detector = detector
        self._kept_organizations = kept_organizations
        self._tables: OrderedDict[str, _OrganizationTables] = OrderedDict()

    def add(self, organization_key: str, load: LoadBacklog) -> None:
        """Get to know one more organization."""
        self._backlogs[organization_key] = load

    def tasks(self, unit: WorkUnit) -> tuple[SequenceTask, ...]:
        """The unit's sequences in its order. Raises `BacklogChanged`, and what reading the tables raises."""
        tables = self._organization(unit.organization_key)
        plan = plan_scoring(unit.organization_key, *tables.of(unit.sequence_ids), frozenset(), detector=self._detector)
        tasks = tuple(plan.tasks())
        is_same = tuple(task.sequence_id for task in tasks) == unit.sequence_ids
        if not is_same or digest_of(task.frames_fingerprint for task in tasks) != unit.digest:
            raise BacklogChanged(str(unit))
        return tasks

    def _organization(self, key: str) -> "_OrganizationTables":
        if key not in self._tables:
            while len(self._tables) >= self._kept_organizations:
                self._tables.popitem(last=False)
            self._tables[key] = _OrganizationTables(*self._backlogs[key]())
        self._tables.move_to_end(key)
        return self._tables[key]


class _OrganizationTables:
    """One organization's backlog and frames, each with its rows findable by sequence."""

    def __init__(self, backlog: pa.Table, frames: pa.Table) -> None:
        # Rows are taken out of one chunk in the time of those rows, out of many in the time of the whole column.
        self._backlog = backlog.select(list(BACKLOG_COLUMNS)).combine_chunks()
        self._frames = frames.select(list(FRAME_COLUMNS)).combine_chunks()
        self._backlog_rows = _RowsById(self._backlog["sequence_id"].to_numpy())
        self._frame_rows = _RowsById(self._frames["sequence_id"].to_numpy())

    def of(self, sequence_ids: tuple[int, ...]) -> tuple[pa.Table, pa.Table]:
        """The backlog and the frames of these sequences alone."""
        wanted = np.asarray(sequence_ids, np.int64)
        backlog = self._backlog.take(pa.array(self._backlog_rows.find(wanted)))
        return backlog, self._frames.take(pa.array(self._frame_rows.find(wanted)))


class _RowsById:
    def __init__(self, ids: NDArray[np.int64]) -> None:
        self._order = np.argsort(ids, kind="stable")
        self._ids = ids[self._order]

    def find(self, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows that have one of these ids, in order of row."""
        starts = np.searchsorted(self._ids, wanted, side="left").tolist()
        ends = np.searchsorted(self._ids, wanted, side="right").tolist()
        rows = [self._order[start:end] for start, end in zip(starts, ends, strict=True)]
        return np.sort(np.concatenate([np.empty(0, np.int64), *rows]))
