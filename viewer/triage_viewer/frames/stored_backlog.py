"""What the backlog says of one sequence, out of snapshots of up to a million.

What lives here: finding the organization and reading that one sequence in pieces. What does not: the snapshots' form
(`triage_assets.annotator.snapshot`).
"""

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass

import pyarrow as pa

from triage_assets.annotator.records import Sequence
from triage_assets.annotator.snapshot import SnapshotFooter, read_footer, read_sequence, snapshot_path, stored_keys
from triage_assets.errors import StoreError
from triage_assets.store import Store, StoredObject
from triage_assets.stored_file import StoredFile
from triage_viewer.frames.kept import Kept

logger = logging.getLogger(__name__)

# As they are stored; in memory they take about three times as much. A million sequences have 7 MB.
_FOOTER_BYTES = 12_000_000


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """A snapshot as it was found, and where in it what is."""

    found: StoredObject
    footer: SnapshotFooter


class StoredBacklog:
    """The present snapshots. May be asked by many threads at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._footers: OrderedDict[str, Kept[_Snapshot]] = OrderedDict()
        self._sizes: dict[str, int] = {}

    def find(self, sequence_id: int, key: str | None) -> tuple[str, Sequence] | None:
        """The sequence with its organization, which is ``key`` where that is known. Raises `StoreError`."""
        for each in stored_keys(self._store) if key is None else (key,):
            found = self._read(each, sequence_id)
            if found is not None:
                return each, found
        return None

    def _read(self, key: str, sequence_id: int) -> Sequence | None:
        try:
            return self._read_once(key, sequence_id, at_once=False)
        except (pa.ArrowException, StoreError, OSError) as error:
            # A pull may have put another snapshot in its place since the footer was read.
            logger.info("Reading the backlog of %s again: %s", key, error)
        try:
            return self._read_once(key, sequence_id, at_once=True)
        except (pa.ArrowException, OSError) as error:
            raise StoreError(f"The backlog of {key} cannot be read", found=str(error)[:200]) from None

    def _read_once(self, key: str, sequence_id: int, *, at_once: bool) -> Sequence | None:
        snapshot = self._footer(key).get(at_once=at_once)
        if snapshot is None:
            return None
        self._make_room(key, snapshot.footer.metadata.serialized_size)
        return read_sequence(snapshot.footer, StoredFile(self._store, snapshot.found), sequence_id)

    def _footer(self, key: str) -> Kept[_Snapshot]:
        def read(found: StoredObject) -> _Snapshot:
            return _Snapshot(found, read_footer(self._store, key, StoredFile(self._store, found)))

        with self._lock:
            if key not in self._footers:
                self._footers[key] = Kept(self._store, snapshot_path(key), read)
            self._footers.move_to_end(key)
            return self._footers[key]

    def _make_room(self, key: str, size: int) -> None:
        """Forget the footers that were asked for longest ago, never the one that is asked for now."""
        with self._lock:
            self._sizes[key] = size
            for oldest in [each for each in self._footers if each != key]:
                if sum(self._sizes.values()) <= _FOOTER_BYTES:
                    break
                del self._footers[oldest]
                self._sizes.pop(oldest, None)
