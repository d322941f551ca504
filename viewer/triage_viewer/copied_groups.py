"""The groups of a store for those who only look: a private copy of them, made anew when the store has newer ones.

What lives here: one server's copy, from its first making to its removal. What does not: how one is made
(`triage_assets.groups_copy`), and that nobody decides on it (`access`).
"""

import logging
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from triage_assets.errors import ReviewReadOnly, TriageError
from triage_assets.groups.records import FOLDER
from triage_assets.groups_copy import RESULTS, load_copied, write_copy
from triage_assets.store import Store, StoredObject
from triage_viewer.problems import describe_trouble

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 10.0
_WATCHED = (f"{FOLDER}/groups.parquet", RESULTS)
Seen = tuple[StoredObject | None, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the copy shows: groups and labels as of their last change, and why they are not the store's latest."""

    changed_at: datetime | None = None
    trouble: str | None = None


class CopiedGroups:
    """A copy of the store's groups in a temporary folder. Threads share it; `close` removes it.

    The store is looked at when somebody asks for groups, at most every few seconds, and nobody waits for that: until
    newer groups are copied, those before are shown.
    """

    def __init__(
        self,
        store: Store,
        folder: "tempfile.TemporaryDirectory[str]",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(folder.name) / "groups.sqlite"
        self.shown = Shown()
        self._folder = folder
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "groups")
        self._seen: Seen | None = None
        self._looked_at = clock()
        self._copying: Future[None] | None = None

    @classmethod
    def make(cls, store: Store) -> Self:
        """A first copy, which is empty where the store's groups cannot be read. Raises `ReviewUnavailable`."""
        try:
            folder = tempfile.TemporaryDirectory(prefix="triage-groups-")
        except OSError as error:
            raise ReviewReadOnly(
                "The store's groups cannot be copied to be looked at",
                found=error.strerror or str(error),
                do="Name a folder that can be written in TMPDIR.",
            ) from None
        made = cls(store, folder)
        try:
            write_copy(made.path, None)
        except BaseException:
            made.close()
            raise
        made._copy_if_new()
        return made

    @property
    def url(self) -> str:
        """Where the copy is, for `open_review`."""
        return f"sqlite:///{self.path}"

    def look(self) -> None:
        """See whether the store has newer groups, where nobody has just done so, and do not wait for it."""
        with self._lock:
            is_due = self._clock() - self._looked_at >= _LOOK_SECONDS
            if is_due and (self._copying is None or self._copying.done()):
                self._looked_at = self._clock()
                self._copying = self._worker.submit(self._copy_if_new)

    def close(self) -> None:
        """Remove the copy, once a newer one that is being made is done."""
        self._worker.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def _copy_if_new(self) -> None:
        """Copy where the files are others than were copied, or could not be."""
        try:
            seen = tuple(self._store.find(path) for path in _WATCHED)
            if seen == self._seen:
                self.shown = Shown(self.shown.changed_at)
                return
            self._seen = None
            tables = load_copied(self._store)
            write_copy(self.path, tables)
            self._seen = seen
            self.shown = Shown(None if tables is None else tables.changed_at)
        except TriageError as error:
            self.shown = Shown(self.shown.changed_at, describe_trouble(error))
        except Exception:
            logger.exception("The store's groups cannot be copied")
            self.shown = Shown(self.shown.changed_at, "The store's groups cannot be shown. The server's log says why.")
