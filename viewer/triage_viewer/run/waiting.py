"""The backlog as it is now, as arrays: who waits, to hold against what was made of it.

What lives here: reading three columns of every snapshot. What does not: the comparisons (`coverage`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triage_assets.annotator.snapshot import read_footer, snapshot_path
from triage_assets.errors import StoreError
from triage_assets.store import Store
from triage_assets.stored_file import StoredFile

_COLUMNS = ["sequence_id", "last_seen_at", "n_detections"]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """One organization's part of the backlog, under the name and of the stage that it was pulled with."""

    name: str
    stage: str
    ids: Integers
    last_seen_us: Integers
    n_detections: Integers


@dataclass(frozen=True, slots=True)
class Waiting:
    """Every sequence of the backlog once, in order of its id; ``organizations`` are places among ``keys``.

    One that is listed under two organizations is of the last of them, as in the worklists.
    """

    keys: tuple[str, ...]
    ids: Integers
    last_seen_us: Integers
    n_detections: Integers
    organizations: Integers

    def __len__(self) -> int:
        return len(self.ids)

    def count_by_organization(self, chosen: NDArray[np.bool_]) -> list[int]:
        """How many of the chosen ones are of each key."""
        counts: list[int] = np.bincount(self.organizations[chosen], minlength=len(self.keys)).tolist()
        return counts


def load_snapshot(store: Store, key: str) -> StoredSnapshot:
    """One organization's snapshot, without its detections. Raises `StoreError`, and `NewerFormat`."""
    try:
        source = StoredFile.open(store, snapshot_path(key))
        metadata = read_footer(store, key, source).metadata
        with pq.ParquetFile(source, metadata=metadata) as file:
            rows = file.read(columns=_COLUMNS, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"The backlog of {key} cannot be read", found=str(error)[:200]) from None
    stamp = metadata.metadata or {}
    return StoredSnapshot(
        name=stamp.get(b"organization_name", b"").decode(errors="replace"),
        stage=stamp.get(b"stage", b"").decode(errors="replace"),
        ids=rows["sequence_id"].to_numpy(),
        last_seen_us=rows["last_seen_at"].cast(pa.int64()).to_numpy(),
        n_detections=rows["n_detections"].cast(pa.int64()).to_numpy(),
    )


def join_snapshots(snapshots: Sequence[tuple[str, StoredSnapshot]]) -> Waiting:
    """The snapshots by key, as one."""
    parts = [snapshot for _, snapshot in snapshots]
    places = np.repeat(np.arange(len(parts)), [len(part.ids) for part in parts])
    ids = _concatenate([part.ids for part in parts])
    order = np.argsort(ids, kind="stable")
    order = order[np.append(np.diff(ids[order]) != 0, True)] if len(order) else order
    return Waiting(
        keys=tuple(key for key, _ in snapshots),
        ids=ids[order],
        last_seen_us=_concatenate([part.last_seen_us for part in parts])[order],
        n_detections=_concatenate([part.n_detections for part in parts])[order],
        organizations=places[order],
    )


def _concatenate(arrays: Sequence[Integers]) -> Integers:
    return np.concatenate([np.empty(0, np.int64), *arrays])
