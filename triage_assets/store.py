"""The store: where everything produced is kept, one folder (or, through the same interface, one bucket prefix).

What lives here: atomic writing and plain reading of named objects, and the commit protocol: write under a temporary
name, flush to disk once, give it its name. What does not: what any object means; each package knows its own files.

Paths are relative, with forward slashes, and never leave the store.
"""

import abc
import errno
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from typing_extensions import override

from triage_assets.errors import NewerFormat, SettingsError, StoreError, StoreMismatch, StoreUnwritable

FORMAT_VERSION = 1
_STAMP = "store.json"
_TEMPORARY_SUFFIX = ".tmp"
_LOCK_SUFFIX = ".lock"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object's path in the store and its size."""

    path: str
    size_bytes: int


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
        """Make the object durable and visible under its path. Raises `StoreError` where one exists already."""

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

    @abc.abstractmethod
    def read(self, path: str) -> bytes:
        """The whole object. Raises `StoreError` where there is none."""

    @abc.abstractmethod
    def read_range(self, path: str, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes from ``offset``. Raises `StoreError` where the object is missing or shorter."""

    @abc.abstractmethod
    def size(self, path: str) -> int | None:
        """The object's size in bytes, or None where there is no such object."""

    @abc.abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below the folder ``prefix``, in order of path; no temporary or lock files."""

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

    def read_or_none(self, path: str) -> bytes | None:
        """The whole object, or None where there is none."""
        return None if self.size(path) is None else self.read(path)

    def stamp(self, annotator_url: str) -> None:
        """Mark the store as belonging to one annotator, or check that it does.

        Every address on loopback counts as one annotator, the demo's. Raises `StoreMismatch`, and `NewerFormat`
        where a newer version of this project wrote the store.
        """
        host = annotator_host(annotator_url)
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


def open_store(location: str) -> Store:
    """The store at a folder path. Nothing is read or created yet."""
    if location.startswith("s3://"):
        raise SettingsError(
            "TRIAGE_STORE names a bucket, and this version keeps its store in a folder only",
            found=location,
            expected="a folder",
            do="Set TRIAGE_STORE to a folder.",
        )
    return FolderStore(Path(location))


class FolderStore(Store):
    """A store in a local folder. Locks are held with flock: they die with the process that holds them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)

    @override
    def read(self, path: str) -> bytes:
        with self._reading(path):
            return self._file(path).read_bytes()

    @override
    def read_range(self, path: str, offset: int, size: int) -> bytes:
        with self._reading(path):
            descriptor = os.open(self._file(path), os.O_RDONLY)
            try:
                data = os.pread(descriptor, size, offset)
            finally:
                os.close(descriptor)
        if len(data) != size:
            raise StoreError(
                f"{self.location}/{path} ends too early",
                found=f"{len(data)} bytes at offset {offset}",
                expected=f"{size} bytes",
                do="Run `triage shards verify`.",
            )
        return data

    @override
    def size(self, path: str) -> int | None:
        with self._reading(path):
            try:
                found = self._file(path).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    @override
    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = self._file(prefix) if prefix else self.root
        paths = [file.relative_to(self.root).as_posix() for file in folder.rglob("*") if not _is_internal(file.name)]
        for path in sorted(paths):
            size = self.size(path)
            if size is not None:  # a folder, or removed since it was listed
                yield StoredObject(path, size)

    @override
    def write(self, path: str, data: bytes) -> None:
        with _NewFile(self, path) as new:
            new.write([data])
            new.commit(replace=True)

    @override
    def update(self, path: str, change: Callable[[bytes | None], bytes]) -> bytes:
        with self._locked(path):
            data = change(self.read_or_none(path))
            self.write(path, data)
            return data

    @override
    def new_object(self, path: str) -> NewObject:
        return _NewFile(self, path)

    @override
    def delete(self, path: str) -> None:
        with self._as_store_error(path):
            self._file(path).unlink(missing_ok=True)

    @override
    def sweep(self, prefix: str, read_live: Callable[[], Container[str]]) -> tuple[str, ...]:
        folder = self._file(prefix)
        if not folder.is_dir():
            return ()
        # Most objects are live; one reading of the catalog spares them the lock.
        known = read_live()
        removed = []
        for file in sorted(folder.iterdir()):
            path = file.relative_to(self.root).as_posix()
            unfinished = _is_internal(file.name) and file.name.endswith(_TEMPORARY_SUFFIX)
            if not unfinished and (_is_internal(file.name) or path in known or not file.is_file()):
                continue
            with self._as_store_error(path), _abandoned(file) as abandoned:
                if abandoned and (unfinished or path not in read_live()):
                    file.unlink(missing_ok=True)
                    removed.append(path)
        return tuple(removed)

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        file = self._file(path)
        with self._as_store_error(path):
            file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(file.with_name(f".{file.name}{_LOCK_SUFFIX}"), os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(descriptor)

    def _file(self, path: str) -> Path:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise StoreError(
                "A path would leave the store", found=repr(path), expected="a relative path below the store"
            )
        return self.root.joinpath(*parts)

    @contextmanager
    def _reading(self, path: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(
                f"{self.location} has no {path}", do="Run `triage run` to produce it, or check TRIAGE_STORE."
            ) from None
        except OSError as error:
            raise StoreError(
                f"Cannot read {path} in the store {self.location}",
                found=error.strerror or str(error),
                do="Check the folder's owner and permissions, and the disk.",
            ) from error

    @contextmanager
    def _as_store_error(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                do = "Free space or name another folder in TRIAGE_STORE, then run again: what was finished is kept."
            else:
                do = "Check the folder's owner and permissions, or name another folder in TRIAGE_STORE."
            raise StoreUnwritable(
                f"Cannot write {path} in the store {self.location}", found=error.strerror or str(error), do=do
            ) from error


class _NewFile(NewObject):
    """A temporary file beside its final name, locked as long as its writer lives."""

    def __init__(self, store: FolderStore, path: str) -> None:
        self.path = path
        self._store = store
        self._final = store._file(path)
        self._temporary = self._final.with_name(f".{self._final.name}.{secrets.token_hex(4)}{_TEMPORARY_SUFFIX}")
        self._committed = False
        self._closed = False
        with store._as_store_error(path):
            self._final.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = _create_locked(self._temporary)

    @override
    def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        with self._store._as_store_error(self.path):
            for start in range(0, len(buffers), 512):  # below IOV_MAX, 1024 on Linux
                self._write_all(list(buffers[start : start + 512]))

    def _write_all(self, buffers: list[bytes | memoryview]) -> None:
        remaining = sum(len(buffer) for buffer in buffers)
        while remaining:
            written = os.writev(self._descriptor, buffers)
            remaining -= written
            while written and written >= len(buffers[0]):
                written -= len(buffers.pop(0))
            if written:
                buffers[0] = memoryview(buffers[0])[written:]

    @override
    def commit(self, *, replace: bool = False) -> None:
        with self._store._as_store_error(self.path):
            os.fsync(self._descriptor)
            if replace:
                self._temporary.rename(self._final)
            else:
                self._link()
            self._committed = True
            _fsync_folder(self._final.parent)

    def _link(self) -> None:
        """Give the file its name, which no other file may have: unlike a rename, a link never replaces one."""
        try:
            self._final.hardlink_to(self._temporary)
        except FileExistsError:
            raise StoreError(
                f"{self._store.location}/{self.path} exists already: another run writes the same",
                do="Wait for it to end, then run again.",
            ) from None
        self._temporary.unlink()

    @override
    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self._committed:
            self._temporary.unlink(missing_ok=True)
        os.close(self._descriptor)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_internal(name: str) -> bool:
    """Whether a file is a temporary or a lock of this module, and no object."""
    return name.startswith(".") and name.endswith((_TEMPORARY_SUFFIX, _LOCK_SUFFIX))


def _create_locked(file: Path) -> int:
    """A descriptor of a new file, locked against `FolderStore.sweep` for as long as it is open."""
    while True:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # swept between its creation and its lock


@contextmanager
def _abandoned(file: Path) -> Iterator[bool]:
    """Whether no living writer holds the file; while it is so, none can take it."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken = True
    except BlockingIOError:
        taken = False
    try:
        yield taken
    finally:
        os.close(descriptor)
