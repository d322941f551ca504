"""Everything that is counted over the whole backlog, in one pass over its files.

What lives here: the stored sequences, predictions and groups, and how far the worklists are behind them. What does not:
when to count again (`stored`), and the comparisons themselves (`coverage`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from triage_assets.annotator.snapshot import snapshot_path
from triage_assets.errors import StoreError
from triage_assets.groups.records import FOLDER as GROUPS
from triage_assets.review.records import LabelState
from triage_assets.scoring.files.current import CURRENT
from triage_assets.scoring.files.model_record import read_record
from triage_assets.scoring.files.parts import PartsFolder
from triage_assets.store import Store, StoredObject
from triage_viewer.backlog.load import StoredBacklog
from triage_viewer.run.answers import (
    CoverageRead,
    GroupsStored,
    OrganizationCoverage,
    PredictionsRead,
    PredictionsStored,
    SequencesStored,
    SnapshotRead,
)
from triage_viewer.run.coverage import Coverage, count_groups, count_missing, count_scored_since, cover
from triage_viewer.run.stage import Stage, describe_damage
from triage_viewer.run.waiting import StoredSnapshot, Waiting, join_snapshots, load_snapshot

Files = Mapping[str, StoredObject]
"""The store's objects by their paths, as one look found them."""


@dataclass(frozen=True, slots=True)
class Behind:
    """How far the worklists are behind the rest of the store; None where it cannot be told."""

    missing: int | None = None
    gone: int | None = None
    scored_since: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """What one pass found."""

    sequences: Stage[SequencesStored] = field(default_factory=Stage)
    predictions: Stage[PredictionsStored] = field(default_factory=Stage)
    groups: Stage[GroupsStored] = field(default_factory=Stage)
    behind: Behind = field(default_factory=Behind)

    @property
    def is_whole(self) -> bool:
        """Whether everything could be read."""
        organizations = self.sequences.stored.organizations if self.sequences.stored else []
        models = self.predictions.stored.models if self.predictions.stored else []
        is_read = all(each.trouble is None for each in organizations) and all(each.trouble is None for each in models)
        return is_read and self.groups.trouble is None


def count_all(store: Store, files: Files, backlog: StoredBacklog | None) -> Counted:
    """Count what these files hold; ``backlog`` is the split that is served."""
    try:
        return _count(store, files, backlog)
    finally:
        pa.default_memory_pool().release_unused()


def _count(store: Store, files: Files, backlog: StoredBacklog | None) -> Counted:
    waiting, organizations = _read_backlog(store, files)
    pa.default_memory_pool().release_unused()  # here and at the end, 90 MB at a million sequences
    is_whole = all(read.trouble is None for read in organizations)
    coverages, models = {}, []
    for name in _models(files):
        coverage, described = _read_model(store, files, name, waiting, backlog)
        if coverage is not None:
            coverages[name] = coverage
        models.append(described if is_whole else _without_some(described))
    sequences = SequencesStored(sequences=len(waiting) if is_whole else None, organizations=organizations)
    behind = Behind()
    if backlog is not None and is_whole:
        listed = backlog.table.sequence_ids
        behind = Behind(
            missing=count_missing(waiting.ids, listed),
            gone=count_missing(listed, waiting.ids),
            scored_since=count_scored_since(backlog, waiting, coverages),
        )
    return Counted(
        sequences=Stage(sequences if organizations else None),
        predictions=Stage(PredictionsStored(models=models) if models else None),
        groups=_read_groups(store, files, waiting if is_whole else None),
        behind=behind,
    )


def _read_backlog(store: Store, files: Files) -> tuple[Waiting, list[SnapshotRead]]:
    """What can be read of the backlog, and each organization's part of it."""
    snapshots, organizations = [], []
    for key in _keys(files):
        found, read = _read_snapshot(store, files, key)
        organizations.append(read)
        if found is not None:
            snapshots.append((key, found))
    return join_snapshots(snapshots), organizations


def _without_some(model: PredictionsRead) -> PredictionsRead:
    """The model with a word about organizations whose backlog cannot be read, where it has no graver trouble."""
    missing = "Organizations whose backlog cannot be read are not counted."
    return model.model_copy(update={"trouble": model.trouble or missing})


def _keys(files: Files) -> list[str]:
    folders = {path.split("/")[1] for path in files if path.startswith("sequences/organization=")}
    keys = sorted(folder.removeprefix("organization=") for folder in folders)
    return [key for key in keys if snapshot_path(key) in files]


def _models(files: Files) -> list[str]:
    names = [path.split("/")[1] for path in files if path.startswith("predictions/model=") and path.count("/") == 2]
    return sorted({name.removeprefix("model=") for name in names})


def _read_snapshot(store: Store, files: Files, key: str) -> tuple[StoredSnapshot | None, SnapshotRead]:
    changed_at = files[snapshot_path(key)].changed_at
    try:
        found = load_snapshot(store, key)
    except StoreError as error:
        trouble = describe_damage(f"The backlog of {key}", error)
        nothing = SnapshotRead(
            key=key, name=None, stage=None, sequences=None, detections=None, changed_at=changed_at, trouble=trouble
        )
        return None, nothing
    return found, SnapshotRead(
        key=key,
        name=found.name,
        stage=found.stage,
        sequences=len(found.ids),
        detections=int(found.n_detections.sum()),
        changed_at=changed_at,
        trouble=None,
    )


def _read_model(
    store: Store, files: Files, name: str, waiting: Waiting, backlog: StoredBacklog | None
) -> tuple[Coverage | None, PredictionsRead]:
    folder = PartsFolder(store, name)
    mine = {path.rpartition("/")[2]: item for path, item in files.items() if path.startswith(f"{folder.location}/")}
    present = mine.get(CURRENT)
    coverage, trouble, record = None, None, {}
    try:
        record = read_record(folder) or {}
        if present is None:
            trouble = "It has no table of the present backlog, so none of its scores is shown. Run `triage run`."
        else:
            coverage = cover(store, name, waiting)
    except StoreError as error:
        trouble = describe_damage(f"What {name} predicted", error)
    version, detector, precision = (record.get(each) for each in ("model_version", "detector", "precision"))
    return coverage, PredictionsRead(
        name=name,
        version=None if version is None else str(version),
        detector=None if detector is None else str(detector),
        precision=None if precision is None else str(precision),
        is_listed=backlog is not None and any(model.name == name for model in backlog.record.models),
        parts=sum(file.startswith("part-") for file in mine),
        bytes=sum(item.size_bytes for item in mine.values()),
        coverage=None if coverage is None else _total(waiting, coverage),
        organizations=[] if coverage is None else _by_organization(waiting, coverage),
        dropped_reasons={} if coverage is None else dict(coverage.reasons),
        changed_at=None if present is None else present.changed_at,
        trouble=trouble,
    )


def _total(waiting: Waiting, coverage: Coverage) -> CoverageRead:
    n_scored, n_dropped = int(coverage.is_scored.sum()), int(coverage.is_dropped.sum())
    return CoverageRead(
        backlog=len(waiting), scored=n_scored, dropped=n_dropped, waiting=len(waiting) - n_scored - n_dropped
    )


def _by_organization(waiting: Waiting, coverage: Coverage) -> list[OrganizationCoverage]:
    everybody = waiting.count_by_organization(np.ones(len(waiting), np.bool_))
    scored = waiting.count_by_organization(coverage.is_scored)
    dropped = waiting.count_by_organization(coverage.is_dropped)
    return [
        OrganizationCoverage(key=key, backlog=n, scored=n_scored, dropped=n_dropped, waiting=n - n_scored - n_dropped)
        for key, n, n_scored, n_dropped in zip(waiting.keys, everybody, scored, dropped, strict=True)
    ]


def _read_groups(store: Store, files: Files, waiting: Waiting | None) -> Stage[GroupsStored]:
    try:
        found = count_groups(store)
    except StoreError as error:
        return Stage(trouble=describe_damage("The groups' snapshot", error))
    if found is None:
        return Stage()
    times = [item.changed_at for path, item in files.items() if path.startswith(f"{GROUPS}/") and item.changed_at]
    return Stage(
        GroupsStored(
            revision=found.revision,
            groups=found.groups,
            recurring=found.recurring,
            labeled=found.by_state[LabelState.LABELED],
            unsure=found.by_state[LabelState.UNSURE],
            unlabeled=found.by_state[LabelState.UNLABELED],
            validated=found.validated,
            clicks_saved=found.clicks_saved,
            members=found.members,
            excluded=found.excluded,
            skipped=dict(found.skipped),
            waiting=None if waiting is None else count_missing(waiting.ids, found.known),
            changed_at=max(times, default=None),
        )
    )
