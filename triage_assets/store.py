"""The store: where everything produced is kept, one folder or one prefix of a bucket.

What lives here: atomic writing and plain reading of named objects, and the commit protocol: nothing is visible under a
name before all of it is durable. What does not: what any object means; each package knows its own files.

Paths are relative, with forward slashes, and never leave the store.
"""

import abc
import json
import random
import time
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import urlsplit

from triage_assets.errors import NewerFormat, SettingsError, StoreError, StoreMismatch, StoreUnwritable

FORMAT_VERSION = 1
_STAMP = "store.json"
_TIMES_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object's path in the store, its size, and when it was written where that was looked up with it.

    Where times are coarse, ``tag`` tells two versions of one size apart.
    """

    path: str
    size_bytes: int
    changed_at: datetime | None = None
    tag: str | None = None


class NewObject(abc.ABC):
    """An object being written: invisible until `commit`, and no trace of it is left if that never comes.

    After `commit` the object is protected from `Store.sweep` until `close`, so that its writer can still make it
    known (in a catalog) before anyone takes it for a leftover.
    """

    path: str

    @abc.abstractmethod
    def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Append the buffers in order. Raises `StoreUnwritable`."""

    @abc.abstractmethod
    def commit(self) -> None:
        """Make the object durable and visible under its path. Raises `ObjectExists` where there is one already."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give up protection; an object that was not committed is removed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Store(abc.ABC):
    """Named objects. Every method raises `StoreError` for a path that is absolute or leaves the store."""

    location: str
    read_ahead_bytes: ClassVar[int] = 0
    """So many bytes more cost no more time than another request does."""

    @abc.abstractmethod
    def read(self, path: str) -> bytes:
        """The whole object. Raises `StoreError` where there is none."""

    @abc.abstractmethod
    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset``. Raises `StoreError` where the object is missing or shorter."""

    @abc.abstractmethod
    def find(self, path: str) -> StoredObject | None:
        """The object as it is now, as a listing has it; None where there is no such object."""

    def size(self, path: str) -> int | None:
        """The object's size in bytes, or None where there is no such object."""
        found = self.find(path)
        return None if found is None else found.size_bytes

    @abc.abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below the folder ``prefix``, in order of path; nothing that the store keeps for itself."""

    @abc.abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Create or replace the object atomically. Raises `StoreUnwritable`."""

    @abc.abstractmethod
    def update(self, path: str, change: Callable[[bytes | None], bytes]) -> bytes:
        """Replace the object by ``change(its present bytes, or None)``, atomically also between processes.

        ``change`` may be called more than once. Returns the bytes that were written.
        """

    @abc.abstractmethod
    def new_object(self, path: str) -> NewObject:
        """Start writing an object of unknown size. Raises `StoreUnwritable`."""

    @abc.abstractmethod
    def delete(self, path: str) -> None:
        """Remove the object; nothing happens where there is none."""

    @abc.abstractmethod
    def sweep(self, prefix: str, read_live: Callable[[], Container[str]]) -> tuple[str, ...]:
        """Remove what dead writers left directly in the folder ``prefix``, and return the removed paths.

        Leftovers are unfinished writes, and objects whose path is not in ``read_live()``. What belongs to a writer
        that still runs is left alone. ``read_live`` is called for each object after its writer is known to be gone:
        a catalog read any earlier may lack what that writer has made known since.
        """

    def sweep_unfinished(self, prefix: str) -> tuple[str, ...]:
        """Remove only the unfinished writes of dead writers directly in the folder ``prefix``; return their paths."""
        return self.sweep(prefix, _Everything)

    def read_or_none(self, path: str) -> bytes | None:
        """The whole object, or None where there is none."""
        return None if self.size(path) is None else self.read(path)

    def stamp(self, annotator_url: str) -> None:
        """Mark the store as belonging to one annotator, or check that it does.

        Every address on loopback counts as one annotator, the demo's. Raises `StoreMismatch`, and `NewerFormat`
        where a newer version of this project wrote the store.
        """
        self.stamp_host(annotator_host(annotator_url))

    def stamp_host(self, host: str) -> None:
        """`stamp`, by what `annotator` says of another store."""
        stored = self.annotator()
        if stored is None:
            content = {"format_version": FORMAT_VERSION, "annotator": host}
            stamp = json.dumps(content, indent=1).encode() + b"\n"
            self.update(_STAMP, lambda present: stamp if present is None else present)
            stored = self.annotator()
        if stored != host:
            raise StoreMismatch(
                f"The store {self.location} holds the backlog of another annotator",
                found=stored,
                expected=host,
                do="Name another folder in TRIAGE_STORE, or correct ANNOTATOR_API_URL.",
            )

    def annotator(self) -> str | None:
        """The host that the store was filled from (``loopback`` for the demo), None for a new store."""
        data = self.read_or_none(_STAMP)
        if data is None:
            return None
        try:
            content = json.loads(data)
        except ValueError:
            content = None
        if not isinstance(content, dict) or not isinstance(content.get("annotator"), str):
            raise StoreError(
                f"{self.location}/{_STAMP} does not say which annotator the store belongs to",
                found=repr(data[:80]),
                do=f"Restore it from a copy; or, if ANNOTATOR_API_URL is this store's annotator, delete {_STAMP}.",
            )
        check_format_version(self, _STAMP, content.get("format_version"), FORMAT_VERSION)
        return str(content["annotator"])


class _Everything:
    """Names every finished object as live."""

    def __contains__(self, path: object) -> bool:
        return True


def ends_early(store: Store, path: str, offset: int, found: int, expected: int) -> StoreError:
    """The error of a range, of so many bytes, that is not all there."""
    return StoreError(
        f"{store.location}/{path} ends too early",
        found=f"{found} bytes at offset {offset}",
        expected=f"{expected} bytes",
        do="Run `triage shards verify`.",
    )


def annotator_host(url: str) -> str:
    """The host that identifies an annotator; ``loopback`` for any address of this machine. Raises `SettingsError`."""
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname
    except ValueError:
        host = None
    if not host:
        raise SettingsError(
            "The annotator's address names no host",
            found=repr(url),
            expected="an address like https://annotationapi.example.org",
            do="Correct ANNOTATOR_API_URL.",
        )
    return "loopback" if host in ("localhost", "::1") or host.startswith("127.") else host


def check_format_version(store: Store, path: str, found: object, known: int) -> None:
    """Refuse an artefact whose format version is not a number up to ``known``: `NewerFormat` or `StoreError`."""
    if not isinstance(found, int) or found < 1:
        raise StoreError(
            f"{store.location}/{path} does not say its format version",
            found=repr(found),
            expected=f"a number up to {known}",
            do="Restore it from a copy, or delete it and run again.",
        )
    if found > known:
        raise NewerFormat(
            f"{store.location}/{path} was written by a newer version of this project",
            found=f"format version {found}",
            expected=f"at most {known}",
            do="Update triage-assets, or use another store.",
        )


def write_together(store: Store, folder: str, write: Callable[[], bool], is_whole: Callable[[], bool]) -> None:
    """Write files that are read together, again where another run has written some of them in between.

    ``write`` says whether it had to write anything, ``is_whole`` whether what is stored is of one run, be it another.
    Each run looks after it has written, so that the last one to write sees what stays. Raises `StoreUnwritable`.
    """
    for attempt in range(_TIMES_TOGETHER):
        if not write() or is_whole():
            return
        time.sleep(random.uniform(0, min(0.1 * 2**attempt, 2.0)))  # noqa: S311
    raise StoreUnwritable(
        f"The files in {store.location}/{folder} are not all of one run",
        found=f"another run that wrote some of them, {_TIMES_TOGETHER} times in a row",
        do="Run again when the other one has ended.",
    )


def path_parts(path: str) -> tuple[str, ...]:
    """The folders and the name that a path consists of. Raises `StoreError` for one that leaves the store."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise StoreError("A path would leave the store", found=repr(path), expected="a relative path below the store")
    return parts


def check_location(location: str) -> None:
    """Refuse what is neither a folder nor ``s3://bucket/prefix``. Raises `SettingsError`.

    With one slash it would be a folder named ``s3:``, in which nobody would look.
    """
    scheme, is_url, _ = location.partition("://")
    if scheme == "s3" or not (is_url or location.lower().startswith("s3:")):
        return
    raise SettingsError(
        "The address of a store is of a kind that is not known",
        found=location,
        expected="a folder or s3://bucket/prefix",
        do="Correct the address (TRIAGE_STORE).",
    )


def open_known_store(location: str) -> Store:
    """The store, proven to be of a format that is known here. Raises as `open_store`, `StoreError`, `NewerFormat`."""
    store = open_store(location)
    store.annotator()
    return store


def open_store(location: str) -> Store:
    """The store at ``s3://bucket/prefix``, or in a folder. Nothing is read or created yet. Raises `SettingsError`."""
    check_location(location)
    # Both are built on this module, and what speaks to buckets takes a while to import.
    if "://" not in location:
        from triage_assets.folder_store import FolderStore

        return FolderStore(Path(location))
    from triage_assets.bucket_store import BucketStore

    return BucketStore(location)
