"""What each model found in one sequence, out of its predictions in the store.

What lives here: finding one sequence's row among a million without reading them all. What does not: the form of
predictions (`triage_assets.scoring.files`), and how they are shown (`sequence_page`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from triage_assets.errors import StoreError
from triage_assets.scoring.files.current import CURRENT, FORMAT_VERSION
from triage_assets.scoring.files.parts import ROOT, PartsFolder, damaged, read_part
from triage_assets.scoring.files.tables import DETAIL_COLUMNS, SCORE_FIELDS, row_to_details
from triage_assets.store import Store, StoredObject, check_format_version
from triage_assets.stored_file import StoredFile
from triage_viewer.frames.kept import Kept, Shelf

_COLUMNS = (
    "frames_fingerprint", "part", "last_seen_at", "n_detections", "dropped_reason", "dropped_error",
)  # fmt: skip
_PART_COLUMNS = (
    "frames_fingerprint", "model_version", "detector", "runtime", *(name for name, _ in SCORE_FIELDS), *DETAIL_COLUMNS,
)  # fmt: skip

_PLACES_BYTES = 100_000_000
"""Of a million sequences, two models; what is read of more of them is read anew for each sequence, in half a second."""


@dataclass(frozen=True, slots=True)
class StoredScore:
    """One model's word on one sequence. ``row`` has the flat columns of its part; nothing where none was written.

    ``last_seen_at_us`` and ``n_detections`` are what the backlog said of the sequence when this was laid out.
    """

    model: str
    row: Mapping[str, Any]
    details: Mapping[str, Any] | None
    dropped_reason: str | None
    dropped_error: str | None
    last_seen_at_us: int | None
    n_detections: int | None

    def is_of(self, last_seen_at: datetime, n_detections: int) -> bool:
        """Whether this is about the frames that the backlog has now; where it does not say, it is taken to be."""
        if self.last_seen_at_us is None:
            return True
        return self.last_seen_at_us == np.datetime64(last_seen_at.replace(tzinfo=None), "us").astype(np.int64) and (
            self.n_detections == n_detections
        )


class _Places:
    """One model's present table, cut down to what finds a row: about 45 bytes a sequence."""

    def __init__(self, current: "StoredCurrent") -> None:
        ids: NDArray[np.int64] = current.read("sequence_id").to_numpy()
        order = np.argsort(ids, kind="stable")
        self._ids = ids[order]
        # One column at a time: as they are stored, all of them take five times as much.
        columns = {}
        for name in _COLUMNS:
            column = current.read(name)
            if name == "frames_fingerprint":  # eight characters tell one sequence's few sets of frames apart
                column = pc.utf8_slice_codeunits(column, 0, 8)
            elif name == "last_seen_at":
                column = column.cast(pa.int64())
            elif name != "n_detections":
                column = column.dictionary_encode()
            columns[name] = column.take(pa.array(order)).combine_chunks()
        self._table = pa.table(columns)
        pa.default_memory_pool().release_unused()

    @property
    def nbytes(self) -> int:
        return int(self._ids.nbytes) + int(self._table.nbytes)

    def find(self, sequence_id: int) -> dict[str, Any] | None:
        place = int(self._ids.searchsorted(sequence_id, "right")) - 1
        if place < 0 or int(self._ids[place]) != sequence_id:
            return None
        found: dict[str, Any] = self._table.slice(place, 1).to_pylist()[0]
        return found


class StoredScores:
    """The predictions of every model that the store has any of. May be asked by many threads at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places = Shelf(_PLACES_BYTES, self._keep_places, lambda places: places.nbytes)

    def models(self) -> tuple[str, ...]:
        """The names of all models with predictions. Raises `StoreError`."""
        parts = (found.path.split("/") for found in self._store.list(ROOT) if found.path.endswith(f"/{CURRENT}"))
        return tuple(sorted(names[1].removeprefix("model=") for names in parts if len(names) == 3))

    def find(self, model: str, sequence_id: int) -> StoredScore | None:
        """A model's word on a sequence, None where it has none. Raises `StoreError`, and `NewerFormat`."""
        try:
            return self._find(model, sequence_id, at_once=False)
        except StoreError:
            # A run may have merged the part into another since the table that names it was read.
            return self._find(model, sequence_id, at_once=True)

    def _find(self, model: str, sequence_id: int, *, at_once: bool) -> StoredScore | None:
        places = self._places.get(model, at_once=at_once)
        place = None if places is None else places.find(sequence_id)
        if place is None:
            return None
        row: dict[str, Any] = {} if place["part"] is None else self._read(model, sequence_id, place)
        is_scored = row.get("triage_score") is not None
        return StoredScore(
            model=model,
            row={name: value for name, value in row.items() if name not in DETAIL_COLUMNS},
            details=row_to_details(row) if is_scored else None,
            dropped_reason=place["dropped_reason"],
            dropped_error=place["dropped_error"],
            last_seen_at_us=place["last_seen_at"],
            n_detections=place["n_detections"],
        )

    def _read(self, model: str, sequence_id: int, place: Mapping[str, Any]) -> dict[str, Any]:
        folder = PartsFolder(self._store, model)
        rows = read_part(folder, place["part"], _PART_COLUMNS, sequence_id=sequence_id)
        of_frames = rows.filter(pc.starts_with(rows["frames_fingerprint"], place["frames_fingerprint"]))
        if not len(of_frames):
            raise damaged(folder, place["part"], f"no row of sequence {sequence_id}")
        row: dict[str, Any] = of_frames.slice(0, 1).to_pylist()[0]
        return row

    def _keep_places(self, model: str) -> Kept[_Places]:
        folder = PartsFolder(self._store, model)
        return Kept(self._store, folder.path(CURRENT), lambda found: _Places(StoredCurrent(folder, found)))


class StoredCurrent:
    """A model's present table, read column by column."""

    def __init__(self, folder: PartsFolder, found: StoredObject) -> None:
        self._folder = folder
        self._file = StoredFile(folder.store, found)

    @classmethod
    def open(cls, store: Store, model: str) -> "StoredCurrent":
        """The table as it is now. Raises `StoreError` where there is none."""
        folder = PartsFolder(store, model)
        found = store.find(folder.path(CURRENT))
        if found is None:
            raise StoreError(f"{store.location} has no {folder.path(CURRENT)}", do="Run `triage run` to produce it.")
        return cls(folder, found)

    def read(self, name: str) -> pa.ChunkedArray:
        """One column. Raises `StoreError`, and `NewerFormat`."""
        try:
            schema = self._open().schema
            version = (schema.metadata or {}).get(b"format_version", b"")
            check_format_version(
                self._folder.store,
                self._folder.path(CURRENT),
                int(version) if version.isdigit() else None,
                FORMAT_VERSION,
            )
            wanted = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(name)])
            return self._open(wanted).read_all()[name]
        except (pa.ArrowException, OSError, KeyError) as error:
            raise damaged(self._folder, CURRENT, str(error)) from None

    def _open(self, options: pa.ipc.IpcReadOptions | None = None) -> pa.ipc.RecordBatchFileReader:
        self._file.seek(0)
        return pa.ipc.open_file(self._file, options=options)
