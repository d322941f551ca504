"""Finding and reading frames: from a number in an address to bytes out of a shard.

What lives here: which organization to look in, and one more look where the store has changed in between. What does
not: an organization's shards (`directory`) and their rows (`shard_index`).
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

from triage_assets.errors import NotStored, ShardError, ShardGone, StoreError, TriageError
from triage_assets.shards.catalog import stored_organizations, tar_path
from triage_assets.shards.meta import SequenceMeta, decode_meta
from triage_assets.store import Store
from triage_viewer.frames.directory import OrganizationDirectory
from triage_viewer.frames.records import ImageBytes, LiveFrame, LiveSequence
from triage_viewer.frames.shard_index import ShardIndexes

logger = logging.getLogger(__name__)

_INDEX_BYTES = 64_000_000  # the indexes of about 40 full shards
_LIST_EVERY_SECONDS = 1.0

Guess = Callable[[int], str | None]
"""The organization that a sequence probably belongs to, by its id."""


def no_image(frame: LiveFrame) -> NotStored:
    """The error for a frame that is known to have no image."""
    what = f"Frame {frame.detection_id} of sequence {frame.sequence_id} has no image"
    return NotStored(f"{what}: {frame.unusable_reason}")


class FrameLibrary:
    """The live frames of a store. May be asked by many threads at once; nothing is read before the first question."""

    def __init__(self, store: Store, guess: Guess, *, index_bytes: int = _INDEX_BYTES) -> None:
        self._store = store
        self._guess = guess
        self._indexes = ShardIndexes(store, index_bytes)
        self._directories: dict[str, OrganizationDirectory] = {}
        self._lock = threading.Lock()
        self._listed_at = float("-inf")
        self._keys: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """What is kept in memory of directories and indexes."""
        return self._indexes.nbytes + sum(directory.nbytes for directory in list(self._directories.values()))

    def sequence(self, sequence_id: int) -> LiveSequence:
        """All frames of a sequence. Raises `NotStored`, `ShardError`, `StoreError`."""
        unreadable: list[TriageError] = []
        for key, directory in self._candidates(sequence_id):
            try:
                found = self._in_directory(key, directory, sequence_id)
            except (ShardError, StoreError) as error:
                unreadable.append(error)
                continue
            if found:
                return found
        raise self._not_stored(f"No shard holds sequence {sequence_id}", unreadable)

    def frame(self, detection_id: int, sequence_id: int | None = None) -> LiveFrame:
        """One frame, of the named sequence or of any. Raises `NotStored`, `ShardError`, `StoreError`."""
        if sequence_id is None:
            return self._frame_of_any(detection_id)
        for frame in self.sequence(sequence_id).frames:
            if frame.detection_id == detection_id:
                return frame
        raise NotStored(f"Sequence {sequence_id} has no stored frame {detection_id}")

    def read(self, frame: LiveFrame) -> ImageBytes:
        """A frame's bytes. Where they are not what the index says, the catalog is read again and they once more.

        Raises `NotStored` for a frame without an image, `ShardGone` where its shard is not there any more.
        """
        try:
            image = self._read_once(frame)
            if image.is_intact:
                return image
        except StoreError as error:
            logger.warning("%s", error)
        self._directory(frame.organization_key).refresh(at_once=True)
        again = self.frame(frame.detection_id, frame.sequence_id)
        try:
            return self._read_once(again)
        except StoreError as error:
            logger.error("%s", error)
            if self._store.size(tar_path(again.organization_key, again.shard)) is not None:
                raise ShardError(f"Shard {again.shard} cannot be read", found=str(error)) from None
            raise ShardGone(
                f"The shard that holds frame {frame.detection_id} is gone",
                found=f"no {again.shard}.tar in the folder of {again.organization_key}",
                do="Bring it back from a copy; or run `triage shards reindex --drop-damaged`, then `triage pull`.",
            ) from None

    def read_meta(self, sequence: LiveSequence) -> SequenceMeta:
        """What a shard says of a sequence. Raises `ShardError`, `StoreError`."""
        meta = sequence.meta
        return decode_meta(self._store.read_range(tar_path(meta.organization_key, meta.shard), meta.offset, meta.size))

    def _read_once(self, frame: LiveFrame) -> ImageBytes:
        if frame.image is None:
            raise no_image(frame)
        path = tar_path(frame.organization_key, frame.shard)
        data = self._store.read_range(path, frame.image.offset, frame.image.size)
        return ImageBytes(data, hashlib.sha256(data).hexdigest() == frame.image.sha256)

    def _candidates(self, sequence_id: int) -> Iterator[tuple[str, OrganizationDirectory]]:
        """Where to look, the likeliest and cheapest first; an organization that is new to us is read for it."""
        tried = set()
        for key, directory in list(self._directories.items()):
            if directory.shard_of(sequence_id):
                tried.add(key)
                yield key, directory
        guessed = self._guess(sequence_id)
        keys = self._list_organizations()
        for key in sorted(keys, key=lambda key: key != guessed):
            if key not in tried:
                tried.add(key)
                yield key, self._directory(key)

    def _in_directory(self, key: str, directory: OrganizationDirectory, sequence_id: int) -> LiveSequence | None:
        directory.refresh()
        shard = directory.shard_of(sequence_id)
        if shard is None:
            return None
        try:
            return self._indexes.load(key, shard).sequence(sequence_id)
        except ShardError as error:
            logger.warning("%s", error)
        directory.refresh(at_once=True)
        shard = directory.shard_of(sequence_id)
        return None if shard is None else self._indexes.load(key, shard).sequence(sequence_id)

    def _frame_of_any(self, detection_id: int) -> LiveFrame:
        unreadable: list[TriageError] = []
        for key, directory in self._everywhere(detection_id):
            try:
                found = self._any_in_directory(key, directory, detection_id)
            except (ShardError, StoreError) as error:
                unreadable.append(error)
                continue
            if found:
                return found
        raise self._not_stored(f"No shard holds frame {detection_id}", unreadable)

    def _everywhere(self, detection_id: int) -> Iterator[tuple[str, OrganizationDirectory]]:
        """Every organization: the likeliest first, and last those that were not read yet."""
        known = sorted(self._directories.items(), key=lambda each: not each[1].shards_with(detection_id))
        yield from known
        for key in self._list_organizations():
            if key not in dict(known):
                yield key, self._directory(key)

    def _any_in_directory(self, key: str, directory: OrganizationDirectory, detection_id: int) -> LiveFrame | None:
        directory.refresh()
        for shard in directory.shards_with(detection_id):
            for frame in self._indexes.load(key, shard).frames(detection_id):
                if directory.shard_of(frame.sequence_id) == shard:
                    return frame
        return None

    def _not_stored(self, what: str, unreadable: list[TriageError]) -> TriageError:
        """There is no such thing; or, where not everything can be looked into, that cannot be known."""
        damaged = sum(len(directory.damaged) for directory in list(self._directories.values()))
        if unreadable:
            return unreadable[0]
        if damaged:
            return ShardError(f"{what} that can be read", found=f"{damaged} shards without a readable index")
        return NotStored(
            what, do="Run `triage pull`, in a copy `triage fetch`, to bring what is missing; or check the number."
        )

    def _list_organizations(self) -> tuple[str, ...]:
        if time.monotonic() - self._listed_at >= _LIST_EVERY_SECONDS:
            self._keys = stored_organizations(self._store)
            self._listed_at = time.monotonic()
        return self._keys

    def _directory(self, key: str) -> OrganizationDirectory:
        with self._lock:
            return self._directories.setdefault(key, OrganizationDirectory(self._store, key))
