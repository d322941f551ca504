"""Compaction: many small shards become few, byte for byte, while others read and pack.

What lives here: the merging of shards into one that takes their place in the catalog. What does not: which shards are
due (`merge_policy`), how a shard comes to be (`new_shard`), and when those that were merged are removed (`collection`).
"""

import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from triage_assets.errors import NewerFormat, ObjectExists, ShardError, StoreError, TriageError
from triage_assets.images import ImageSize
from triage_assets.progress import Progress, report_progress
from triage_assets.shards.catalog import (
    Catalog,
    ShardEntry,
    change_catalog,
    load_catalog,
    load_index,
    shard_number,
    stored_organizations,
    sweep_leftovers,
)
from triage_assets.shards.format import BLOCK
from triage_assets.shards.merge_policy import MOST_SMALL, plan_merges
from triage_assets.shards.new_shard import NewShard, Overtaken, encode_members, open_shard, shares_sequences
from triage_assets.shards.scan import ScannedSequence, scanned_rows
from triage_assets.shards.verify import ShardCheck
from triage_assets.shards.writer import SEAL_BYTES
from triage_assets.store import Store

logger = logging.getLogger(__name__)

_Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What was merged. ``unmerged`` says what is wrong with each shard, as organization and name, that cannot be read.

    Where it is the catalog that cannot, that is said of the organization.
    ``n_shards`` are live afterwards, ``n_retired`` of before were replaced, ``n_written`` took their place.
    """

    n_organizations: int
    n_shards: int
    n_retired: int
    n_written: int
    bytes_written: int
    unmerged: Mapping[str, str]


def compact_shards(
    store: Store,
    organization_keys: Iterable[str] | None = None,
    *,
    now: datetime,
    largest: int = SEAL_BYTES,
    most_small: int = MOST_SMALL,
    progress: Progress | None = None,
) -> CompactionReport:
    """Merge the small shards of the named organizations, or of all, as far as `plan_merges` finds too many of them.

    Every byte of a shard is proven while it is copied, and each merge is live before the next begins. A shard with any
    fault is left as it is, and the others are merged. Memory is that of one sequence, of the merged shard's index and a
    few MB. Raises `StoreError` where the store cannot be read or written.
    """
    progress = progress or report_progress(logger.info)
    keys = stored_organizations(store) if organization_keys is None else tuple(organization_keys)
    organizations = [_Organization(store, key, now, largest, most_small, progress) for key in keys]
    unmerged: dict[str, str] = {}
    for organization in organizations:
        try:
            organization.compact()
        except (ShardError, NewerFormat) as fault:
            unmerged[organization.key] = str(fault)
        unmerged |= {f"{organization.key}/{name}": str(fault) for name, fault in organization.faults.items()}
    return CompactionReport(
        n_organizations=len(keys),
        n_shards=sum(each.n_shards for each in organizations),
        n_retired=sum(len(each.retired - each.written.keys()) for each in organizations),
        n_written=sum(len(each.written.keys() - each.retired) for each in organizations),
        bytes_written=sum(entry.tar_bytes for each in organizations for entry in each.written.values()),
        unmerged=unmerged,
    )


class _Damaged(Exception):  # noqa: N818
    """A shard that was to be merged has a fault."""

    def __init__(self, shard: str, fault: TriageError) -> None:
        self.shard = shard
        self.fault = fault
        super().__init__(shard)


@dataclass
class _Organization:
    """One organization's shards on their way to being few."""

    store: Store
    key: str
    now: datetime
    largest: int
    most_small: int
    progress: Progress
    n_shards: int = 0
    retired: set[str] = field(default_factory=set)
    written: dict[str, ShardEntry] = field(default_factory=dict)
    faults: dict[str, TriageError] = field(default_factory=dict)
    _ids: dict[str, _Ids] = field(default_factory=dict)

    def compact(self) -> None:
        """Merge until nothing is due, or another process merges the same."""
        catalog = load_catalog(self.store, self.key)
        if catalog is not None and self._due(catalog):
            # Also what an earlier compaction left that was killed, of which this one may need the room.
            sweep_leftovers(self.store, self.key)
        is_alone = True
        while is_alone and catalog is not None and (due := self._due(catalog)):
            try:
                for sources in due:
                    self._merge(catalog, sources)
            except _Damaged as damaged:
                logger.warning("%s/%s is not merged: %s", self.key, damaged.shard, damaged.fault)
                self.faults[damaged.shard] = damaged.fault
            except (Overtaken, ObjectExists):
                logger.info("%s: another run changes the same shards, the rest is left to it", self.key)
                is_alone = False
            catalog = load_catalog(self.store, self.key)
        self.n_shards = len(catalog.shards) if catalog else 0

    def _due(self, catalog: Catalog) -> list[list[ShardEntry]]:
        """The shards to merge now, those that become one together and oldest first.

        What a merged shard holds is as new as the newest that went into it. So none is merged with others across one
        whose sequences are not known, because that is damaged: it may hold newer frames of a sequence than they do.
        """
        unknown = {shard.name for shard in catalog.shards if shard.name in self.faults and shard.name not in self._ids}
        borders = sorted(map(shard_number, {*catalog.dropped, *unknown}))
        stretches: dict[int, list[ShardEntry]] = {}
        for shard in catalog.shards:
            number = shard_number(shard.name)
            if shard.name not in self.faults and number not in borders:
                stretches.setdefault(int(np.searchsorted(borders, number)), []).append(shard)
        return [
            [stretch[position] for position in positions]
            for stretch in stretches.values()
            for positions in plan_merges([shard.tar_bytes for shard in stretch], self.largest, self.most_small)
        ]

    def _read_ids(self, catalog: Catalog) -> None:
        """Which sequences each shard holds. Raises `_Damaged` for an index that cannot be read: less may be due."""
        for shard in catalog.shards:
            if shard.name not in self._ids and shard.name not in self.faults:
                try:
                    table = load_index(self.store, self.key, shard, ["sequence_id"])
                except (ShardError, NewerFormat) as fault:
                    raise _Damaged(shard.name, fault) from None
                self._ids[shard.name] = np.unique(table["sequence_id"].to_numpy())

    def _merge(self, planned: Catalog, sources: Sequence[ShardEntry]) -> None:
        """Put one shard in the place of several. Raises `_Damaged`, `Overtaken`, `ObjectExists`."""
        catalog = load_catalog(self.store, self.key) or Catalog(organization_key=self.key)
        if catalog.dropped != planned.dropped or not all(source in catalog.shards for source in sources):
            raise Overtaken
        self._read_ids(catalog)
        live = {source.name: self._live_sequences(catalog, source) for source in sources}
        switch = _Switch(self.store, self.key, catalog, sources, self.now)
        if any(map(len, live.values())):
            names = [source.name for source in sources]
            # Newer than all of them by its name, also to whoever has both: a copy, or an index without its catalog.
            new = open_shard(self.store, self.key, switch.number, " ".join(names).encode(), after=max(names))
            try:
                for source in sources:
                    if len(live[source.name]):
                        self._copy(source, frozenset(live[source.name].tolist()), new)
            except BaseException:
                new.close()
                raise
            self.written[new.name] = new.seal(switch)
            self._ids[new.name] = np.unique(np.concatenate(list(live.values())))
        else:
            change_catalog(self.store, self.key, switch)
        self.retired.update(source.name for source in sources)

    def _live_sequences(self, catalog: Catalog, source: ShardEntry) -> _Ids:
        """Which of a shard's sequences no newer shard holds."""
        live = self._ids[source.name]
        for newer in catalog.shards[catalog.shards.index(source) + 1 :]:
            live = live[~np.isin(live, self._ids.get(newer.name, live[:0]))]
        return live

    def _copy(self, source: ShardEntry, wanted: Container[int], new: NewShard) -> None:
        """Append the wanted sequences of a shard, every byte of which is proven on the way. Raises `_Damaged`.

        Raises `StoreError` where the store cannot be read at all.
        """
        sizes = self._image_sizes(source)
        check = ShardCheck(self.store, self.key, source)
        for sequence in check:
            if sequence.meta.sequence_id in wanted:
                _append(new, sequence, sizes)
            self.progress("sequences", new.n_sequences, None)
        for fault in check.faults:
            if isinstance(fault, StoreError) and not isinstance(fault, NewerFormat):
                raise fault  # it is not the shard that is at fault
            raise _Damaged(source.name, fault)

    def _image_sizes(self, source: ShardEntry) -> Mapping[tuple[int, int], ImageSize]:
        try:
            table = load_index(
                self.store, self.key, source, ["sequence_id", "detection_id", "width", "height"]
            ).drop_null()
        except ShardError as fault:
            raise _Damaged(source.name, fault) from None
        columns = (table[name].to_pylist() for name in ("sequence_id", "detection_id", "width", "height"))
        return {(sequence, detection): ImageSize(*size) for sequence, detection, *size in zip(*columns, strict=True)}


def _append(new: NewShard, sequence: ScannedSequence, sizes: Mapping[tuple[int, int], ImageSize]) -> None:
    """Write a sequence as it is, with the index rows that it has where it comes to lie."""
    moved = new.size - (sequence.meta_offset - BLOCK)
    images = tuple(replace(image, offset=image.offset + moved) for image in sequence.images)
    there = replace(sequence, meta_offset=sequence.meta_offset + moved, images=images)
    # Without a row in the index the shard has a fault, which shows at its end.
    found = [sizes.get((sequence.meta.sequence_id, image.detection_id), ImageSize(0, 0)) for image in images]
    files = ((image.member.removeprefix(f"{sequence.folder}/"), image.content) for image in images)
    members = encode_members(sequence.folder, sequence.meta_bytes, files)
    new.append(members, sequence.meta_bytes, scanned_rows(there, found))


@dataclass(frozen=True, slots=True)
class _Switch:
    """The change of the catalog that puts a merged shard in the place of its sources.

    The merged shard has the number of the newest source. All that it holds was live when ``planned`` was the catalog,
    so a shard that comes later and holds newer frames of a sequence must have a higher number. That is so, unless it
    was begun long before by a run that does not know the sources.
    """

    store: Store
    key: str
    planned: Catalog
    sources: Sequence[ShardEntry]
    at: datetime

    @property
    def number(self) -> int:
        """The number of the merged shard."""
        return max(shard_number(source.name) for source in self.sources)

    def __call__(self, now: Catalog, merged: ShardEntry | None = None, rows: pa.Table | None = None) -> Catalog:
        known = {shard.name for shard in self.planned.shards}
        names = {shard.name for shard in now.shards}
        if not all(source.name in names for source in self.sources):
            raise Overtaken
        for shard in now.shards:
            is_rival = shard.name not in known and shard_number(shard.name) <= self.number
            if is_rival and rows is not None and shares_sequences(self.store, self.key, shard, rows):
                raise Overtaken
        return now.with_merged(self.sources, merged, self.at)
