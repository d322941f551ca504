"""The store in a local folder: temporary files beside their final names, and locks that die with their holder.

What lives here: how a folder keeps the promises of `store.Store` against kills, full disks and other processes. What
does not: the promises themselves, and what any file means.
"""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from triage_assets.errors import ObjectExists, StoreError, StoreUnwritable
from triage_assets.store import NewObject, Store, StoredObject, ends_early, path_parts

_TEMPORARY_SUFFIX = ".tmp"
_LOCK_SUFFIX = ".lock"
# What file systems without hard links (FAT, exFAT, many shared folders) answer to one.
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class FolderStore(Store):
    """A store in a local folder. Locks are held with flock: they die with the process that holds them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.location = str(root)

    def __reduce__(self) -> tuple[type["FolderStore"], tuple[Path]]:
        """Mean the same folder in a process that works in another one."""
        return FolderStore, (self.root.absolute(),)

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
            raise ends_early(self, path, offset, len(data), size)
        return data

    @override
    def find(self, path: str) -> StoredObject | None:
        with self._reading(path):
            try:
                found = self._file(path).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return StoredObject(path, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    @override
    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = self._file(prefix) if prefix else self.root
        paths = [file.relative_to(self.root).as_posix() for file in folder.rglob("*") if not _is_internal(file.name)]
        for path in sorted(paths):
            found = self.find(path)
            if found is not None:  # a folder, or removed since it was listed
                yield found

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
            _make_folder(file.parent)
            descriptor = os.open(file.with_name(f".{file.name}{_LOCK_SUFFIX}"), os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(descriptor)

    def _file(self, path: str) -> Path:
        return self.root.joinpath(*path_parts(path))

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
            _make_folder(self._final.parent)
            self._descriptor = _create_locked(self._temporary)

    @override
    def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        with self._store._as_store_error(self.path):
            for start in range(0, len(buffers), 512):  # below IOV_MAX, 1024 on Linux
                self._write_all(list(buffers[start : start + 512]))

    def _write_all(self, buffers: list[bytes | memoryview]) -> None:
        remaining = sum(map(len, buffers))
        while (written := os.writev(self._descriptor, buffers)) < remaining:
            remaining -= written
            while written >= len(buffers[0]):
                written -= len(buffers.pop(0))
            buffers[0] = memoryview(buffers[0])[written:]

    @override
    def commit(self, *, replace: bool = False) -> None:
        with self._store._as_store_error(self.path):
            os.fsync(self._descriptor)
            if replace:
                self._temporary.rename(self._final)
            else:
                self._take_name()
            self._committed = True
            _fsync_folder(self._final.parent)

    def _take_name(self) -> None:
        """Give the file its name, which no other file may have."""
        try:
            self._link()
        except FileExistsError:
            raise ObjectExists(
                f"{self._store.location}/{self.path} exists already: another run writes the same",
                do="Wait for it to end, then run again.",
            ) from None

    def _link(self) -> None:
        """Unlike a rename, a link never replaces a file."""
        try:
            self._final.hardlink_to(self._temporary)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            self._rename_onto_reservation()
        else:
            self._temporary.unlink()

    def _rename_onto_reservation(self) -> None:
        """Reserve the name with an empty file, then put the temporary file in its place.

        The empty file is locked, so that a sweep leaves it alone and only another program could come between. A
        reader may see it for a moment; a writer killed in that moment leaves it behind, for a sweep to remove.
        """
        reservation = _create_locked(self._final)
        try:
            self._temporary.rename(self._final)
        except OSError:
            self._final.unlink()
            raise
        finally:
            os.close(reservation)

    @override
    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if not self._committed:
            self._temporary.unlink(missing_ok=True)
        os.close(self._descriptor)


def _make_folder(folder: Path) -> None:
    """Make a folder and all that is missing above it, and make each of them durable in the folder that holds it."""
    if folder.is_dir():
        return
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
    _fsync_folder(folder.parent)


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
        # A writer may have put another file in its place before the lock was taken.
        taken = os.path.samestat(os.fstat(descriptor), file.stat())
    except (BlockingIOError, FileNotFoundError):
        taken = False
    try:
        yield taken
    finally:
        os.close(descriptor)
