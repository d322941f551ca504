"""A new snapshot out of the stored one: rows that stay as they are stored, beside rows that are new.

What lives here: writing both in one order, and adding sequences to a snapshot. What does not: who decides what stays,
which is the annotator's listing (`pull`), or an import, and the file's form (`snapshot`).
"""

import itertools
from collections.abc import Iterable
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from heapq import merge

import pyarrow as pa

from triage_assets.annotator.records import Detection, Sequence, SequenceRow
from triage_assets.annotator.snapshot import (
    DETECTIONS_TYPE,
    ROWS_PER_GROUP,
    SnapshotWriter,
    StoredSnapshot,
    detections_array,
    snapshot_path,
)
from triage_assets.store import Store


@dataclass(frozen=True, slots=True)
class KeptRow:
    """One row of the new snapshot; ``detections`` is None where the stored ones stay."""

    row: SequenceRow
    detections: tuple[Detection, ...] | None


def write_group(writer: SnapshotWriter, group: SequenceOf[KeptRow], stored: StoredSnapshot | None) -> pa.Array:
    """Append one row group, in ascending order of id, and return its detections."""
    fetched = detections_array([one.detections for one in group if one.detections is not None])
    staying = [one.row.id for one in group if one.detections is None]
    stay = pa.array([], DETECTIONS_TYPE) if stored is None else stored.detections(staying)
    places = {True: itertools.count(), False: itertools.count(len(fetched))}
    order = pa.array([next(places[one.detections is not None]) for one in group], pa.int64())
    detections = pa.concat_arrays([fetched, stay]).take(order)
    writer.write([one.row for one in group], detections)
    return detections


def add_sequences(store: Store, key: str, organization_name: str, stage: str, sequences: Iterable[Sequence]) -> int:
    """Add to the snapshot what it does not have, and return how many that were; what it has stays as it is.

    ``sequences`` are in ascending order of id, are read one at a time, and more than once: they are no iterator. A new
    snapshot is of ``stage``; one that is there says for itself. Raises `StoreError`, `NewerFormat`.
    """
    n_added = 0

    def add(present: bytes | None) -> bytes:
        nonlocal n_added
        stored = None if present is None else StoredSnapshot.from_bytes(store, key, present)
        known = _known_ids(stored)
        kept = () if stored is None else (KeptRow(stored.row(which), None) for which in stored.ids.tolist())
        new = (KeptRow(one.row, one.detections) for one in sequences if one.id not in known)
        name, of_stage = (organization_name, stage) if stored is None else (stored.organization.name, stored.stage)
        writer, n_rows = SnapshotWriter(key, name, of_stage), 0
        rows = merge(kept, new, key=lambda kept: kept.row.id)
        while group := list(itertools.islice(rows, ROWS_PER_GROUP)):
            write_group(writer, group, stored)
            n_rows += len(group)
        n_added = n_rows - len(known)
        return writer.finish()

    known = _known_ids(StoredSnapshot.open(store, key))
    if any(one.id not in known for one in sequences):
        store.update(snapshot_path(key), add)
    return n_added


def _known_ids(stored: StoredSnapshot | None) -> frozenset[int]:
    return frozenset(() if stored is None else stored.ids.tolist())
