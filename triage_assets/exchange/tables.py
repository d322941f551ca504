"""The split as one file, for a spreadsheet or a notebook.

What lives here: writing it, whole or not at all. What does not: which rows (`selection`), and columns that are safe to
open (`worklists.spreadsheet`).
"""

import codecs
import io
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from triage_assets.errors import ExchangeError
from triage_assets.exchange.new_folder import require_free
from triage_assets.exchange.selection import Selection, StoredWorklists
from triage_assets.store import Store
from triage_assets.worklists.spreadsheet import flatten

_ROWS_AT_ONCE = 10_000


def export_table(store: Store, file: Path, form: Literal["parquet", "csv"], selection: Selection | None = None) -> int:
    """Write the rows of results.parquet that are selected into a new file, and return how many they are.

    Raises `ExchangeError`, `NoWorklists`, `WorklistsUnusable`, `StoreError`.
    """
    require_free(file)
    rows = StoredWorklists(store).results(selection or Selection())
    half = file.with_name(f"{file.name}.half")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with half.open("wb") as sink:
                _write_csv(rows, sink) if form == "csv" else pq.write_table(rows, sink, compression="zstd")
            half.rename(file)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        raise ExchangeError(
            f"{file} cannot be written", found=error.strerror or str(error), do="Make room, or name another file."
        ) from error
    return len(rows)


def _write_csv(rows: pa.Table, sink: io.BufferedWriter) -> None:
    sink.write(codecs.BOM_UTF8)
    for start in range(0, max(len(rows), 1), _ROWS_AT_ONCE):
        options = pyarrow.csv.WriteOptions(include_header=start == 0)
        pyarrow.csv.write_csv(flatten(rows.slice(start, _ROWS_AT_ONCE)), sink, options)
