"""A model's predictions of the whole backlog: score what is missing, keep what there is, and lay out the result.

What lives here: one run over all organizations as a whole and its report, and reading predictions back. What does not:
what is missing (`planning`), how it is scored (`backends`), how a run proceeds (`runs`), and the form of what it writes
(`files`). Nothing here imports torch, and nothing loads it unless a sequence is to be scored.
"""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.errors import StoreError
from triage_assets.progress import Progress, no_progress
from triage_assets.scoring.backends import LocalBackend, ScoringBackend
from triage_assets.scoring.files.current import CURRENT, encode_current, lay_out, read_current
from triage_assets.scoring.files.merging import merge_parts
from triage_assets.scoring.files.model_record import read_permissions, read_record, require_permissions, write_record
from triage_assets.scoring.files.parts import (
    PartsFolder,
    PartsIndex,
    index_version,
    load_index,
    read_part,
    write_if_changed,
)
from triage_assets.scoring.files.tables import DETAIL_COLUMNS, row_to_details
from triage_assets.scoring.identity import ModelIdentity, predictions_name, read_identity
from triage_assets.scoring.model_use import ModelUse, Permissions
from triage_assets.scoring.records import AUTO, DETECTOR_ANNOTATOR, TORCH, RuntimeChoice
from triage_assets.scoring.runs import BacklogPlans, ScoringRun
from triage_assets.scoring.stages import StageClock
from triage_assets.scoring.units import UNIT_SEQUENCES, LoadBacklog, UnitPlanner
from triage_assets.store import Store

logger = logging.getLogger(__name__)

# Measuring runtimes takes seconds, which fewer sequences than these hardly win back, and their scores are then the same
# to the last digit on any machine of the same kind.
_WORTH_MEASURING = 500
_SETTLINGS = 20
# A row's details are some hundred objects.
_ROWS_AT_ONCE = 100


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
    ``parts_written`` are the files that this run has added and left. ``runtime`` says what the network ran on, None
    where nothing was scored; ``seconds`` is how long scoring took, and ``stage_seconds`` what it consisted of, added up
    over all threads of all ``n_workers`` processes.
    """

    name: str
    identity: ModelIdentity
    detector: str
    organizations: tuple[OrganizationScoring, ...]
    parts_written: tuple[str, ...]
    current: pa.Table
    data_version: str
    changed: bool
    runtime: str | None
    seconds: float
    stage_seconds: Mapping[str, float]
    n_workers: int

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
    choice: RuntimeChoice | None = None,
    cluster: str | None = None,
    backend: ScoringBackend | None = None,
    progress: Progress = no_progress,
    retry_failed: bool = False,
    allow_uncalibrated: bool = False,
    allow_unsafe_load: bool = False,
    unit_sequences: int = UNIT_SEQUENCES,
) -> ScoringReport:
    """Score every sequence of the backlog that this model has not scored with these frames and this detector.

    ``backlogs`` gives, by organization key, a function that reads the backlog and the frames, and that other processes
    can be given where ``cluster`` is the address of a Dask scheduler; one organization is in memory at a time. What
    failed before stays failed unless ``retry_failed``. Raises `PackageError` for a model that is refused and for scores
    that were made with an ``allow_`` option that is not given now, `SettingsError` for what the network cannot run on,
    `ClusterError` for a cluster that cannot be used, `ScoringError` for a model that fails in a worker, and
    `StoreError` for predictions that cannot be read or written; units that are finished by then are kept.
    """
    granted = Permissions(allow_uncalibrated, allow_unsafe_load)
    asked = choice or RuntimeChoice()
    use = ModelUse(read_identity(model), detector, asked, granted)
    folder = PartsFolder(store, predictions_name(use.identity, detector, use.choice.precision))
    recorded = read_permissions(folder)
    require_permissions(use.identity, recorded, granted)
    store.sweep_unfinished(folder.location)
    index = load_index(folder)
    before = folder.part_sizes().keys()
    plans = BacklogPlans(backlogs, _done(index.rows, retry_failed=retry_failed), detector, unit_sequences)
    use = use.on(_settle(asked, plans.n_tasks))
    clock = StageClock()
    run = ScoringRun(folder, use, plans.n_tasks, clock, progress)
    started = time.monotonic()
    if plans.units:
        logger.info("%s: %d of %d sequences to score", folder.name, plans.n_tasks, plans.n_backlog)
        with closing(backend or _open_backend(store, backlogs, use, cluster)) as scorer:
            run.collect(scorer.score(plans.units, clock, run.tick))
        index = load_index(folder)
    seconds = time.monotonic() - started if plans.units else 0.0
    current, data, changed = _settle_files(folder, index, use, plans, run)
    write_record(folder, use if run.n_parts else use.permitting(recorded))
    return ScoringReport(
        name=folder.name,
        identity=use.identity,
        detector=detector,
        organizations=tuple(_count(key, current, run.scored) for key in sorted(backlogs)),
        parts_written=tuple(sorted(folder.part_sizes().keys() - before)),
        current=current,
        data_version=hashlib.sha256(data).hexdigest(),
        changed=changed,
        runtime=", ".join(sorted(run.runtimes)) or None,
        seconds=seconds,
        stage_seconds=clock.seconds(),
        n_workers=len(run.workers),
    )


def _settle_files(
    folder: PartsFolder, index: PartsIndex, use: ModelUse, plans: BacklogPlans, run: ScoringRun
) -> tuple[pa.Table, bytes, bool]:
    """Merge parts and lay out the result: the flat table, its bytes, and whether they are others than before.

    Where another run of this model does the same at the same time, the table is made of the newer index.
    """
    changed = False
    for _ in range(_SETTLINGS):
        try:
            merged = merge_parts(folder, index, use.identity, use.detector)
        except StoreError:
            if index_version(folder) == index.version:
                raise
        else:
            current = lay_out(plans.rows, merged.index.rows, run.waiting, use.detector)
            data = encode_current(current, use.identity, use.detector)
            changed = write_if_changed(folder, CURRENT, data) or changed
            for name in merged.replaced:
                folder.store.delete(folder.path(name))
            is_latest = not changed or index_version(folder) == merged.index.version
            if is_latest:
                return current, data, changed
        index = load_index(folder)
    raise StoreError(f"{folder.location} changes again and again while it is merged", do="Run again in a minute.")


def _settle(choice: RuntimeChoice, n_tasks: int) -> RuntimeChoice:
    """Leave the runtime to be measured only where there is enough to do."""
    is_small = choice.runtime == AUTO and n_tasks < _WORTH_MEASURING
    return replace(choice, runtime=TORCH) if is_small else choice


def _open_backend(
    store: Store, backlogs: Mapping[str, LoadBacklog], use: ModelUse, cluster: str | None
) -> ScoringBackend:
    if cluster is None:
        return LocalBackend(store, UnitPlanner(backlogs, use.detector), use)
    from triage_assets.scoring.cluster.backend import ClusterBackend

    return ClusterBackend(store, backlogs, use, cluster)


def load_current(store: Store, name: str) -> pa.Table | None:
    """The flat table that the last run of a model laid out (`CURRENT_SCHEMA`), None where there was none.

    Raises `StoreError` where it is damaged or of an older version, `NewerFormat` where a newer version wrote it.
    """
    return read_current(PartsFolder(store, name))


def load_model_record(store: Store, name: str) -> dict[str, Any] | None:
    """Where a model's predictions come from: version, hash, engine, detector, options, provenance and configuration.

    None where there is no record. Raises `StoreError` where it is damaged.
    """
    return read_record(PartsFolder(store, name))


def read_details(store: Store, name: str, sequence_id: int) -> dict[str, Any] | None:
    """The details behind the present score of one sequence, None where it has no score."""
    folder = PartsFolder(store, name)
    try:
        return _read_details(folder, sequence_id)
    except StoreError:
        # A run may have merged the part into another since the table that names it was read; it writes the new table
        # before it deletes the part.
        return _read_details(folder, sequence_id)


def iter_details(store: Store, name: str, sequence_ids: Collection[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The details behind the present score of each of these sequences that has one; one part is in memory at a time."""
    folder, left, is_again = PartsFolder(store, name), set(sequence_ids), False
    while True:
        try:
            for sequence_id, details in _details_by_part(folder, frozenset(left)):
                left.discard(sequence_id)
                yield sequence_id, details
            return
        except StoreError:  # as in `read_details`
            if is_again:
                raise
            is_again = True


def _details_by_part(folder: PartsFolder, sequence_ids: Collection[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    current = read_current(folder)
    if current is None:
        return
    is_wanted = pc.is_in(current["sequence_id"], pa.array(sequence_ids, pa.int64()))
    wanted = current.filter(pc.and_(is_wanted, pc.is_valid(current["triage_score"])))
    for part in sorted(wanted["part"].unique().to_pylist()):
        mine = wanted.filter(pc.equal(wanted["part"], part))
        ids = dict(zip(mine["frames_fingerprint"].to_pylist(), mine["sequence_id"].to_pylist(), strict=True))
        rows = read_part(folder, part, ["frames_fingerprint", *DETAIL_COLUMNS])
        rows = rows.filter(pc.is_in(rows["frames_fingerprint"], mine["frames_fingerprint"].combine_chunks()))
        for batch in rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
            for row in batch.to_pylist():
                yield ids[row["frames_fingerprint"]], row_to_details(row)


def _read_details(folder: PartsFolder, sequence_id: int) -> dict[str, Any] | None:
    found = _find_row(folder, sequence_id)
    if found is None:
        return None
    rows = read_part(folder, found["part"], ["frames_fingerprint", *DETAIL_COLUMNS], sequence_id=sequence_id)
    (row,) = rows.filter(pc.equal(rows["frames_fingerprint"], found["frames_fingerprint"])).slice(0, 1).to_pylist()
    return row_to_details(row)


def _find_row(folder: PartsFolder, sequence_id: int) -> dict[str, Any] | None:
    current = read_current(folder)
    if current is None:
        return None
    mine = current.filter(pc.equal(current["sequence_id"], sequence_id)).to_pylist()
    return mine[0] if mine and mine[0]["triage_score"] is not None else None


def _done(rows: pa.Table, *, retry_failed: bool) -> frozenset[str]:
    done = rows.filter(pc.is_null(rows["dropped_reason"])) if retry_failed else rows
    return frozenset(done["frames_fingerprint"].to_pylist())


def _count(key: str, current: pa.Table, scored: Mapping[str, int]) -> OrganizationScoring:
    mine = current.filter(pc.equal(current["organization_key"], key))
    reasons = Counter(reason for reason in mine["dropped_reason"].to_pylist() if reason is not None)
    n_with_score = len(mine) - mine["triage_score"].null_count
    return OrganizationScoring(key, len(mine), scored.get(key, 0), n_with_score - scored.get(key, 0), dict(reasons))
