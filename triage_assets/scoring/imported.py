"""Scores that came with a folder and were made by nobody here: a model of their own among the predictions.

What lives here: its name and its record, adding scores to it, and laying them out for the present backlog. What does
not: what a folder says (the package `exchange`).

A score is of a sequence's frames, whose bytes are known, and of boxes that may not be: so its fingerprint leaves them
out. Scores that are there stay; a model of the same version that scores here keeps its own beside them.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ValidationError

from triage_assets.errors import NewerFormat, StoreError, StoreUnwritable
from triage_assets.scoring.files.current import CURRENT, encode_current, lay_out, read_current
from triage_assets.scoring.files.merging import MERGED_ROWS
from triage_assets.scoring.files.model_record import MODEL_RECORD, read_record
from triage_assets.scoring.files.parts import PartsFolder, load_index, stored_models, write_if_changed, write_part
from triage_assets.scoring.files.tables import TaskOutcome, rows_to_table
from triage_assets.scoring.identity import ModelIdentity
from triage_assets.scoring.planning import SequenceTask, plan_scoring
from triage_assets.scoring.records import DETECTOR_IMPORTED, FLOAT32, SequenceScore
from triage_assets.scoring.units import LoadBacklog
from triage_assets.store import Store


class _Record(BaseModel):
    """What a record must say for the scores beside it to be anybody's."""

    model_version: str
    model_sha256: str | None = None
    variant: str | None = None


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
        return f"{ModelIdentity(Path(), self.version, sha256, None).name}-{DETECTOR_IMPORTED}"

    @property
    def identity(self) -> ModelIdentity:
        """What its parts say that they are of; the hash is empty where nobody knows it."""
        return ModelIdentity(Path(), self.version, self.sha256 or "", self.variant)


@dataclass(frozen=True, slots=True)
class ImportedModels:
    """The models whose scores were imported, by the names of their folders, in order.

    ``unreadable`` are those without a record that says of which model they are: a copy or a hand has left them so.
    """

    identities: Mapping[str, ModelIdentity]
    unreadable: Mapping[str, StoreError]


def imported_models(store: Store) -> ImportedModels:
    """Every model whose scores were imported. Raises `StoreError` where the store cannot be listed."""
    identities: dict[str, ModelIdentity] = {}
    unreadable: dict[str, StoreError] = {}
    for name in sorted(stored_models(store)):
        folder = PartsFolder(store, name)
        if folder.is_imported:
            try:
                identities[name] = _read_identity(folder)
            except StoreError as error:
                unreadable[name] = error
    return ImportedModels(identities, unreadable)


def _read_identity(folder: PartsFolder) -> ModelIdentity:
    """The identity that the record gives. Raises `StoreError` where it gives none."""
    content = read_record(folder)
    try:
        record = _Record.model_validate(content)
    except ValidationError:
        raise StoreError(
            f"{folder.store.location}/{folder.path(MODEL_RECORD)} does not say of which model the scores beside it are",
            found="no such file" if content is None else "no version",
            do="Import their folder again, or publish or fetch the store again that they are from.",
        ) from None
    return ModelIdentity(Path(), record.model_version, record.model_sha256 or "", record.variant)


def add_imported_scores(
    store: Store,
    model: ImportedModel,
    backlogs: Mapping[str, LoadBacklog],
    find_score: Callable[[SequenceTask], SequenceScore | None],
) -> int:
    """Add the score that ``find_score`` has of each sequence of the backlog without one, and return how many.

    Where no record says any more of which model the scores are that are there, ``model`` does from then on. Raises
    `StoreError` for predictions that cannot be read or written.
    """
    folder = PartsFolder(store, model.name)
    store.sweep_unfinished(folder.location)
    done = frozenset(load_index(folder).rows["frames_fingerprint"].to_pylist())
    if done and model.name in imported_models(store).unreadable:
        _write_record(folder, model)
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
        rows = rows_to_table(some, model.identity, DETECTOR_IMPORTED, None)
        write_part(folder, rows, model.identity, DETECTOR_IMPORTED)
        n_added += len(some)
    return n_added


def lay_out_imported(
    store: Store, backlogs: Mapping[str, LoadBacklog], staying: Collection[str] = ()
) -> Mapping[str, StoreError]:
    """Lay out all imported scores for the backlog as it is now; returns by name why some models' are left as they were.

    Of the organizations ``staying``, whose backlogs cannot be read now, what is laid out stays as it is. Raises
    `StoreUnwritable`, and `NewerFormat`.
    """
    models = imported_models(store)
    left = dict(models.unreadable)
    for name, identity in models.identities.items():
        try:
            _lay_out(PartsFolder(store, name), identity, backlogs, staying)
        except (NewerFormat, StoreUnwritable):
            raise
        except StoreError as error:
            left[name] = error
    return left


def _lay_out(
    folder: PartsFolder, identity: ModelIdentity, backlogs: Mapping[str, LoadBacklog], staying: Collection[str]
) -> None:
    """What a model has no score of is left out: no run of it will ever make one."""
    index = load_index(folder).rows
    plans = {}
    for key in sorted(backlogs):
        rows = plan_scoring(key, *backlogs[key](), (), detector=DETECTOR_IMPORTED).rows
        plans[key] = rows.filter(pc.is_in(rows["frames_fingerprint"], index["frames_fingerprint"].combine_chunks()))
    current = lay_out(plans, index, {}, DETECTOR_IMPORTED)
    if staying and (before := read_current(folder)) is not None:
        kept = before.filter(pc.is_in(before["organization_key"], pa.array(sorted(staying), pa.string())))
        order = [("organization_key", "ascending"), ("sequence_id", "ascending")]
        current = pa.concat_tables([current, kept.replace_schema_metadata(None)]).sort_by(order).combine_chunks()
    write_if_changed(folder, CURRENT, encode_current(current, identity, DETECTOR_IMPORTED))


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
