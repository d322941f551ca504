"""Reading for several assets: the whole backlog, its frames, and each model's scores of it, from the store.

What lives here: the joining of stored files across organizations into tables. What does not: the files' own formats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from triage_assets.annotator.snapshot import SNAPSHOT_SCHEMA, read_snapshot, stored_keys
from triage_assets.configured_models import read_each
from triage_assets.errors import NewerFormat, PackageError, StoreError
from triage_assets.groups.snapshot import load_snapshot
from triage_assets.scoring.identity import predictions_name, read_identity
from triage_assets.scoring.imported import imported_models
from triage_assets.scoring.predictions import load_current, load_model_record
from triage_assets.store import Store
from triage_assets.worklists.records import BACKLOG_COLUMNS, ModelScores, ReviewTables


@dataclass(frozen=True, slots=True)
class ScoresAtHand:
    """What each model has scored so far, the names of those that have scored nothing, and packages that are refused.

    ``unreadable`` says by name of imported scores why they cannot be read.
    """

    scores: tuple[ModelScores, ...]
    missing: tuple[str, ...]
    refused: Mapping[Path, PackageError]
    unreadable: Mapping[str, StoreError]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Each configured or imported model that has no say in a split, with the reason."""
        unscored = [f"{name}: nothing is scored by it yet, `triage run` does" for name in self.missing]
        refused = [f"{path} ({error.found})" for path, error in self.refused.items()]
        return (*unscored, *refused, *(f"{name}: {error}" for name, error in self.unreadable.items()))


def load_backlog_table(store: Store) -> tuple[pa.Table, Mapping[str, str]]:
    """The backlog of all organizations, in the columns that the worklists need, and each organization's stage."""
    columns = list(BACKLOG_COLUMNS)
    parts = [pa.schema([SNAPSHOT_SCHEMA.field(name) for name in columns]).empty_table()]
    stages = {}
    for key in stored_keys(store):
        table = read_snapshot(store, key, columns)
        if table is not None:
            parts.append(table.replace_schema_metadata(None))
            stages[key] = (table.schema.metadata or {}).get(b"stage", b"").decode()
    return pa.concat_tables(parts), stages


def load_review_tables(store: Store) -> ReviewTables | None:
    """What was grouped and decided, as of the last snapshot; None where there is none. Raises `StoreError`."""
    snapshot = load_snapshot(store)
    if snapshot is None:
        return None
    return ReviewTables(snapshot.groups, snapshot.members, snapshot.standing_annotations(), snapshot.state)


def load_model_scores(store: Store, packages: Sequence[Path], detector: str, precision: str) -> ScoresAtHand:
    """The scores of every model whose package can be read, on this detector's boxes, and those that were imported.

    Raises `PackageError` where every package is refused, and `NewerFormat`.
    """
    readings = read_each(packages, read_identity)
    readings.require_any()
    found, missing = [], []
    for identity in readings.found.values():
        name = predictions_name(identity, detector, precision)
        scores = load_current(store, name)
        if scores is None:
            missing.append(name)
        else:
            record = load_model_record(store, name) or {}
            found.append(ModelScores(name, identity.version, scores, record, identity.caution))
    imported = imported_models(store)
    unreadable = dict(imported.unreadable)
    for name, identity in imported.identities.items():
        try:
            scores, record = load_current(store, name), load_model_record(store, name) or {}
        except NewerFormat:
            raise
        except StoreError as error:
            unreadable[name] = error
            continue
        if scores is None:
            unreadable[name] = StoreError("Its import was cut off", do="Run `triage run`, or import the folder again.")
        elif len(scores):
            found.append(ModelScores(name, identity.version, scores, record, identity.caution))
    return ScoresAtHand(tuple(found), tuple(missing), readings.refused, unreadable)
