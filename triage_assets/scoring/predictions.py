"""A model's predictions of the whole backlog: score what is missing, keep what there is, and lay out the result.

What lives here: one run over all organizations as a whole and its report, and reading predictions back. What does not:
what is missing (`planning`), how it is scored (`backends`), how a run proceeds (`runs`), and the files' own form
(`parts`, `tables`, `current`, `model_record`). Nothing here imports torch, and nothing loads it unless a sequence is to
be scored.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.progress import Progress, no_progress
from triage_assets.scoring.backends import LocalBackend, ScoringBackend
from triage_assets.scoring.current import CURRENT, encode_current, lay_out, read_current
from triage_assets.scoring.identity import ModelIdentity, predictions_name, read_identity
from triage_assets.scoring.model_record import (
    Permissions,
    read_permissions,
    read_record,
    require_permissions,
    write_record,
)
from triage_assets.scoring.parts import PartsFolder, load_index, read_part, write_if_changed
from triage_assets.scoring.records import DETECTOR_ANNOTATOR
from triage_assets.scoring.runs import BacklogPlans, LoadBacklog, ScoringRun
from triage_assets.scoring.tables import DETAIL_COLUMNS, row_to_details
from triage_assets.store import Store

logger = logging.getLogger(__name__)

# A part is written when it has this many sequences or is a minute old, so a killed run loses no more than that.
PART_SEQUENCES = 500


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
    memory at a time. What failed before stays failed unless ``retry_failed``. ``device`` is where a model that this
    process loads runs. Raises `PackageError` for a model that is refused and for scores that were made with an
    ``allow_`` option that is not given now, `SettingsError` for a device that is not there, and `StoreError` for
    predictions that cannot be read or written; parts that are finished by then are kept.
    """
    identity = read_identity(model)
    folder = PartsFolder(store, predictions_name(identity, detector))
    granted = Permissions(allow_uncalibrated, allow_unsafe_load)
    recorded = read_permissions(folder)
    require_permissions(identity, recorded, granted)
    store.sweep_unfinished(folder.location)
    index = load_index(folder)
    plans = BacklogPlans(backlogs, _done(index, retry_failed=retry_failed), detector)
    plans.make()
    run = ScoringRun(folder, identity, detector, granted, part_sequences)
    if plans.n_tasks:
        logger.info("%s: %d of %d sequences to score", folder.name, plans.n_tasks, plans.n_backlog)
        local = LocalBackend(
            store,
            model,
            detector=detector,
            allow_uncalibrated=allow_uncalibrated,
            allow_unsafe_load=allow_unsafe_load,
            device=device,
        )
        with nullcontext(backend) if backend is not None else closing(local) as scorer:
            run.collect(scorer.score(plans.tasks()), plans.n_tasks, progress)
        index = load_index(folder)
    current = lay_out(plans.rows, index, run.unreadable, detector)
    data = encode_current(current, identity, detector)
    changed = write_if_changed(folder, CURRENT, data)
    write_record(folder, identity, detector, granted if run.parts else recorded)
    return ScoringReport(
        name=folder.name,
        identity=identity,
        detector=detector,
        organizations=tuple(_count(key, current, run.scored) for key in sorted(backlogs)),
        parts_written=tuple(run.parts),
        current=current,
        data_version=hashlib.sha256(data).hexdigest(),
        changed=changed,
    )


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
    current = load_current(store, name)
    if current is None:
        return None
    mine = current.filter(pc.equal(current["sequence_id"], sequence_id)).to_pylist()
    if not mine or mine[0]["triage_score"] is None:
        return None
    found = read_part(folder, mine[0]["part"], ["frames_fingerprint", *DETAIL_COLUMNS], sequence_id=sequence_id)
    rows = [row for row in found.to_pylist() if row["frames_fingerprint"] == mine[0]["frames_fingerprint"]]
    return row_to_details(rows[0])


def _done(index: pa.Table, *, retry_failed: bool) -> frozenset[str]:
    done = index.filter(pc.is_null(index["dropped_reason"])) if retry_failed else index
    return frozenset(done["frames_fingerprint"].to_pylist())


def _count(key: str, current: pa.Table, scored: Mapping[str, int]) -> OrganizationScoring:
    mine = current.filter(pc.equal(current["organization_key"], key))
    reasons = Counter(reason for reason in mine["dropped_reason"].to_pylist() if reason is not None)
    n_with_score = len(mine) - mine["triage_score"].null_count
    return OrganizationScoring(key, len(mine), scored.get(key, 0), n_with_score - scored.get(key, 0), dict(reasons))
