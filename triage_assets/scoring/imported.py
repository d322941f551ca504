"""Scores that came with a folder and were made by nobody here: a model of their own among the predictions.

What lives here: its name and its record, adding scores to it, and laying them out for the present backlog. What does
not: what a folder says (the package `exchange`).

A score is of a sequence's frames, whose bytes are known, and of boxes that may not be: so its fingerprint leaves them
out. Scores that are there stay; a model of the same version that scores here keeps its own beside them.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from triage_assets.scoring.files.current import CURRENT, encode_current, lay_out
from triage_assets.scoring.files.merging import MERGED_ROWS
from triage_assets.scoring.files.model_record import MODEL_RECORD, read_record
from triage_assets.scoring.files.parts import ROOT, PartsFolder, load_index, write_if_changed, write_part
from triage_assets.scoring.files.tables import TaskOutcome, rows_to_table
from triage_assets.scoring.identity import ModelIdentity
from triage_assets.scoring.planning import SequenceTask, plan_scoring
from triage_assets.scoring.records import DETECTOR_IMPORTED, FLOAT32, SequenceScore
from triage_assets.scoring.units import LoadBacklog
from triage_assets.store import Store

_SUFFIX = f"-{DETECTOR_IMPORTED}"


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """Which model a folder says its scores are of. ``sha256`` and ``variant`` are None where it does not say.

    ``provenance`` and ``config`` are what it says of it besides.
    """

    version: str
    sha256: str | None
    variant: str | None
    provenance: Mapping[str, Any]
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder of its predictions; without a hash, the version alone tells it from others."""
        sha256 = self.sha256 or hashlib.sha256(self.version.encode()).hexdigest()
        return ModelIdentity(Path(), self.version, sha256, None).name + _SUFFIX


def imported_models(store: Store) -> tuple[str, ...]:
    """The names of the models whose scores were imported."""
    folders = {found.path.split("/")[1].removeprefix("model=") for found in store.list(ROOT)}
    return tuple(sorted(name for name in folders if name.endswith(_SUFFIX)))


def imported_identity(record: Mapping[str, Any]) -> ModelIdentity:
    """The identity that the record of an imported model gives; its hash is empty where nobody knows it."""
    sha256, variant = record.get("model_sha256"), record.get("variant")
    return ModelIdentity(
        Path(), str(record["model_version"]), str(sha256 or ""), None if variant is None else str(variant)
    )


def add_imported_scores(
    store: Store,
    model: ImportedModel,
    backlogs: Mapping[str, LoadBacklog],
    find_score: Callable[[SequenceTask], SequenceScore | None],
) -> int:
    """Add the score that ``find_score`` has of each sequence of the backlog without one, and return how many.

    Raises `StoreError` for predictions that cannot be read or written.
    """
    folder = PartsFolder(store, model.name)
    store.sweep_unfinished(folder.location)
    done = frozenset(load_index(folder).rows["frames_fingerprint"].to_pylist())
    n_added = 0

    def outcomes() -> Iterator[TaskOutcome]:
        for key in sorted(backlogs):
            for task in plan_scoring(key, *backlogs[key](), done, detector=DETECTOR_IMPORTED).tasks():
                if (score := find_score(task)) is not None:
                    yield TaskOutcome(task, score)

    found = outcomes()
    while some := list(islice(found, MERGED_ROWS)):
        if not n_added:
            _write_record(folder, model)
        identity = imported_identity(read_record(folder) or {})
        write_part(folder, rows_to_table(some, identity, DETECTOR_IMPORTED, None), identity, DETECTOR_IMPORTED)
        n_added += len(some)
    return n_added


def lay_out_imported(store: Store, name: str, backlogs: Mapping[str, LoadBacklog]) -> bool:
    """Lay out an imported model's scores for the backlog as it is now, and say whether they were laid out otherwise.

    What it has no score of is left out: no run of it will ever make one.
    """
    folder = PartsFolder(store, name)
    index = load_index(folder).rows
    plans = {}
    for key in sorted(backlogs):
        rows = plan_scoring(key, *backlogs[key](), (), detector=DETECTOR_IMPORTED).rows
        plans[key] = rows.filter(pc.is_in(rows["frames_fingerprint"], index["frames_fingerprint"].combine_chunks()))
    identity = imported_identity(read_record(folder) or {})
    current = lay_out(plans, index, {}, DETECTOR_IMPORTED)
    return write_if_changed(folder, CURRENT, encode_current(current, identity, DETECTOR_IMPORTED))


def _write_record(folder: PartsFolder, model: ImportedModel) -> None:
    content = {
        "format_version": 1,
        "name": folder.name,
        "engine_version": None,
        "model_version": model.version,
        "model_sha256": model.sha256,
        "variant": model.variant,
        "detector": DETECTOR_IMPORTED,
        "precision": FLOAT32,
        "options": {},
        "provenance": dict(model.provenance),
        "config": dict(model.config),
    }
    data = json.dumps(content, indent=1, sort_keys=True, default=str, ensure_ascii=False).encode() + b"\n"
    write_if_changed(folder, MODEL_RECORD, data)
