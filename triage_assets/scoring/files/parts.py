"""The files of one model's predictions: parts that are written once, and an index of all their flat columns.

What lives here: writing and reading parts, and bringing the index up to date with them. What does not: the rows
(`tables`), when parts become one (`merging`), and which of them belong to the present backlog (`predictions`).

``predictions/model=<name>/part-<digest>.parquet`` holds what was scored, named by its own bytes. ``index.arrow``
repeats its flat columns for every part; the index can be made again from the parts at any time.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from triage_assets.errors import StoreError
from triage_assets.scoring.files.tables import SCORE_FIELDS, complete_columns
from triage_assets.scoring.identity import ENGINE_VERSION, ModelIdentity
from triage_assets.scoring.records import DETECTOR_IMPORTED
from triage_assets.store import Store, StoredObject, check_format_version
from triage_assets.stored_file import StoredFile

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
ROOT = "predictions"
INDEX = "index.arrow"
_FOLDER = "model="

_INDEX_FORMAT_VERSION = 2
_COPIED_FIELDS = [
    ("organization_key", pa.string()),
    ("sequence_id", pa.int64()),
    ("frames_fingerprint", pa.string()),
    *SCORE_FIELDS,
    ("runtime", pa.string()),
]
_INDEX_SCHEMA = pa.schema([*_COPIED_FIELDS, ("engine_version", pa.int32()), ("part", pa.string())])
# What parts are ordered by, within each and from one to the next.
PART_ORDER = [(name, "ascending") for name in ("organization_key", "sequence_id", "frames_fingerprint")]
# Details are read one sequence at a time: a group is what such a read decodes.
_ROWS_PER_GROUP = 100
_LOADS = 20


@dataclass(frozen=True, slots=True)
class PartsIndex:
    """What is known of every part: ``rows``, one per fingerprint, and ``sizes`` in bytes by the parts' file names.

    A part that is not named here may be another run's, committed since the index was loaded. ``version`` is that of the
    stored index that this is, or was made from.
    """

    rows: pa.Table
    sizes: Mapping[str, int]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PartsFolder:
    """Where one model's predictions with one detector are kept."""

    store: Store
    name: str

    @property
    def location(self) -> str:
        """The store path of the folder."""
        return f"{ROOT}/{_FOLDER}{self.name}"

    @property
    def is_imported(self) -> bool:
        """Whether its scores came with a folder: what is lost of them comes back with that folder, and with no run."""
        return self.name.endswith(f"-{DETECTOR_IMPORTED}")

    def path(self, file: str) -> str:
        """The store path of a file of this model."""
        return f"{self.location}/{file}"

    def part_sizes(self) -> dict[str, int]:
        """Size in bytes of every part, by file name."""
        found = {item.path.rpartition("/")[2]: item.size_bytes for item in self.store.list(self.location)}
        return {name: size for name, size in found.items() if name.startswith("part-") and name.endswith(".parquet")}


def stored_models(store: Store) -> dict[str, list[StoredObject]]:
    """The files of each model with predictions, by the name of its folder."""
    folders: dict[str, list[StoredObject]] = {}
    for item in store.list(ROOT):
        folder, _, file = item.path.removeprefix(f"{ROOT}/").partition("/")
        if folder.startswith(_FOLDER) and file:
            folders.setdefault(folder.removeprefix(_FOLDER), []).append(item)
    return folders


def write_part(folder: PartsFolder, rows: pa.Table, identity: ModelIdentity, detector: str) -> StoredObject:
    """Write rows of `PART_SCHEMA` as one part, visible at once and whole. The same rows in any order are one part."""
    table = rows.sort_by(PART_ORDER).combine_chunks().replace_schema_metadata(stamp(identity, detector))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=_ROWS_PER_GROUP, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    part = StoredObject(part_name(data), len(data))
    if folder.store.size(folder.path(part.path)) != len(data):
        folder.store.write(folder.path(part.path), data)
    return part


def part_name(data: bytes) -> str:
    """The file name of the part that has these bytes."""
    return f"part-{hashlib.sha256(data).hexdigest()[:16]}.parquet"


def read_part(folder: PartsFolder, name: str, columns: Iterable[str], *, sequence_id: int | None = None) -> pa.Table:
    """Some columns of one part, of one sequence or of all; null where the part is older than a column.

    The table's metadata is what the part says of its origin (`stamp`). Raises `StoreError` for a part that is damaged
    and `NewerFormat` for one that a newer version wrote.
    """
    path = folder.path(name)
    wanted = list(columns)
    filters = None if sequence_id is None else [("sequence_id", "=", sequence_id)]
    source = pa.BufferReader(folder.store.read(path)) if filters is None else StoredFile.open(folder.store, path)
    try:
        schema = pq.read_schema(source)
        metadata = schema.metadata or {}
        present = [column for column in wanted if column in schema.names]
        table = pq.read_table(source, columns=present, filters=filters)
    except (pa.ArrowException, OSError) as error:
        raise damaged(folder, name, str(error)) from None
    check_format_version(folder.store, path, _number(metadata.get(b"format_version")), FORMAT_VERSION)
    return complete_columns(table, wanted).replace_schema_metadata(metadata)


def load_index(folder: PartsFolder) -> PartsIndex:
    """One row per fingerprint that was ever scored here: its flat columns and the part that holds its details.

    Of several rows of one fingerprint a score wins over a failure. Only parts that the stored index does not know are
    read; the index is written again when that changes it. Where another run merges parts meanwhile, it is begun anew.
    """
    for _ in range(_LOADS):
        sizes = folder.part_sizes()
        stored = _stored_index(folder)
        try:
            return _with_parts(folder, stored, sizes)
        except StoreError:
            if folder.part_sizes() == sizes and index_version(folder) == stored.version:
                raise
    raise StoreError(f"{folder.location} changes again and again while it is read", do="Run again in a minute.")


def _with_parts(folder: PartsFolder, stored: PartsIndex, sizes: Mapping[str, int]) -> PartsIndex:
    """The stored index with what has come and without what has gone."""
    current = {name for name, size in sizes.items() if stored.sizes.get(name) == size}
    new = sorted(sizes.keys() - current)
    if not new and stored.sizes.keys() == sizes.keys():
        return stored
    kept = stored.rows.filter(pc.is_in(stored.rows["part"], pa.array(sorted(current), pa.string())))
    # What the index names wins over what it does not: that may be a part which another run has merged and is deleting.
    rows = _best_rows(pa.concat_tables([kept, *(_index_rows(folder, name) for name in new)]), n_named=len(kept))
    return write_index(folder, PartsIndex(rows, sizes, stored.version))


def write_index(folder: PartsFolder, index: PartsIndex) -> PartsIndex:
    """Store the index in the place of the one that it was made from. Raises `StoreError` where that has been replaced.

    What an index does not name is deleted after it. So that no run deletes by what another one has overtaken, the
    stored indexes come one after the other.
    """
    metadata = {"format_version": str(_INDEX_FORMAT_VERSION), "parts": json.dumps(dict(index.sizes), sort_keys=True)}
    data = to_ipc(index.rows.replace_schema_metadata(metadata))
    path = folder.path(INDEX)

    def change(present: bytes | None) -> bytes:
        if _version_of(present) != index.version:
            raise StoreError(f"{folder.store.location}/{path} was replaced by another run", do="Run again.")
        return data

    folder.store.update(path, change)
    return replace(index, version=_version_of(data))


def index_version(folder: PartsFolder) -> str | None:
    """Which index is stored now, None where there is none."""
    return _version_of(folder.store.read_or_none(folder.path(INDEX)))


def _version_of(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def stamp(identity: ModelIdentity, detector: str, format_version: int = FORMAT_VERSION) -> dict[str, str]:
    """What every file of predictions says of its origin."""
    return {
        "format_version": str(format_version),
        "engine_version": str(ENGINE_VERSION),
        "model_version": identity.version,
        "model_sha256": identity.sha256,
        "detector": detector,
    }


def to_ipc(table: pa.Table) -> bytes:
    """The table as an Arrow IPC file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read_ipc(folder: PartsFolder, name: str, format_version: int = FORMAT_VERSION) -> pa.Table | None:
    """A table written by `to_ipc`, None where there is none.

    Raises `StoreError` where it is damaged or older than ``format_version``, `NewerFormat` where it is newer.
    """
    data = folder.store.read_or_none(folder.path(name))
    return None if data is None else decode_ipc(folder, name, data, format_version)


def decode_ipc(folder: PartsFolder, name: str, data: bytes, format_version: int = FORMAT_VERSION) -> pa.Table:
    """What `to_ipc` encoded. Raises as `read_ipc` does."""
    try:
        table = pa.ipc.open_file(pa.BufferReader(data)).read_all()
    except (pa.ArrowException, OSError) as error:
        raise damaged(folder, name, str(error)) from None
    version = _number((table.schema.metadata or {}).get(b"format_version"))
    check_format_version(folder.store, folder.path(name), version, format_version)
    if version != format_version:
        raise StoreError(
            f"{folder.store.location}/{folder.path(name)} was written by an older version of this project",
            found=f"format version {version}",
            expected=f"format version {format_version}",
            do="Materialize predictions: it is made again from what was scored.",
        )
    return table


def damaged(folder: PartsFolder, name: str, found: str) -> StoreError:
    """The error for a file of predictions that cannot be read."""
    return StoreError(
        f"{folder.store.location}/{folder.path(name)} is damaged",
        found=" ".join(found.split())[:200],
        do="Delete it and import its folder again."
        if folder.is_imported
        else "Delete it and run again: what it held is scored again.",
    )


def _stored_index(folder: PartsFolder) -> PartsIndex:
    data = folder.store.read_or_none(folder.path(INDEX))
    version = _version_of(data)
    if data is not None:
        try:
            table = decode_ipc(folder, INDEX, data, _INDEX_FORMAT_VERSION)
            parts = json.loads(table.schema.metadata[b"parts"])
            return PartsIndex(table.replace_schema_metadata(None), parts, version)
        except StoreError as error:
            if not _is_damage(error):
                raise
            logger.warning("%s It is made again from the parts.", error)
    return PartsIndex(_INDEX_SCHEMA.empty_table(), {}, version)


def _is_damage(error: StoreError) -> bool:
    return type(error) is StoreError


def _index_rows(folder: PartsFolder, name: str) -> pa.Table:
    rows = read_part(folder, name, [field for field, _ in _COPIED_FIELDS])
    engine = _number((rows.schema.metadata or {}).get(b"engine_version"))
    rows = rows.append_column("engine_version", pa.array([engine] * len(rows), pa.int32()))
    rows = rows.append_column("part", pa.array([name] * len(rows), pa.string()))
    return rows.replace_schema_metadata(None).cast(_INDEX_SCHEMA)


def _best_rows(rows: pa.Table, n_named: int) -> pa.Table:
    """One row of each fingerprint: scored before dropped, one of the ``n_named`` first before others, then by part."""
    ordered = rows.append_column("is_dropped", pc.is_valid(rows["dropped_reason"]))
    ordered = ordered.append_column("is_new", pa.array(np.arange(len(rows)) >= n_named))
    order = ("frames_fingerprint", "is_dropped", "is_new", "part")
    ordered = ordered.sort_by([(name, "ascending") for name in order]).combine_chunks()
    codes = ordered["frames_fingerprint"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    best = ordered.drop_columns(["is_dropped", "is_new"]).take(pa.array(first))
    return best.replace_schema_metadata(None)


def write_if_changed(folder: PartsFolder, name: str, data: bytes) -> bool:
    """Make the file hold ``data``; False where it did already."""
    if folder.store.read_or_none(folder.path(name)) == data:
        return False
    folder.store.write(folder.path(name), data)
    return True


def _number(value: object) -> int | None:
    text = value.decode() if isinstance(value, bytes) else ""
    return int(text) if text.isdecimal() else None
