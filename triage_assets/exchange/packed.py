"""The older packed layout: sequences in tar archives beside a manifest, read in place and never unpacked.

What lives here: what of an archive is believed. What does not: sequences (`sources`), and the shards that this project
writes (the package `shards`).

Nothing is written under a member's name. A member that is neither a plain file nor a folder, or whose name leads out of
the archive, is refused all the same, by its name: whoever made it was not this layout's writer.
"""

import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import override

from triage_assets.errors import ExchangeError
from triage_assets.exchange.sources import Source, require_size
from triage_assets.shards.meta import META_NAME

MANIFEST = "manifest.json"
_MOST_MANIFEST_BYTES = 256_000_000
# A header and the long name or the attributes that may follow it; contents are passed over.
_MOST_HEADER_BYTES = 1_000_000
# Besides its own errors tarfile lets through those of a number that is none, of a place that is none, of a header that
# ends too early, and of headers of headers.
_UNREADABLE = (OSError, tarfile.TarError, ExchangeError, ValueError, OverflowError, IndexError, RecursionError)
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe",
}  # fmt: skip
_SEQUENCE_ID, _ARCHIVE = re.compile(r"[1-9][0-9]{0,18}"), re.compile(r"shard_[0-9]{1,9}\.tar")


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True)

    next_index: int
    items: dict[str, int | str]


@dataclass(frozen=True, slots=True)
class _Member:
    """Where the bytes of a file are."""

    archive: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class _Refused:
    """A file that is there and is not taken, by its name in the report."""

    where: str
    why: str


class PackedShards(Source):
    """The archives that a manifest names; a sequence is in the one that the manifest says it is in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder.name)
        self._folder = folder
        self._archives: dict[str, IO[bytes]] = {}
        # By path in the archives.
        self._members: dict[str, _Member] = {}
        self._refused: dict[str, _Refused] = {}
        self._told: set[str] = set()

    @override
    def folders(self) -> Iterator[str]:
        wanted = self._read_manifest()
        for archive in sorted(set(wanted.values())):
            try:
                self._list_archive(archive, wanted)
            except _UNREADABLE as error:
                found = error.what if isinstance(error, ExchangeError) else " ".join(str(error).split())[:200]
                self.left_out[f"{self.name}/{archive}"] = f"it cannot be read to its end: {found}"
        paths = (path for path in (*self._members, *self._refused) if path.endswith(f"/{META_NAME}"))
        folders = {path.removesuffix(f"/{META_NAME}") for path in paths}
        there = {folder.rpartition("/seq_")[2] for folder in folders}
        for sequence_id in sorted(wanted.keys() - there):
            self.left_out[f"{self.name}/seq_{sequence_id}"] = f"{wanted[sequence_id]} does not hold it"
        yield from sorted(folders)
        # What a sequence is left out for is said with it.
        untold = (refused for path, refused in self._refused.items() if path not in self._told)
        self.left_out.update((refused.where, refused.why) for refused in untold)

    @override
    def size(self, path: str) -> int | None:
        return self._members[path].size if path in self._members else None

    @override
    def refusal(self, path: str) -> str | None:
        if path not in self._refused:
            return None
        self._told.add(path)
        return self._refused[path].why

    @override
    def read(self, path: str, most_bytes: int) -> bytes:
        name = path.rpartition("/")[2]
        if path not in self._members:
            raise ExchangeError(f"{name} is missing")
        member = self._members[path]
        require_size(name, member.size, most_bytes)
        try:
            data = os.pread(self._archives[member.archive].fileno(), member.size, member.offset)
        except OSError as error:
            raise ExchangeError(f"{member.archive} cannot be read: {error.strerror or error}") from None
        if len(data) < member.size:
            raise ExchangeError(f"{name} is cut short, with {member.archive}")
        return data

    @override
    def close(self) -> None:
        for file in self._archives.values():
            file.close()
        self._archives.clear()

    def _read_manifest(self) -> dict[str, str]:
        """The archive of each sequence id. Raises `ExchangeError`."""
        path = self._folder / MANIFEST
        try:
            require_size(MANIFEST, path.stat().st_size, _MOST_MANIFEST_BYTES)
            manifest = _Manifest.model_validate(json.loads(path.read_bytes()))
        except (OSError, ValueError, RecursionError, ValidationError) as error:
            raise ExchangeError(
                f"{path} cannot be read",
                found=str(error).splitlines()[0][:200],
                expected='{"next_index": ..., "items": {"<sequence_id>": <shard>}}',
                do="Restore it from a copy.",
            ) from None
        wanted: dict[str, str] = {}
        for sequence_id, shard in manifest.items.items():
            name = f"shard_{shard:04d}.tar" if isinstance(shard, int) else f"{shard.removesuffix('.tar')}.tar"
            if not _SEQUENCE_ID.fullmatch(sequence_id) or not _ARCHIVE.fullmatch(name):
                what = f"{self.name}/{MANIFEST}: {sequence_id[:40]!r}"
                self.left_out[what] = f"no archive of a sequence is called {name[:80]!r}"
                continue
            wanted[sequence_id] = name
        return wanted

    def _list_archive(self, archive: str, wanted: dict[str, str]) -> None:
        file = (self._folder / archive).open("rb")
        self._archives[archive] = file
        # Only a plain archive: one that is compressed could become any size.
        with tarfile.open(fileobj=cast(IO[bytes], _Headers(file)), mode="r:") as tar:
            for member in tar:
                self._take(archive, member, wanted)

    def _take(self, archive: str, member: tarfile.TarInfo, wanted: dict[str, str]) -> None:
        name = member.name.rstrip("/") if member.isdir() else member.name
        path = name.removeprefix("./") or "/"  # `tar -cf shard_0000.tar .` names all that is in it so
        fault = _fault_of(member, path)
        if member.isdir() and not fault:
            return
        where = f"{self.name}/{archive}: {path[:200]!r}"
        folder = "/".join(path.split("/")[:3])
        is_expected = wanted.get(folder.rpartition("/seq_")[2]) == archive
        if fault and not is_expected:
            self.left_out[where] = fault
        elif not is_expected:
            self.left_out[f"{self.name}/{archive}: {folder[:200]!r}"] = "the manifest does not say that it is there"
        elif fault or path in self._members or path in self._refused:
            self._members.pop(path, None)
            self._refused.setdefault(path, _Refused(where, fault or "refused: it is there more than once"))
        else:
            self._members[path] = _Member(archive, member.offset_data, member.size)


def _fault_of(member: tarfile.TarInfo, path: str) -> str | None:
    """Why a member is refused, None where it is a plain file or a folder below the archive."""
    if not member.isdir() and (member.type not in _PLAIN or member.sparse is not None or member.size < 0):
        return f"refused: {_KINDS.get(member.type, 'no plain file')}"
    if path.startswith("/"):
        return "refused: its path is absolute"
    is_root = member.isdir() and path == "."
    if not is_root and any(part in ("", ".", "..") for part in path.split("/")):
        return "refused: its path leads out of the archive"
    return None


class _Headers:
    """A file of which headers are read and contents are passed over: a header never has more than a little."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MOST_HEADER_BYTES:
            raise ExchangeError(f"a header of {size:,} bytes")
        return self._file.read(size)

    def seek(self, position: int) -> int:
        # tarfile follows a negative size back to where it was, and never ends.
        if position < self._file.tell():
            raise ExchangeError("a member of a negative size")
        return self._file.seek(position)

    def tell(self) -> int:
        return self._file.tell()
