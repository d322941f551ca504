"""Which shard holds a sequence or a detection: an organization's ids as sorted arrays, kept in step with its catalog.

What lives here: building the arrays, shard by shard, and noticing that the catalog has changed. What does not: the rows
themselves (`shard_index`), and which organization to ask (`library`).

A sequence takes 12 bytes and a frame 4 (8 where a shard's ids lie further apart than 4 billion).
"""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from triage_assets.errors import ShardError, StoreError
from triage_assets.shards.catalog import Catalog, ShardEntry, catalog_path, decode_catalog, load_catalog, load_index
from triage_assets.store import Store

logger = logging.getLogger(__name__)

# How long a catalog is believed without another look at it.
_LOOK_EVERY_SECONDS = 1.0
_SMALL = 2**32


@dataclass(frozen=True, slots=True)
class _ShardIds:
    """What one shard holds. ``detections`` are sorted distances from ``first_detection``."""

    sequences: NDArray[np.int64]
    first_detection: int
    detections: NDArray[np.uint32] | NDArray[np.int64]

    def has_detection(self, detection_id: int) -> bool:
        distance = detection_id - self.first_detection
        if not len(self.detections) or not 0 <= distance <= int(self.detections[-1]):
            return False
        place = int(self.detections.searchsorted(self.detections.dtype.type(distance)))
        return int(self.detections[place]) == distance


_ByShard = Mapping[tuple[str, str], _ShardIds]


@dataclass(frozen=True, slots=True)
class _State:
    """One catalog and the ids in its shards: never changed, only replaced.

    ``sequences`` are sorted, and ``newest`` has for each the place of its newest shard in ``shards``. ``damaged`` are
    the shards whose index cannot be read.
    """

    catalog: bytes | None = None
    shards: tuple[ShardEntry, ...] = ()
    ids: _ByShard = field(default_factory=dict)
    damaged: tuple[str, ...] = ()
    sequences: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    newest: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))


class OrganizationDirectory:
    """One organization's live shards. May be asked by many threads at once."""

    def __init__(self, store: Store, organization_key: str) -> None:
        self._store = store
        self._key = organization_key
        self._lock = threading.Lock()
        self._state = _State()
        self._looked_at = float("-inf")

    @property
    def damaged(self) -> tuple[str, ...]:
        """The shards whose index cannot be read, so that nothing in them is found."""
        return self._state.damaged

    @property
    def nbytes(self) -> int:
        """What the arrays take."""
        state = self._state
        ids = sum(ids.sequences.nbytes + ids.detections.nbytes for ids in state.ids.values())
        return ids + state.sequences.nbytes + state.newest.nbytes

    def refresh(self, *, at_once: bool = False) -> None:
        """Look whether the catalog has changed, where that was not done within the last second or ``at_once``.

        A catalog that cannot be read raises `ShardError` or `NewerFormat` where nothing is known yet; later, what is
        known is gone on with.
        """
        if not at_once and time.monotonic() - self._looked_at < _LOOK_EVERY_SECONDS:
            return
        # Whoever comes while another thread looks is served from what is known, unless nothing is.
        is_new = self._looked_at == float("-inf")
        if self._lock.acquire(blocking=at_once or is_new):
            try:
                if at_once or time.monotonic() - self._looked_at >= _LOOK_EVERY_SECONDS:
                    self._state = self._look(self._state)
                    self._looked_at = time.monotonic()
            except (ShardError, StoreError) as error:
                if self._state.catalog is None:
                    raise
                logger.warning("%s", error)
                self._looked_at = time.monotonic()
            finally:
                self._lock.release()

    def shard_of(self, sequence_id: int) -> ShardEntry | None:
        """The newest shard that holds a sequence, as far as was looked."""
        state = self._state
        place = int(state.sequences.searchsorted(sequence_id))
        if place == len(state.sequences) or int(state.sequences[place]) != sequence_id:
            return None
        return state.shards[int(state.newest[place])]

    def shards_with(self, detection_id: int) -> list[ShardEntry]:
        """The shards that hold a detection, the newest first, live there or not."""
        state = self._state
        known = ((shard, state.ids.get(_name(shard))) for shard in reversed(state.shards))
        return [shard for shard, ids in known if ids and ids.has_detection(detection_id)]

    def _look(self, before: _State) -> _State:
        data = self._store.read_or_none(catalog_path(self._key))
        if data is not None and data == before.catalog and not before.damaged:
            return before
        catalog = load_catalog(self._store, self._key) if data is None else decode_catalog(self._store, self._key, data)
        return _build(self._store, catalog or Catalog(organization_key=self._key), data, before.ids)


def _build(store: Store, catalog: Catalog, data: bytes | None, known: _ByShard) -> _State:
    """The state of a catalog; only the indexes of shards that are not ``known`` are read."""
    ids: dict[tuple[str, str], _ShardIds] = {}
    damaged = []
    for shard in catalog.shards:
        name = _name(shard)
        try:
            ids[name] = known.get(name) or _read_ids(store, catalog.organization_key, shard)
        except ShardError as error:
            logger.warning("%s", error)
            damaged.append(shard.name)
    places = [(place, ids[_name(shard)]) for place, shard in enumerate(catalog.shards) if _name(shard) in ids]
    sequences, newest = _newest([(place, found.sequences) for place, found in places])
    return _State(data, catalog.shards, ids, tuple(damaged), sequences, newest)


def _read_ids(store: Store, organization_key: str, shard: ShardEntry) -> _ShardIds:
    table = load_index(store, organization_key, shard, ["sequence_id", "detection_id"])
    detections: NDArray[np.int64] = np.sort(table["detection_id"].to_numpy())
    first = int(detections[0]) if len(detections) else 0
    is_close = len(detections) > 0 and int(detections[-1]) - first < _SMALL
    distances = (detections - first).astype(np.uint32) if is_close else detections - first
    return _ShardIds(np.unique(table["sequence_id"].to_numpy()), first, distances)


def _newest(parts: list[tuple[int, NDArray[np.int64]]]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """All sequences in order, and the last place at which each is found."""
    if not parts:
        return np.empty(0, np.int64), np.empty(0, np.int32)
    every = np.concatenate([ids for _, ids in parts])
    places = np.repeat(np.array([place for place, _ in parts], np.int32), [len(ids) for _, ids in parts])
    order = np.lexsort((places, every))
    every, places = every[order], places[order]
    is_last = np.append(every[1:] != every[:-1], True)
    return every[is_last], places[is_last]


def _name(shard: ShardEntry) -> tuple[str, str]:
    return shard.name, shard.index_sha256
