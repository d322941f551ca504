"""Reading the split from the store: the worklists' table and their record, and the state of the groups.

What lives here: proving that the files are whole and of one run, and turning them into columns, one at a time so that
little is in memory twice. What does not: noticing that they changed (`live`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from triage_assets.annotator.records import Organization as Named
from triage_assets.annotator.records import partition_key
from triage_assets.errors import NewerFormat, NoWorklists, StoreError, WorklistsUnusable
from triage_assets.groups.records import DatabaseState
from triage_assets.groups.snapshot import load_columns
from triage_assets.review.records import DECIDED_STAGES, LOCKED_STAGES
from triage_assets.store import Store
from triage_assets.worklists.records import FOLDER, LABELED
from triage_viewer.backlog.coding import code_pairs, code_texts, code_values, smallest
from triage_viewer.backlog.table import BacklogTable, Coded, Flags, Groups, Label, Organization, Spelling

FORMAT_VERSION = 2
RESULTS, RECORD = f"{FOLDER}/results.parquet", f"{FOLDER}/model_config.json"

_AGAIN = "Run `triage worklists`: the files are made anew."
_SEPARATOR = "\x1f"
_LABEL_COLUMNS = ("annotation_stage", "annotation_origin", "smoke_types", "false_positive_types", "is_unsure")


class ListedModel(BaseModel):
    """One model that the worklists were made with."""

    name: str
    version: str
    caution: str | None = None
    detector: str | None = None
    precision: str | None = None


class WorklistsRecord(BaseModel):
    """What model_config.json says of the worklists beside it."""

    format_version: int
    threshold: float
    models: tuple[ListedModel, ...]
    split_without: tuple[str, ...] = ()
    decisions_of: DatabaseState | None = None
    files: Mapping[str, str]

    @property
    def caution(self) -> str | None:
        """What everybody who is shown these scores must be told, None where there is nothing to say."""
        return "; ".join(model.caution for model in self.models if model.caution) or None

    @property
    def says_whose_decisions(self) -> bool:
        """Whether ``decisions_of`` is known: None is that there were none, if so."""
        return "decisions_of" in self.model_fields_set


@dataclass(frozen=True, slots=True)
class StoredBacklog:
    """The split as the store has it; ``version`` is another one whenever any of it is.

    ``groups_of`` is the state of the review database that the groups are of, None where nothing was ever grouped.
    """

    version: str
    record: WorklistsRecord
    table: BacklogTable
    groups_of: DatabaseState | None


def load_backlog(store: Store) -> StoredBacklog:
    """Everything the page shows. Raises `NoWorklists`, `WorklistsUnusable`, and `StoreError` for the store itself."""
    written = store.read_or_none(RECORD)
    if written is None:
        raise NoWorklists(
            "There are no worklists in the store yet",
            do="Run `triage run`; where everything is scored already, `triage worklists`.",
        )
    record = _read_record(written)
    known = _load_groups(store)
    data = store.read_or_none(RESULTS) or b""
    if hashlib.sha256(data).hexdigest() != record.files.get("results.parquet"):
        raise WorklistsUnusable(
            "The worklists' files are not all of one run: they are being written now, or their writing was interrupted",
            do="Wait while a run is under way; otherwise run `triage worklists`.",
        )
    state, groups = known or (None, None)
    version = hashlib.sha256(written + repr(state).encode()).hexdigest()[:20]
    return StoredBacklog(version, record, _decode(data, groups), state)


def _read_record(data: bytes) -> WorklistsRecord:
    try:
        content = orjson.loads(data)
        _check_version(content.get("format_version") if isinstance(content, dict) else None)
        return WorklistsRecord.model_validate(content)
    except (ValueError, ValidationError) as error:
        raise WorklistsUnusable(
            "The worklists' model_config.json cannot be read", found=str(error).splitlines()[0][:200], do=_AGAIN
        ) from None


def _check_version(found: object) -> None:
    if isinstance(found, int) and found > FORMAT_VERSION:
        raise WorklistsUnusable(
            "The worklists were written by a newer version of this project",
            found=f"format version {found}",
            expected=f"format version {FORMAT_VERSION}",
            do="Update triage-assets.",
        )
    if found != FORMAT_VERSION:
        raise WorklistsUnusable(
            "The worklists were written by an older version of this project, or are damaged",
            found=f"format version {found}",
            expected=f"format version {FORMAT_VERSION}",
            do=_AGAIN,
        )


def _load_groups(store: Store) -> tuple[DatabaseState, pa.Table] | None:
    """The groups and the state that they are of. A snapshot that cannot be read is said, not worked around."""
    try:
        return load_columns(store, "groups", ("group_id", "label_state", "is_validated", "member_count"))
    except NewerFormat as error:
        raise WorklistsUnusable(
            "The groups were written by a newer version of this project", found=error.found, do="Update triage-assets."
        ) from None
    except StoreError as error:
        raise WorklistsUnusable("The groups' snapshot cannot be read", found=error.found, do=error.do) from error


def _decode(data: bytes, groups: pa.Table | None) -> BacklogTable:
    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            version = (file.schema_arrow.metadata or {}).get(b"format_version", b"")
            _check_version(int(version) if version.isdigit() else None)
            return _Columns(file).read(groups)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        found = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise WorklistsUnusable("The worklists' results.parquet cannot be read", found=found, do=_AGAIN) from None
    finally:
        pa.default_memory_pool().release_unused()


class _Columns:
    """The columns of one results.parquet, each decoded when it is asked for."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self._file = file
        self._names = frozenset(file.schema_arrow.names)

    def read(self, groups: pa.Table | None) -> BacklogTable:
        ids = self._whole("sequence_id").to_numpy()
        if np.any(ids[1:] <= ids[:-1]):
            raise WorklistsUnusable("The worklists' rows are not in order of sequence_id", do=_AGAIN)
        models, scores = self._scores(len(ids))
        spellings = self._spellings()
        labels = self._labels(len(ids))
        return BacklogTable(
            sequence_ids=ids,
            organizations=_by_key(spellings),
            spellings=spellings,
            cameras=code_texts(self._whole("camera_name"), null=""),
            azimuths=self._integers("azimuth"),
            started_at=self._whole("started_at").cast(pa.timestamp("us")).to_numpy(zero_copy_only=False),
            models=models,
            scores=scores,
            logits=self._numbers("score"),
            versions=code_values(self._whole("model_version")),
            n_tubes_kept=self._integers("num_tubes_kept"),
            trigger_frames=self._integers("trigger_frame_index"),
            n_unusable=self._integers("n_frames_unusable"),
            is_labeled=self._is_labeled(),
            is_begun=_is_begun(labels),
            labels=labels,
            dropped_reasons=code_values(self._whole("dropped_reason")),
            dropped_errors=self._whole("dropped_error").cast(pa.large_string()),
            groups=self._groups(groups),
        )

    def _whole(self, name: str) -> pa.Array:
        """The column in one piece."""
        column = self._file.read(columns=[name], use_threads=False)[name]
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)

    def _integers(self, name: str) -> pa.Array:
        return self._whole(name).cast(pa.int32())

    def _numbers(self, name: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
        return np.asarray(self._whole(name).to_numpy(zero_copy_only=False), np.float64)

    def _scores(self, n: int) -> tuple[tuple[str, ...], "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"]:
        if "model_scores" not in self._names:  # nothing was scored by anything
            return (), np.empty((0, n))
        nested = self._whole("model_scores")
        names = tuple(field.name for field in nested.type)
        scores = np.empty((len(names), n))
        for number in range(len(names)):
            scores[number] = nested.field(number).to_numpy(zero_copy_only=False)
        return names, scores

    def _is_labeled(self) -> Flags:
        flags = pc.equal(self._whole("triage_bucket"), LABELED).fill_null(False)
        return np.asarray(flags.to_numpy(zero_copy_only=False), np.bool_)

    def _spellings(self) -> Coded[Spelling]:
        ids = code_values(self._whole("organization_id"))
        names = code_texts(self._whole("organization_name"), null="")
        return code_pairs(ids, names, lambda number, name: Spelling(int(number), str(name)))

    def _labels(self, n: int) -> Coded[Label | None]:
        parts: list[Coded[object]] = []
        for name in _LABEL_COLUMNS:
            column = self._whole(name)
            if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
                column = pc.binary_join(column.cast(pa.list_(pa.string())), _SEPARATOR)
            parts.append(code_values(column))
        found: Coded[tuple[object, ...]] = Coded(np.zeros(n, np.uint8), ((),))
        for part in parts:
            found = code_pairs(found, part, lambda before, value: (*before, value))
        return Coded(found.codes, tuple(map(_label_of, found.values)))

    def _groups(self, groups: pa.Table | None) -> Groups:
        ids = self._whole("group_id").cast(pa.int64())
        n = len(ids)
        if groups is None or not len(groups):
            return Groups(ids, pa.nulls(n, pa.int32()), Coded(np.zeros(n, np.uint8), (None,)), np.zeros(n, np.bool_))
        place = pc.index_in(ids, value_set=groups["group_id"].combine_chunks(), skip_nulls=True)
        taken = {name: groups[name].combine_chunks().take(place) for name in groups.column_names if name != "group_id"}
        is_validated = taken["is_validated"].fill_null(False).to_numpy(zero_copy_only=False)
        return Groups(ids, taken["member_count"], code_values(taken["label_state"]), is_validated)


def _by_key(spellings: Coded[Spelling]) -> Coded[Organization]:
    """The rows by organization key, which several spellings may share; the most frequent one names it."""
    keys = [partition_key(Named(spelling.id, spelling.name)) for spelling in spellings.values]
    counts = np.bincount(spellings.codes, minlength=len(keys))
    names: dict[str, str] = {}
    for place in np.argsort(-counts, kind="stable").tolist():
        names.setdefault(keys[place], spellings.values[place].name)
    ordered = sorted(names)
    code_of = np.array([ordered.index(key) for key in keys], np.int64)
    codes = smallest(code_of[spellings.codes], len(ordered)) if keys else spellings.codes
    return Coded(codes, tuple(Organization(key, names[key]) for key in ordered))


def _is_begun(labels: Coded[Label | None]) -> Flags:
    stages = LOCKED_STAGES - DECIDED_STAGES
    return labels.where(np.array([label is not None and label.stage in stages for label in labels.values], np.bool_))


def _label_of(values: tuple[object, ...]) -> Label | None:
    stage, origin, smoke, other, is_unsure = values if values else (None,) * 5
    if stage is None:
        return None
    return Label(
        stage=str(stage),
        origin=None if origin is None else str(origin),
        smoke_types=_split_types(smoke),
        false_positive_types=_split_types(other),
        is_unsure=None if is_unsure is None else bool(is_unsure),
    )


def _split_types(text: object) -> tuple[str, ...]:
    return tuple(str(text).split(_SEPARATOR)) if text else ()
