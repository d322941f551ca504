"""What the backlog says of one sequence, out of snapshots of up to a million.

What lives here: finding the organization and reading that one sequence in pieces. What does not: the snapshots' form
(`triage_assets.annotator.snapshot`).
"""

import logging
from dataclasses import dataclass

import pyarrow as pa

from triage_assets.annotator.records import Sequence
from triage_assets.annotator.snapshot import SnapshotFooter, read_footer, read_sequence, snapshot_path, stored_keys
from triage_assets.errors import StoreError
from triage_assets.store import Store, StoredObject
from triage_assets.stored_file import StoredFile
from triage_viewer.frames.kept import Kept, Shelf

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
        self._footers = Shelf(_FOOTER_BYTES, self._keep_footer, lambda kept: kept.footer.metadata.serialized_size)

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
        snapshot = self._footers.get(key, at_once=at_once)
        if snapshot is None:
            return None
        return read_sequence(snapshot.footer, StoredFile(self._store, snapshot.found), sequence_id)

    def _keep_footer(self, key: str) -> Kept[_Snapshot]:
        def read(found: StoredObject) -> _Snapshot:
            return _Snapshot(found, read_footer(self._store, key, StoredFile(self._store, found)))

        return Kept(self._store, snapshot_path(key), read)
