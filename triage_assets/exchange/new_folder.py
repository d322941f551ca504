"""A folder that comes into being whole: filled under another name beside it, and given its own at the end.

What lives here: that name, who may fill it, and going on with what an earlier run began. What does not: what is in it.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from triage_assets.errors import ExchangeError

_log = logging.getLogger(__name__)

# What the folder is an export of. It stays in the folder.
STAMP = ".triage-export.json"
_UNFINISHED = ".unfinished"
_HALF = ".half"


class NewFolder:
    """The folder ``final`` while it is filled, as a context manager.

    ``content`` says what it will hold. What an earlier run left unfinished is gone on with, and what of it is not
    wanted now is removed at the end; for that files of one name hold the same wherever ``content`` agrees in ``same``.
    Raises `ExchangeError` where there is something under its name already, where another process fills it, and where it
    cannot be written; what was written by then stays for the next run.
    """

    def __init__(self, final: Path, content: Mapping[str, object], same: Iterable[str]) -> None:
        self._final = final.absolute()  # `.` has no name
        self._unfinished = Path(f"{self._final}{_UNFINISHED}")
        self._content = dict(content)
        self._same = tuple(same)
        self._wanted: set[str] = {STAMP}
        self._lock: int | None = None

    def __enter__(self) -> Self:
        require_free(self._final)
        try:
            with self._as_sentences():
                self._begin()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            with suppress(OSError):
                self._discard_if_empty()
            if self._unfinished.exists() and str(self._unfinished) not in str(error):
                _log.warning("What was written until then is in %s: the same command goes on with it", self._unfinished)
        self._release()

    def _begin(self) -> None:
        """Make the unfinished folder ours."""
        self._unfinished.mkdir(parents=True, exist_ok=True)
        stamp = self._unfinished / STAMP
        if not stamp.exists() and any(self._unfinished.iterdir()):
            raise self._refuse("it does not say which export it is of")
        self._lock = os.open(stamp, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._refuse("another process fills it now") from None
        found = _parse(stamp.read_bytes())
        if found is None or any(found.get(name) != self._content[name] for name in self._same if found):
            raise self._refuse("it is of another export")
        stamp.write_text(json.dumps(self._content, indent=1, sort_keys=True) + "\n")

    def _discard_if_empty(self) -> None:
        if [file.name for file in self._unfinished.iterdir()] == [STAMP]:
            (self._unfinished / STAMP).unlink()
            self._unfinished.rmdir()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def size(self, path: str) -> int | None:
        """The size in bytes of a file that is there already, None where there is none."""
        try:
            return (self._unfinished / path).stat().st_size
        except FileNotFoundError:
            return None

    def holds(self, path: str, data: bytes) -> bool:
        """Whether a file is there already and holds just this."""
        try:
            return (self._unfinished / path).read_bytes() == data
        except FileNotFoundError:
            return False

    def keep(self, paths: Iterable[str]) -> None:
        """Want files that are there already."""
        self._wanted.update(paths)

    def write(self, path: str, data: bytes | memoryview) -> None:
        """Create or replace a file, whose name nobody sees before all of it is there."""
        file = self._unfinished / path
        half = file.with_name(f"{file.name}{_HALF}")
        self._wanted.add(path)
        with self._as_sentences():
            try:
                half.write_bytes(data)
            except FileNotFoundError:
                file.parent.mkdir(parents=True, exist_ok=True)
                half.write_bytes(data)
            half.rename(file)

    def finish(self) -> None:
        """Give the folder its name. What is in it outlives a power cut from then on."""
        require_free(self._final)
        with self._as_sentences():
            for folder, _, files in os.walk(self._unfinished, topdown=False):
                below = Path(folder).relative_to(self._unfinished)
                for name in files:
                    if (below / name).as_posix() not in self._wanted:
                        (Path(folder) / name).unlink()
                if not any(Path(folder).iterdir()):
                    Path(folder).rmdir()
            os.sync()
            self._unfinished.rename(self._final)

    @contextmanager
    def _as_sentences(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ExchangeError(
                f"{self._final} cannot be written",
                found=error.strerror or str(error),
                do="Make room, or name another folder; the same command goes on with what is written already, in "
                f"{self._unfinished}.",
            ) from error

    def _refuse(self, found: str) -> ExchangeError:
        return ExchangeError(
            f"{self._unfinished} is in the way", found=found, do="Wait, delete it, or name another folder."
        )


def require_free(path: Path) -> None:
    """Refuse to write where something is already: `ExchangeError`. An empty folder is nothing, save the current one."""
    if os.path.lexists(path) and not (_is_empty_folder(path) and not path.samefile(Path())):
        raise ExchangeError(
            f"{path} exists already, and nothing is ever overwritten", do="Delete it, or name another one."
        )


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _parse(stamp: bytes) -> dict[str, object] | None:
    """What a stamp says: nothing where it was only just made, None where it cannot be read."""
    try:
        content = json.loads(stamp or b"{}")
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
