"""What the worklists say of one sequence, out of a table of up to a million.

What lives here: the few columns of `results.parquet` that a sequence's page shows. What does not: the whole table,
filters and counts (`triage_viewer.backlog`).
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triage_assets.errors import StoreError
from triage_assets.store import Store, check_format_version
from triage_assets.worklists.records import FOLDER
from triage_viewer.frames.kept import Kept
from triage_viewer.frames.stored_file import StoredFile

# That of `triage_assets.worklists.export`, which brings pandas along; a test compares them.
FORMAT_VERSION = 2
RESULTS = f"{FOLDER}/results.parquet"
CONFIG = f"{FOLDER}/model_config.json"

_COLUMNS = (
    "sequence_id", "triage_bucket", "triage_score", "dropped_reason", "dropped_error", "annotation_stage",
    "annotation_origin", "smoke_types", "false_positive_types", "is_unsure",
)  # fmt: skip
_REPEATED = ["triage_bucket", "dropped_reason", "dropped_error", "annotation_stage", "annotation_origin"]


class StoredResults:
    """The present worklists, read when they are first asked for and when they have changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = Kept(store, RESULTS, lambda: _Rows(_read(store)))
        self._config = Kept(store, CONFIG, lambda: _read_config(store))

    def find(self, sequence_id: int) -> dict[str, Any] | None:
        """The sequence's row, None where it or the worklists are not there. Raises `StoreError`, `NewerFormat`."""
        rows = self._rows.get()
        return None if rows is None else rows.find(sequence_id)

    def models(self) -> Mapping[str, str | None]:
        """What to beware of in each model that the worklists were split by, by its name."""
        config = self._config.get() or {}
        return {str(model["name"]): model.get("caution") for model in config.get("models", [])}

    def threshold(self) -> float | None:
        """Where the worklists were split, None where there are none."""
        return (self._config.get() or {}).get("threshold")


class _Rows:
    """The columns, ordered by sequence: about 50 bytes a sequence."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()
        self._ids: NDArray[np.int64] = self._table["sequence_id"].to_numpy()
        if len(self._ids) and not bool(np.all(self._ids[1:] > self._ids[:-1])):
            self._table = self._table.sort_by("sequence_id")
            self._ids = self._table["sequence_id"].to_numpy()

    def find(self, sequence_id: int) -> dict[str, Any] | None:
        place = int(self._ids.searchsorted(sequence_id))
        if place == len(self._ids) or int(self._ids[place]) != sequence_id:
            return None
        row: dict[str, Any] = self._table.slice(place, 1).to_pylist()[0]
        return row


def _read(store: Store) -> pa.Table:
    try:
        file = pq.ParquetFile(StoredFile(store, RESULTS), read_dictionary=_REPEATED)
        version = (file.schema_arrow.metadata or {}).get(b"format_version", b"")
        check_format_version(store, RESULTS, int(version) if version.isdigit() else None, FORMAT_VERSION)
        rows = file.read(columns=[name for name in _COLUMNS if name in file.schema_arrow.names])
        pa.default_memory_pool().release_unused()
        return rows
    except (pa.ArrowException, OSError) as error:
        raise _damaged(store, RESULTS, str(error)) from None


def _read_config(store: Store) -> dict[str, Any]:
    try:
        content = json.loads(store.read(CONFIG))
    except ValueError as error:
        raise _damaged(store, CONFIG, str(error)) from None
    if not isinstance(content, dict):
        raise _damaged(store, CONFIG, "no JSON object")
    return content


def _damaged(store: Store, path: str, found: str) -> StoreError:
    what = f"{store.location}/{path} cannot be read"
    return StoreError(what, found=found[:200], do="Run `triage run`, or materialize worklists: it is made again.")
