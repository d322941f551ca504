"""The models that have predictions in a store: what each has scored and what that takes up, and forgetting one.

What lives here: everything that can be told from the predictions alone, also of a model whose package is gone, and
their deletion. What does not: scoring (`predictions`), and which models the settings name.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.errors import StoreError
from triage_assets.scoring.files.current import CURRENT, read_current
from triage_assets.scoring.files.model_record import MODEL_RECORD, read_record
from triage_assets.scoring.files.parts import PartsFolder, read_part, stored_models
from triage_assets.scoring.records import (
    BFLOAT16,
    DETECTOR_ANNOTATOR,
    DETECTOR_BUNDLED,
    DETECTOR_IMPORTED,
    FLOAT32,
    INCOMPLETE,
)
from triage_assets.store import Store, StoredObject

_NAME = re.compile(r"(?P<version>.+)-(?P<sha8>[0-9a-f]{8})(?P<variants>(?:-[a-z0-9]+)*)")
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One folder of predictions, held against the present backlog.

    ``n_scored`` and ``n_dropped`` count sequences of the backlog as it is now; ``n_dropped`` those that this model
    cannot score. Both are None where the folder is too damaged to tell, and ``faults`` says why. ``sha256`` has eight
    digits where no record is left to give them all; ``changed_at`` is None where the store does not know.
    """

    name: str
    version: str
    sha256: str
    detector: str
    precision: str
    n_backlog: int
    n_scored: int | None = 0
    n_dropped: int | None = 0
    n_parts: int = 0
    size_bytes: int = 0
    changed_at: datetime | None = None
    faults: tuple[str, ...] = ()

    @property
    def model_name(self) -> str:
        """Version and the beginning of the hash, which the predictions of one model have in common."""
        found = _NAME.fullmatch(self.name)
        return f"{found['version']}-{found['sha8']}" if found else self.name

    @property
    def variants(self) -> tuple[str, ...]:
        """The detector and the precision, where they are other than the usual."""
        pairs = ((self.detector, DETECTOR_ANNOTATOR), (self.precision, FLOAT32))
        return tuple(value for value, usual in pairs if value != usual)

    @property
    def is_imported(self) -> bool:
        """Whether its scores came with a folder: no package of the settings stands behind them."""
        return self.detector == DETECTOR_IMPORTED

    @property
    def coverage(self) -> float | None:
        """The share of the present backlog that has a score; None where that cannot be told, or nothing waits."""
        return None if self.n_scored is None or not self.n_backlog else self.n_scored / self.n_backlog


def list_models(store: Store, backlog: pa.Table, configured: Collection[str] = ()) -> tuple[StoredModel, ...]:
    """Every model with predictions in the store, and those of ``configured`` (folder names) that have none yet.

    ``backlog`` has at least sequence_id, last_seen_at and n_detections. Raises `StoreError` where the store cannot be
    listed; a damaged folder is listed with its faults.
    """
    waiting = _latest(backlog)
    folders = {name: list[StoredObject]() for name in configured} | stored_models(store)
    return tuple(_describe(store, name, folders[name], waiting) for name in sorted(folders))


def find_model(models: Sequence[StoredModel], wanted: str) -> StoredModel:
    """The model of that folder name, else of that version, else whose folder name begins so.

    Raises `StoreError` where there is none or more than one.
    """
    candidates = (
        [model for model in models if model.name == wanted],
        [model for model in models if wanted in (model.version, _version_in(model.name))],
        [model for model in models if wanted and model.name.startswith(wanted)],
    )
    found = next(filter(None, candidates), [])
    if len(found) == 1:
        return found[0]
    raise StoreError(
        "Several models are called so" if found else "No model of that name has predictions in the store",
        found=repr(wanted),
        expected="one of " + ", ".join(model.name for model in found or models) if found or models else None,
        do="Give the name as `triage models list` shows it.",
    )


def count_scores(store: Store, name: str) -> int:
    """How many scores the predictions of a model hold, also those of sequences that have left the backlog.

    Raises `StoreError` where a part is damaged.
    """
    folder = PartsFolder(store, name)
    scored: set[str] = set()
    seen: set[str] = set()
    # A part that a run merges into another one goes after that has come: the next listing has it.
    while unseen := folder.part_sizes().keys() - seen:
        seen |= unseen
        for part in unseen:
            try:
                rows = read_part(folder, part, ["frames_fingerprint", "triage_score"])
            except StoreError:
                if _is_gone(folder, part):
                    continue
                raise
            scored.update(rows.filter(pc.is_valid(rows["triage_score"]))["frames_fingerprint"].to_pylist())
    return len(scored)


def forget_model(store: Store, name: str) -> int:
    """Delete every file of a model's predictions, and nothing else; returns how many. Raises `StoreUnwritable`.

    What readers trust goes first and the record last: after a kill in the middle no score is shown, what is left still
    says whose it is and which options it was made with, and forgetting again finishes the work.
    """
    location = PartsFolder(store, name).location
    store.sweep_unfinished(location)
    order = {CURRENT: 0, MODEL_RECORD: 2}
    files = sorted(store.list(location), key=lambda item: order.get(item.path.rpartition("/")[2], 1))
    for item in files:
        store.delete(item.path)
    return len(files)


def _describe(store: Store, name: str, files: list[StoredObject], waiting: pa.Table) -> StoredModel:
    model = _from_name(name, len(waiting))
    if not files:
        return model
    folder = PartsFolder(store, name)
    faults: list[str] = []
    again = "import its folder again" if folder.is_imported else None
    try:
        record = read_record(folder) or {}
        if "model_version" not in record:
            state = "names no model" if record else "is missing"
            faults.append(f"{MODEL_RECORD} {state}: {again or 'the next run of this model makes it again'}")
    except StoreError as error:
        record = {}
        faults.append(str(error))
    sizes = folder.part_sizes()
    damaged = [part for part, size_bytes in sizes.items() if not _is_whole(folder, part, size_bytes)]
    # A run that goes on meanwhile merges parts; one that is gone is no part any more, and nothing is lost with it.
    parts = [part for part in sizes if part not in damaged or not _is_gone(folder, part)]
    faults += [
        f"{folder.path(part)} is damaged: delete it, and {again or 'what it held is scored again'}"
        for part in damaged
        if part in parts
    ]
    scored, dropped = _count(folder, parts, waiting, faults)
    return replace(
        model,
        version=str(record.get("model_version") or model.version),
        sha256=str(record.get("model_sha256") or model.sha256),
        n_scored=scored,
        n_dropped=dropped,
        n_parts=len(parts),
        size_bytes=sum(item.size_bytes for item in files),
        changed_at=max((item.changed_at for item in files if item.changed_at), default=None),
        faults=tuple(faults),
    )


def _from_name(name: str, n_backlog: int) -> StoredModel:
    """What the name of a folder says by itself."""
    found = _NAME.fullmatch(name)
    variants = found["variants"].split("-") if found else []
    return StoredModel(
        name=name,
        version=found["version"] if found else name,
        sha256=found["sha8"] if found else "",
        detector=next((each for each in (DETECTOR_BUNDLED, DETECTOR_IMPORTED) if each in variants), DETECTOR_ANNOTATOR),
        precision=BFLOAT16 if BFLOAT16 in variants else FLOAT32,
        n_backlog=n_backlog,
    )


def _version_in(name: str) -> str:
    found = _NAME.fullmatch(name)
    return found["version"] if found else name


def _count(
    folder: PartsFolder, parts: Collection[str], waiting: pa.Table, faults: list[str]
) -> tuple[int | None, int | None]:
    """Sequences of the backlog with a score, and those that cannot be scored; adds what is wrong to ``faults``."""
    try:
        current = read_current(folder)
    except StoreError as error:
        faults.append(str(error))
        return None, None
    if current is None:
        faults.append(
            f"{folder.path(CURRENT)} is missing, so none of its scores is shown: run `triage run`, or forget it"
            if parts
            else "no score is left: `triage models forget` removes the rest"
        )
        return None, None
    named = set(current["part"].drop_null().unique().to_pylist())
    lost = [part for part in named.difference(parts) if _is_gone(folder, part)]  # not one that came just now
    if lost:
        again = "the next run of this model scores again what they held"
        faults.append(
            f"{len(lost)} of its parts are missing: {'import its folder again' if folder.is_imported else again}"
        )
    rows = _latest(current)
    mine = rows.filter(_agree(rows, waiting))
    n_scored = len(mine) - mine["triage_score"].null_count
    cannot = pc.and_(pc.is_valid(mine["dropped_reason"]), pc.not_equal(mine["dropped_reason"], INCOMPLETE))
    return n_scored, pc.sum(cannot).as_py() or 0


def _agree(rows: pa.Table, waiting: pa.Table) -> pa.Array:
    """For each row whether its sequence looks in the backlog as it did when the row was laid out."""
    known = waiting.take(pc.index_in(rows["sequence_id"], waiting["sequence_id"]))
    same = [pc.equal(rows[column], known[column]) for column in ("last_seen_at", "n_detections")]
    return pc.fill_null(pc.and_(*same), False)


def _latest(table: pa.Table) -> pa.Table:
    """The last row of each sequence: one that is listed under two organizations counts once."""
    ids = table["sequence_id"].to_numpy()
    _, from_end = np.unique(ids[::-1], return_index=True)
    return table.take(pa.array(len(ids) - 1 - from_end, pa.int64()))


def _is_whole(folder: PartsFolder, part: str, size_bytes: int) -> bool:
    """Whether a Parquet file has its two ends; the middle is not read, which for all models would take minutes."""
    n, path = len(_PARQUET_MAGIC), folder.path(part)
    if size_bytes < 2 * n:
        return False
    try:
        ends = (folder.store.read_range(path, 0, n), folder.store.read_range(path, size_bytes - n, n))
    except StoreError:
        return False
    return ends == (_PARQUET_MAGIC, _PARQUET_MAGIC)


def _is_gone(folder: PartsFolder, part: str) -> bool:
    return folder.store.size(folder.path(part)) is None
