"""Proving shards: every byte of every archive against its index, and every index against its catalog.

What lives here: looking, and the report of every fault found. What does not: mending, which is `reindex`'s.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from triage_assets.errors import NewerFormat, ShardError, TriageError
from triage_assets.progress import Progress, report_progress
from triage_assets.shards.catalog import (
    REINDEX,
    Catalog,
    ShardEntry,
    live_objects,
    load_catalog,
    load_index,
    shards_folder,
    stored_organizations,
    tar_path,
)
from triage_assets.shards.index import INDEX_SCHEMA, IndexBuilder
from triage_assets.shards.scan import DAMAGED, ReadRange, ScannedSequence, changed_images, scan_shard, scanned_rows
from triage_assets.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was read, and every fault found in it: a fault is an error that was not raised.

    ``leftovers`` are paths that no catalog names: what a run that was killed left, or another is writing now. They
    count for nothing and the next run removes them.
    """

    n_organizations: int
    n_shards: int
    n_sequences: int
    n_frames: int
    n_bytes: int
    faults: tuple[TriageError, ...]
    leftovers: tuple[str, ...]


def verify_shards(
    store: Store, organization_keys: Iterable[str] | None = None, progress: Progress | None = None
) -> VerifyReport:
    """Read every live shard of the named organizations, or of all, and report all faults; nothing is changed.

    Memory is that of one shard's index and a few MB. ``n_sequences`` and ``n_frames`` count what the archives hold.
    """
    progress = progress or report_progress(_log.info)
    keys = stored_organizations(store) if organization_keys is None else tuple(organization_keys)
    faults: list[TriageError] = []
    leftovers: list[str] = []
    work: list[tuple[str, ShardEntry]] = []
    for key in keys:
        try:
            catalog = load_catalog(store, key) or Catalog(organization_key=key)
        except (ShardError, NewerFormat) as error:
            faults.append(error)
            continue
        live = live_objects(catalog)
        leftovers += [stored.path for stored in store.list(shards_folder(key)) if stored.path not in live]
        work += [(key, shard) for shard in catalog.shards]
    n_sequences = n_frames = n_bytes = 0
    total = sum(shard.n_frames for _, shard in work)
    for key, shard in work:
        check = ShardCheck(store, key, shard)
        for sequence in check:
            n_sequences += 1
            n_frames += len(sequence.images)
            progress("frames", n_frames, total)
        n_bytes += store.size(tar_path(key, shard.name)) or 0
        faults += check.faults
    return VerifyReport(len(keys), len(work), n_sequences, n_frames, n_bytes, tuple(faults), tuple(leftovers))


def find_faults(store: Store, organization_key: str, shard: ShardEntry, read: ReadRange) -> tuple[TriageError, ...]:
    """Every fault of one shard, its archive read through ``read`` (see `scan_shard`)."""
    check = ShardCheck(store, organization_key, shard, read)
    for _ in check:
        pass
    return tuple(check.faults)


def check_layout(store: Store, organization_key: str) -> str | None:
    """The first fault that shows without reading an archive: catalog, indexes, their counts and sizes; None if none."""
    try:
        catalog = load_catalog(store, organization_key)
        for shard in catalog.shards if catalog else ():
            index = load_index(store, organization_key, shard, ["offset"])
            fault = _size_fault(store, organization_key, shard) or _count_fault(organization_key, shard, index)
            if fault is not None:
                return str(fault)
    except (ShardError, NewerFormat) as error:
        return str(error)
    return None


class ShardCheck:
    """One shard's sequences as its archive holds them; once they are used up, ``faults`` has all that is wrong."""

    def __init__(self, store: Store, organization_key: str, shard: ShardEntry, read: ReadRange | None = None) -> None:
        self.faults: list[TriageError] = []
        self._read = read
        self._store = store
        self._key = organization_key
        self._shard = shard

    def __iter__(self) -> Iterator[ScannedSequence]:
        rows = IndexBuilder()
        meta_digest = hashlib.sha256()
        n_sequences = 0
        size_fault = _size_fault(self._store, self._key, self._shard)
        try:
            for sequence in scan_shard(self._store, self._key, self._shard.name, self._read):
                rows.append(scanned_rows(sequence))
                meta_digest.update(sequence.meta_bytes)
                n_sequences += 1
                self.faults += changed_images(tar_path(self._key, self._shard.name), sequence)
                yield sequence
        except TriageError as error:
            self.faults.append(error)
            return
        if size_fault is not None:
            self.faults.append(size_fault)
        found = (n_sequences, meta_digest.hexdigest())
        expected = (self._shard.n_sequences, self._shard.meta_sha256)
        if found != expected:
            self._fault(
                "its sequences are not those that the catalog names",
                f"{found[0]} with meta.json of sha256 {found[1]}",
                f"{expected[0]} with {expected[1]}",
                DAMAGED,
            )
        self._compare_index(rows.table())

    def _compare_index(self, found: pa.Table) -> None:
        try:
            index = load_index(self._store, self._key, self._shard)
        except (ShardError, NewerFormat) as error:
            self.faults.append(error)
            return
        count_fault = _count_fault(self._key, self._shard, index)
        if count_fault is not None:
            self.faults.append(count_fault)
        if len(found) != len(index):
            self._fault(f"{len(found)} frames", None, f"{len(index)} as its index says", REINDEX)
            return
        for name in INDEX_SCHEMA.names:
            # An index is rebuilt with sizes in pixels, which an archive does not say without decoding its images.
            if name in ("width", "height") or found[name].equals(index[name].cast(found[name].type)):
                continue
            ours, theirs = found[name].to_pylist(), index[name].to_pylist()
            row = next(row for row, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
            where = f"{name} of detection {found['detection_id'][row]}"
            self._fault(f"its index disagrees in {where}", ours[row], f"{theirs[row]} as the index says", REINDEX)

    def _fault(self, what: str, found: object, expected: object, do: str) -> None:
        path = tar_path(self._key, self._shard.name)
        self.faults.append(ShardError(f"shard {path}: {what}", found=found, expected=expected, do=do))


def _size_fault(store: Store, organization_key: str, shard: ShardEntry) -> ShardError | None:
    path = tar_path(organization_key, shard.name)
    size = store.size(path)
    if size == shard.tar_bytes:
        return None
    found = "no such file" if size is None else f"{size} bytes"
    return ShardError(
        f"shard {path} is not as it was sealed", found=found, expected=f"{shard.tar_bytes} bytes", do=DAMAGED
    )


def _count_fault(organization_key: str, shard: ShardEntry, index: pa.Table) -> ShardError | None:
    n_unusable = index["offset"].null_count
    if (len(index) - n_unusable, n_unusable) == (shard.n_frames, shard.n_unusable):
        return None
    return ShardError(
        f"shard {tar_path(organization_key, shard.name)}: its index and the catalog count differently",
        found=f"{len(index) - n_unusable} usable and {n_unusable} unusable frames in the index",
        expected=f"{shard.n_frames} and {shard.n_unusable}",
        do=REINDEX,
    )
