"""A model's predictions of the whole backlog: score what is missing, keep what there is, and lay out the result.

What lives here: one run over all organizations, the flat table of the present backlog, and reading predictions back.
What does not: what is missing (`planning`), how it is scored (`backends`), and the files' own form (`parts`, `tables`).
Nothing here imports torch, and nothing loads it unless a sequence is to be scored.
"""

import hashlib
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.progress import Progress, no_progress
from triage_assets.scoring.backends import LocalBackend, ScoringBackend, TaskOutcome
from triage_assets.scoring.identity import ModelIdentity, predictions_name, read_config, read_identity, read_provenance
from triage_assets.scoring.parts import PartsFolder, load_index, read_ipc, read_part, stamp, to_ipc, write_part
from triage_assets.scoring.planning import ScoringPlan, SequenceTask, plan_scoring
from triage_assets.scoring.records import DETECTOR_ANNOTATOR, INCOMPLETE
from triage_assets.scoring.tables import DETAIL_COLUMNS, KEY_PREFIX, SCORE_FIELDS, row_to_details
from triage_assets.store import Store

logger = logging.getLogger(__name__)

# The backlog (snapshot columns) and the live frames of one organization, read when they are needed.
LoadBacklog = Callable[[], tuple[pa.Table, pa.Table]]

CURRENT = "current.arrow"
CURRENT_SCHEMA = pa.schema(
    [
        ("sequence_id", pa.int64()),
        ("organization_key", pa.string()),
        ("key", pa.string()),
        ("frames_fingerprint", pa.string()),
        *SCORE_FIELDS,
        ("n_frames_missing", pa.int32()),
        ("detector", pa.string()),
        ("part", pa.string()),
    ]
)
# A part is written when it has this many sequences or is this old, so a killed run loses no more than that.
PART_SEQUENCES = 500
_PART_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class OrganizationScoring:
    """One organization's part of a run; ``n_dropped`` is by reason."""

    organization_key: str
    n_backlog: int
    n_scored: int
    n_reused: int
    n_dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ScoringReport:
    """What one run did. Backlog = scored in this run + reused from earlier runs + dropped.

    ``current`` is the flat table of the backlog (`CURRENT_SCHEMA`), ``data_version`` the hash of its file.
    """

    name: str
    identity: ModelIdentity
    detector: str
    organizations: tuple[OrganizationScoring, ...]
    parts_written: tuple[str, ...]
    current: pa.Table
    data_version: str
    changed: bool

    @property
    def n_backlog(self) -> int:
        """Sequences of the backlog."""
        return sum(row.n_backlog for row in self.organizations)

    @property
    def n_scored(self) -> int:
        """Sequences that this run gave a score."""
        return sum(row.n_scored for row in self.organizations)

    @property
    def n_reused(self) -> int:
        """Sequences whose score an earlier run had found."""
        return sum(row.n_reused for row in self.organizations)

    @property
    def n_dropped(self) -> dict[str, int]:
        """Sequences without a score, by reason."""
        total: Counter[str] = Counter()
        for row in self.organizations:
            total.update(row.n_dropped)
        return dict(sorted(total.items()))


def score_backlog(
    store: Store,
    model: Path,
    backlogs: Mapping[str, LoadBacklog],
    *,
    detector: str = DETECTOR_ANNOTATOR,
    backend: ScoringBackend | None = None,
    progress: Progress = no_progress,
    retry_failed: bool = False,
    allow_uncalibrated: bool = False,
    allow_unsafe_load: bool = False,
    device: str = "cpu",
    part_sequences: int = PART_SEQUENCES,
) -> ScoringReport:
    """Score every sequence of the backlog that this model has not scored with these frames and this detector.

    ``backlogs`` gives, by organization key, a function that reads the backlog and the frames; one organization is in
    memory at a time. What failed before stays failed unless ``retry_failed``. Raises `PackageError` for a model that is
    refused, and `StoreError` for predictions that cannot be read or written; parts that are finished by then are kept.
    """
    identity = read_identity(model)
    name = predictions_name(identity, detector)
    folder = PartsFolder(store, name)
    store.sweep(folder.location, _Everything)
    index = load_index(folder)
    done = set(_done(index, retry_failed=retry_failed).to_pylist())

    def plan(key: str) -> ScoringPlan:
        backlog, frames = backlogs[key]()
        return plan_scoring(key, backlog, frames, done, detector=detector)

    rows: dict[str, pa.Table] = {}
    waiting: list[str] = []
    n_waiting = 0
    for key in sorted(backlogs):
        planned = plan(key)
        rows[key] = planned.rows
        if planned.n_tasks:
            waiting.append(key)
            n_waiting += planned.n_tasks

    run = _Run(folder, identity, detector, part_sequences)
    if waiting:
        logger.info("%s: %d of %d sequences to score", name, n_waiting, sum(map(len, rows.values())))
        own = backend or LocalBackend(
            store,
            model,
            detector=detector,
            allow_uncalibrated=allow_uncalibrated,
            allow_unsafe_load=allow_unsafe_load,
            device=device,
        )

        def tasks() -> Iterator[SequenceTask]:
            for key in waiting:
                planned = plan(key)
                rows[key] = planned.rows
                yield from planned.tasks()

        try:
            run.collect(own.score(tasks()), n_waiting, progress)
        finally:
            if isinstance(own, LocalBackend) and backend is None:
                own.close()
        index = load_index(folder)

    current = _lay_out(rows, index, run.unreadable, detector)
    data = to_ipc(current.replace_schema_metadata(stamp(identity, detector)))
    changed = _write_if_changed(folder, CURRENT, data)
    _write_if_changed(folder, "model.json", _model_json(identity, name, detector))
    return ScoringReport(
        name=name,
        identity=identity,
        detector=detector,
        organizations=tuple(_count(key, current, run.scored) for key in sorted(backlogs)),
        parts_written=tuple(run.parts),
        current=current,
        data_version=hashlib.sha256(data).hexdigest(),
        changed=changed,
    )


def load_current(store: Store, name: str) -> pa.Table | None:
    """The flat table that the last run of a model laid out (`CURRENT_SCHEMA`), None where there was none."""
    return read_ipc(PartsFolder(store, name), CURRENT)


def load_model_record(store: Store, name: str) -> dict[str, Any] | None:
    """Where a model's predictions come from: version, hash, provenance, configuration and detector."""
    data = store.read_or_none(PartsFolder(store, name).path("model.json"))
    if data is None:
        return None
    content: dict[str, Any] = json.loads(data)
    return content


def read_details(store: Store, name: str, sequence_id: int) -> dict[str, Any] | None:
    """The details behind the present score of one sequence, None where it has no score."""
    folder = PartsFolder(store, name)
    current = load_current(store, name)
    if current is None:
        return None
    mine = current.filter(pc.equal(current["sequence_id"], sequence_id)).to_pylist()
    if not mine or mine[0]["triage_score"] is None:
        return None
    found = read_part(folder, mine[0]["part"], ["frames_fingerprint", *DETAIL_COLUMNS], sequence_id=sequence_id)
    rows = [row for row in found.to_pylist() if row["frames_fingerprint"] == mine[0]["frames_fingerprint"]]
    return row_to_details(rows[0])


class _Run:
    """Collects outcomes into parts and remembers what came of each sequence."""

    def __init__(self, folder: PartsFolder, identity: ModelIdentity, detector: str, part_sequences: int) -> None:
        self._folder = folder
        self._identity = identity
        self._detector = detector
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
        if self._part:
            self.parts.append(write_part(self._folder, self._part, self._identity, self._detector))
            self._part = []


class _Everything:
    """Every finished object, so that a sweep removes unfinished ones only: another run may be adding parts."""

    def __contains__(self, path: object) -> bool:
        return True


def _done(index: pa.Table, *, retry_failed: bool) -> pa.Array:
    done = index.filter(pc.is_null(index["dropped_reason"])) if retry_failed else index
    return done["frames_fingerprint"]


def _lay_out(rows: Mapping[str, pa.Table], index: pa.Table, unreadable: Mapping[str, str], detector: str) -> pa.Table:
    """The backlog's plan beside what is known of each fingerprint, ordered by organization and sequence."""
    tables = []
    for key in sorted(rows):
        plan = rows[key].sort_by("sequence_id")
        match = pc.index_in(plan["frames_fingerprint"], value_set=index["frames_fingerprint"])
        known = index.take(match)
        open_errors = [
            (unreadable.get(fingerprint) or "it was not scored yet: materialize predictions again")
            if fingerprint is not None and row is None
            else None
            for fingerprint, row in zip(plan["frames_fingerprint"].to_pylist(), match.to_pylist(), strict=True)
        ]
        open_reasons = [None if error is None else INCOMPLETE for error in open_errors]
        columns = {
            **{name: known[name] for name in known.column_names},
            "sequence_id": plan["sequence_id"],
            "organization_key": pa.array([key] * len(plan), pa.string()),
            "key": pc.binary_join_element_wise(KEY_PREFIX, plan["sequence_id"].cast(pa.string()), ""),
            "frames_fingerprint": plan["frames_fingerprint"],
            "n_frames": pc.coalesce(known["n_frames"], plan["n_frames"]),
            "n_frames_unusable": pc.coalesce(known["n_frames_unusable"], plan["n_frames_unusable"]),
            "n_frames_missing": plan["n_frames_missing"],
            "dropped_reason": pc.coalesce(
                plan["dropped_reason"], known["dropped_reason"], pa.array(open_reasons, pa.string())
            ),
            "dropped_error": pc.coalesce(
                plan["dropped_error"], known["dropped_error"], pa.array(open_errors, pa.string())
            ),
            "detector": pa.array([detector] * len(plan), pa.string()),
        }
        tables.append(pa.table([columns[field.name] for field in CURRENT_SCHEMA], schema=CURRENT_SCHEMA))
    return pa.concat_tables([CURRENT_SCHEMA.empty_table(), *tables]).combine_chunks()


def _count(key: str, current: pa.Table, scored: Mapping[str, int]) -> OrganizationScoring:
    mine = current.filter(pc.equal(current["organization_key"], key))
    reasons = Counter(reason for reason in mine["dropped_reason"].to_pylist() if reason is not None)
    n_with_score = len(mine) - mine["triage_score"].null_count
    return OrganizationScoring(key, len(mine), scored.get(key, 0), n_with_score - scored.get(key, 0), dict(reasons))


def _model_json(identity: ModelIdentity, name: str, detector: str) -> bytes:
    content = {
        "format_version": 1,
        "name": name,
        "model_version": identity.version,
        "model_sha256": identity.sha256,
        "variant": identity.variant,
        "detector": detector,
        "provenance": read_provenance(identity.path),
        "config": read_config(identity.path),
    }
    # YAML knows dates, JSON does not: they become text.
    return json.dumps(content, indent=1, sort_keys=True, default=str, ensure_ascii=False).encode() + b"\n"


def _write_if_changed(folder: PartsFolder, file: str, data: bytes) -> bool:
    if folder.store.read_or_none(folder.path(file)) == data:
        return False
    folder.store.write(folder.path(file), data)
    return True
