"""The split as it is now: loaded in the background, and again when the store's files change.

What lives here: noticing changes, and which version requests see meanwhile. What does not: reading files (`load`).
"""

import copy
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property

from triage_assets.errors import NoWorklists, TriageError, WorklistsChanged, WorklistsUnusable
from triage_assets.groups.records import FOLDER as GROUPS_FOLDER
from triage_assets.store import Store, StoredObject
from triage_viewer.backlog.answers import TriageFacets
from triage_viewer.backlog.facets import list_facets
from triage_viewer.backlog.load import RECORD, RESULTS, StoredBacklog, load_backlog
from triage_viewer.backlog.orders import USUAL
from triage_viewer.backlog.selection import Selections
from triage_viewer.problems import describe_trouble

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
_WAIT_SECONDS = 60.0
_RETRY_SECONDS = 5.0
_WATCHED = (RECORD, RESULTS, f"{GROUPS_FOLDER}/groups.parquet")


@dataclass(frozen=True)
class LoadedBacklog:
    """One version of the split, and the selections that were made of it."""

    stored: StoredBacklog
    selections: Selections

    @cached_property
    def facets(self) -> TriageFacets:
        """What there is to choose from in it."""
        return list_facets(self.stored)

    def require(self, version: str | None) -> None:
        """Refuse what is asked about another version. Raises `WorklistsChanged`."""
        if version not in (None, self.stored.version):
            raise WorklistsChanged(
                "The worklists have changed since",
                found=f"version {self.stored.version}",
                expected=f"version {version:.40}",
                do="Ask again from the first row.",
            )


class LiveBacklog:
    """The latest version that could be loaded. Requests during a reload see the one before.

    The store is looked at when somebody asks, at most once a second; nothing is read before that, or `start`. Nobody
    waits for a look who can be served from what is known: a bucket may be slow, or away.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "backlog")
        self._loaded: LoadedBacklog | None = None
        self._trouble: TriageError | None = None
        self._told: str | None = None
        self._seen: tuple[StoredObject | None, ...] | None = None
        self._looked_at = float("-inf")
        self._tried_at = float("-inf")
        self._loading: Future[None] | None = None

    @property
    def trouble(self) -> str | None:
        """Why what is shown is not the latest, None where it is."""
        return self._told

    @property
    def latest(self) -> LoadedBacklog | None:
        """What is loaded by now, for whoever can do without."""
        return self._loaded

    def start(self) -> None:
        """Begin to load, and do not wait for it."""
        with self._lock:
            self._look()

    def close(self) -> None:
        """Let go of the loading thread; what it does is finished first."""
        self._worker.shutdown(cancel_futures=True)

    def current(self) -> LoadedBacklog:
        """The split. Waits where nothing was loaded yet. Raises `NoWorklists`, `WorklistsUnusable`, `StoreError`."""
        with self._lock:
            if self._clock() - self._looked_at >= _LOOK_SECONDS:
                self._look()
            loading, loaded = self._loading, self._loaded
        if loaded is None and loading is not None:
            wait([loading], _WAIT_SECONDS)
            loaded = self._loaded
        if loaded is not None:
            return loaded
        if self._trouble is not None:
            raise copy.copy(self._trouble)  # raised by several threads, one and the same would grow
        raise WorklistsUnusable("The worklists are still being loaded", do="Ask again in a minute.")

    def _look(self) -> None:
        """Begin to look, where that is not under way. The lock is held."""
        self._looked_at = self._clock()
        if self._loading is None or self._loading.done():
            self._loading = self._worker.submit(self._load_if_new)

    def _load_if_new(self) -> None:
        """Load where the files are others than were loaded or tried."""
        try:
            seen = tuple(self._store.find(path) for path in _WATCHED)
        except TriageError as error:
            self._note(error)
            self._seen = None
            return
        is_due = self._trouble is not None and self._clock() - self._tried_at >= _RETRY_SECONDS
        if seen != self._seen or is_due:
            self._seen, self._tried_at = seen, self._clock()
            self._load()

    def _note(self, error: TriageError) -> None:
        """Have it told why what is shown is not the latest."""
        told = describe_trouble(error)
        with self._lock:
            self._trouble, self._told = error, told

    def _load(self) -> None:
        begun = time.perf_counter()
        try:
            stored = load_backlog(self._store)
        except NoWorklists as error:  # a new store is no trouble
            with self._lock:
                self._loaded = None
            self._note(error)
            return
        except TriageError as error:
            self._note(error)
            return
        except BaseException:
            logger.exception("The worklists cannot be loaded")
            self._note(WorklistsUnusable("The worklists cannot be loaded", do="The server's log says what happened."))
            raise
        loaded = LoadedBacklog(stored, Selections(stored.table))
        before = self._loaded
        is_same = before is not None and before.stored.version == stored.version
        if before is not None and not is_same:
            # Meanwhile the version before is quick to answer. All orders of both would take 130 MB more at a million.
            loaded.selections.orders.prepare(USUAL)
        with self._lock:
            self._trouble = self._told = None
            if not is_same:
                self._loaded = loaded
        logger.info("%d sequences loaded in %.2f s", len(stored.table), time.perf_counter() - begun)
        if not is_same:
            self._worker.submit(loaded.selections.orders.prepare)
